//! `.Name` on a value: methods first, then struct fields and map entries, with Go's errors for the rest.

use super::exec::{At, Seen, State};
use super::tree::Expr;
use crate::functions::methods;
use crate::limits::Fault;
use crate::value::{MapType, Value};

impl<'a> State<'a> {
    /// `args` are a call's arguments with the callee first, and the value piped into it.
    pub(super) fn field(
        &mut self,
        dot: &Seen,
        name: &str,
        at: At<'a>,
        (args, last): (&'a [Expr], Option<Value>),
        receiver: Seen,
    ) -> Result<Seen, Fault> {
        if receiver.value.is_nil() {
            return match receiver.interface {
                true => Err(self.fault(format!("nil pointer evaluating interface {{}}.{name}"))),
                false => Ok(Seen::from(Value::Nil)),
            };
        }
        if let Some(method) = methods::find(&receiver.value, name) {
            let values = self.arguments(dot, name, method.signature, args, last)?;
            let context = &self.env.context;
            let result = context.counted(&values, || (method.call)(&receiver.value, context, &values));
            return result.map(Seen::from).map_err(|fault| {
                self.at = at;
                self.fault(format!("error calling {name}: {}", fault.0))
            });
        }
        let has_arguments = args.len() > 1 || last.is_some();
        let no_field = || self.fault(format!("can't evaluate field {name} in type {}", receiver.type_name()));
        match &receiver.value {
            Value::Struct(value) => match value.field(name).filter(|_| name.starts_with(char::is_uppercase)) {
                Some(_) if has_arguments => {
                    Err(self.fault(format!("{name} has arguments but cannot be invoked as function")))
                }
                Some(field) => Ok(field.clone().into()),
                None => Err(no_field()),
            },
            Value::Map(_) | Value::Files(_) if has_arguments => {
                Err(self.fault(format!("{name} is not a method but has arguments")))
            }
            Value::Map(map) => {
                let value = map.get(name).unwrap_or_else(|| map.zero());
                Ok(Seen::entry(value, map.ty() != MapType::Str))
            }
            Value::Files(files) => files.bytes(name, &self.env.context.budget).map(Seen::from),
            _ => Err(no_field()),
        }
    }
}
