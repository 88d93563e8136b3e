//! Values in MessagePack, as Terraform sends them.

use bytes::Bytes;
use rmpv::Value;

use crate::wire::tf6::DynamicValue;

pub const NULL: Value = Value::Nil;

pub fn text(text: &str) -> Value {
    Value::from(text)
}

/// An unknown value as Terraform writes it when it knows nothing about it.
pub fn unknown() -> Value {
    Value::Ext(0, vec![0])
}

/// An unknown value of which Terraform knows that it is not null.
pub fn unknown_but_not_null() -> Value {
    Value::Ext(12, vec![0x81, 0x01, 0xc2])
}

pub fn object<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    Value::Map(attributes.into_iter().map(|(name, value)| (text(name), value)).collect())
}

/// `object` with some attributes replaced.
pub fn with<const N: usize>(object: &Value, changes: [(&str, Value); N]) -> Value {
    let Value::Map(mut attributes) = object.clone() else { panic!("not an object: {object}") };
    for (name, value) in changes {
        attributes.iter_mut().find(|(key, _)| key.as_str() == Some(name)).unwrap().1 = value;
    }
    Value::Map(attributes)
}

pub fn dynamic(value: &Value) -> Option<DynamicValue> {
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, value).unwrap();
    Some(DynamicValue { msgpack: msgpack.into(), json: Bytes::new() })
}

/// Decodes an answer; attributes in order of their names, so that it can be compared.
pub fn value(dynamic: &Option<DynamicValue>) -> Value {
    let bytes = &dynamic.as_ref().unwrap().msgpack;
    sorted(rmpv::decode::read_value(&mut &bytes[..]).unwrap())
}

pub fn sorted(value: Value) -> Value {
    match value {
        Value::Map(mut entries) => {
            entries.sort_by(|(left, _), (right, _)| left.as_str().cmp(&right.as_str()));
            Value::Map(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(sorted).collect()),
        Value::Ext(..) => unknown(),
        other => other,
    }
}

pub fn attribute(object: &Value, name: &str) -> Value {
    object.as_map().unwrap().iter().find(|(key, _)| key.as_str() == Some(name)).unwrap().1.clone()
}
