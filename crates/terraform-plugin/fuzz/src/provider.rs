//! A provider that takes values of every kind and gives them back. It never panics, waits or writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use terraform_plugin::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, FunctionSchema, NestedBlock, Parameter, Schema, Type,
};
use terraform_plugin::value::{
    Value, ValueAny, ValueBool, ValueList, ValueMap, ValueNumber, ValueSet, ValueString, serde_as_vec,
};
use terraform_plugin::{
    AttributePath, DataSource, DeferReason, Diagnostic, Diagnostics, Function, Provider, Registry, Replacement, Report,
    Resource, StateUpgrade, WriteOnly, async_trait, defer, diagnostic,
};

/// What the resource and the data source are called.
pub const TYPE: &str = "fuzz_thing";
/// What the function is called.
pub const FUNCTION: &str = "pick";

pub fn registry() -> Registry {
    Registry::new(Fuzz).resource(TYPE, Thing).data_source(TYPE, Thing).function(FUNCTION, Pick)
}

fn attribute(attr_type: AttributeType) -> Attribute {
    Attribute { attr_type, constraint: AttributeConstraint::Optional, ..Default::default() }
}

fn attributes<const N: usize>(attributes: [(&str, AttributeType); N]) -> std::collections::HashMap<String, Attribute> {
    attributes.into_iter().map(|(name, kind)| (name.to_owned(), attribute(kind))).collect()
}

fn schema(version: i64) -> Option<Schema> {
    let string = || Box::new(AttributeType::String);
    let inner = || attributes([("k", AttributeType::String), ("n", AttributeType::Number)]);
    let block = |attributes| Block { attributes, ..Default::default() };
    let attributes = attributes([
        ("s", AttributeType::String),
        ("n", AttributeType::Number),
        ("b", AttributeType::Bool),
        ("list", AttributeType::List(string())),
        ("set", AttributeType::Set(string())),
        ("map", AttributeType::Map(Box::new(AttributeType::List(string())))),
        ("tuple", AttributeType::Tuple(vec![AttributeType::String, AttributeType::Number])),
        ("any", AttributeType::Any),
        ("one", AttributeType::AttributeSingle(inner())),
        ("many", AttributeType::AttributeList(inner())),
        ("named", AttributeType::AttributeMap(inner())),
    ]);
    let blocks = [("maybe", NestedBlock::Optional(block(inner()))), ("block", NestedBlock::List(block(inner())))];
    let blocks = blocks.into_iter().map(|(name, block)| (name.to_owned(), block)).collect();
    Some(Schema { version, block: Block { blocks, ..block(attributes) } })
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Model<'a> {
    #[serde(borrow)]
    s: ValueString<'a>,
    n: ValueNumber,
    b: ValueBool,
    #[serde(borrow)]
    list: ValueList<ValueString<'a>>,
    #[serde(borrow)]
    set: ValueSet<ValueString<'a>>,
    #[serde(borrow)]
    map: ValueMap<'a, ValueList<ValueString<'a>>>,
    #[serde(borrow)]
    tuple: Value<(ValueString<'a>, ValueNumber)>,
    any: ValueAny,
    #[serde(borrow)]
    one: Value<Inner<'a>>,
    #[serde(borrow)]
    many: ValueList<Value<Inner<'a>>>,
    #[serde(borrow)]
    named: ValueMap<'a, Value<Inner<'a>>>,
    #[serde(with = "serde_as_vec", borrow)]
    maybe: Value<Inner<'a>>,
    #[serde(borrow)]
    block: ValueList<Inner<'a>>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    k: ValueString<'a>,
    n: ValueNumber,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Private {
    count: u32,
    texts: BTreeMap<String, Option<String>>,
}

struct Fuzz;

#[async_trait]
impl Provider for Fuzz {
    type Config<'a> = Model<'a>;
    type MetaState<'a> = Option<Private>;

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        schema(0)
    }
}

struct Thing;

/// What an attribute can ask for: an error, a deferral, nothing at all.
fn behave(diags: &mut Diagnostics, model: &Model<'_>) -> Option<()> {
    match model.s.as_str() {
        "fail" => diags.fail(AttributePath::new("map").key("k").index(1), "As asked", ""),
        "warn" => diags.warn(AttributePath::new("s"), "As asked", model.n.unwrap_or_default().to_string()),
        "defer" => {
            defer(DeferReason::ResourceConfigUnknown);
            return None;
        }
        "gone" => return None,
        _ => {}
    }
    Some(())
}

#[async_trait]
impl Resource for Thing {
    type State<'a> = Model<'a>;
    type PrivateState<'a> = Private;
    type ProviderMetaState<'a> = Option<Private>;

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        schema(2)
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: Model<'a>) -> Option<()> {
        behave(diags, &config)
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        state: Model<'a>,
        private: Private,
        _: Option<Private>,
    ) -> Option<(Model<'a>, Private)> {
        behave(diags, &state)?;
        Some((state, private))
    }

    async fn plan_create<'a>(
        &self,
        diags: &mut Diagnostics,
        proposed: Model<'a>,
        _: Model<'a>,
        _: Option<Private>,
    ) -> Option<(Model<'a>, Private)> {
        behave(diags, &proposed)?;
        Some((Model { b: Value::Unknown, ..proposed }, Private::default()))
    }

    async fn plan_update<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: Model<'a>,
        proposed: Model<'a>,
        _: Model<'a>,
        private: Private,
        _: Option<Private>,
    ) -> Option<(Model<'a>, Private, Vec<AttributePath>)> {
        behave(diags, &proposed)?;
        let replace = if prior == proposed { vec![] } else { vec![AttributePath::new("one").attribute("k")] };
        Some((proposed, private, replace))
    }

    async fn plan_destroy<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: Model<'a>,
        private: Private,
        _: Option<Private>,
    ) -> Option<Private> {
        behave(diags, &prior)?;
        Some(private)
    }

    async fn create<'a>(
        &self,
        diags: &mut Diagnostics,
        planned: Model<'a>,
        _: Model<'a>,
        private: Private,
        _: Option<Private>,
    ) -> Option<(Model<'a>, Private)> {
        behave(diags, &planned)?;
        Some((planned, private))
    }

    async fn update<'a>(
        &self,
        diags: &mut Diagnostics,
        _: Model<'a>,
        planned: Model<'a>,
        _: Model<'a>,
        private: Private,
        _: Option<Private>,
    ) -> Option<(Model<'a>, Private)> {
        behave(diags, &planned)?;
        Some((planned, private))
    }

    async fn destroy<'a>(
        &self,
        diags: &mut Diagnostics,
        prior: Model<'a>,
        _: Private,
        _: Option<Private>,
    ) -> Option<()> {
        behave(diags, &prior)
    }

    async fn import<'a>(&self, diags: &mut Diagnostics, id: String) -> Option<(Model<'a>, Private)> {
        let found = Model {
            s: id.into(),
            n: Value::Null,
            b: Value::Null,
            list: Value::Null,
            set: Value::Null,
            map: Value::Null,
            tuple: Value::Null,
            any: ValueAny::Null,
            one: Value::Null,
            many: Value::Null,
            named: Value::Null,
            maybe: Value::Null,
            block: Value::Value(Vec::new()),
        };
        behave(diags, &found)?;
        Some((found, Private::default()))
    }
}

impl Replacement for Thing {}

impl WriteOnly for Thing {
    fn write_only(&self) -> &'static [&'static [&'static str]] {
        &[&["one", "k"], &["nowhere"]]
    }
}

impl StateUpgrade for Thing {
    fn upgrade_state(&self, version: i64, mut state: serde_json::Value) -> Result<serde_json::Value, Diagnostic> {
        match (version, state.as_object_mut()) {
            (1, Some(object)) => {
                let renamed = object.remove("text").unwrap_or_default();
                object.insert("s".to_owned(), renamed);
                Ok(state)
            }
            _ => Err(diagnostic(AttributePath::root(), "Too old", "")),
        }
    }
}

#[async_trait]
impl DataSource for Thing {
    type State<'a> = Model<'a>;
    type ProviderMetaState<'a> = Option<Private>;

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        schema(0)
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: Model<'a>) -> Option<()> {
        behave(diags, &config)
    }

    async fn read<'a>(&self, diags: &mut Diagnostics, config: Model<'a>, _: Option<Private>) -> Option<Model<'a>> {
        behave(diags, &config)?;
        Some(config)
    }
}

/// `pick(list, index, any)`.
struct Pick;

#[async_trait]
impl Function for Pick {
    type Input<'a> = (ValueList<ValueString<'a>>, ValueNumber, ValueAny);
    type Output<'a> = ValueAny;

    fn schema(&self, _: &mut Diagnostics) -> Option<FunctionSchema> {
        let parameter = |name: &str, param_type| Parameter { name: name.to_owned(), param_type, ..Default::default() };
        Some(FunctionSchema {
            parameters: vec![
                parameter("list", Type::List(Box::new(Type::String))),
                parameter("index", Type::Number),
                parameter("any", Type::Any),
            ],
            return_type: Type::Any,
            ..Default::default()
        })
    }

    async fn call<'a>(
        &self,
        diags: &mut Diagnostics,
        (list, index, any): (ValueList<ValueString<'a>>, ValueNumber, ValueAny),
    ) -> Option<ValueAny> {
        let index = usize::try_from(index.unwrap_or_default()).ok();
        match index.and_then(|index| list.as_ref().unwrap_or(&Vec::new()).get(index).cloned()) {
            Some(Value::Value(text)) => Some(ValueAny::String(text.into_owned())),
            Some(_) => Some(any),
            None => {
                diags.fail(AttributePath::function_argument(1), "There is no such element", "");
                None
            }
        }
    }
}
