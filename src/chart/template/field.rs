//! `.Name` on a value: methods first, then struct fields and map entries, with Go's errors for the rest.

use super::exec::{At, State};
use super::tree::Expr;
use crate::chart::functions::methods;
use crate::chart::limits::Fault;
use crate::chart::value::Value;

impl<'a> State<'a> {
    /// `args` are a call's arguments with the callee first, and the value piped into it.
    pub(super) fn field(
        &mut self,
        dot: &Value,
        name: &str,
        at: At<'a>,
        (args, last): (&'a [Expr], Option<Value>),
        receiver: Value,
        through_interface: bool,
    ) -> Result<Value, Fault> {
        match receiver {
            Value::Nil => return Ok(Value::Nil),
            Value::NilInterface => {
                return Err(self.fault(format!("nil pointer evaluating interface {{}}.{name}")));
            }
            _ => {}
        }
        if let Some(method) = methods::find(&receiver, name) {
            let values = self.arguments(dot, name, method.signature, args, last)?;
            let context = &self.env.context;
            return (method.call)(&receiver, context, &values).map_err(|fault| {
                self.at = at;
                self.fault(format!("error calling {name}: {}", fault.0))
            });
        }
        let has_arguments = args.len() > 1 || last.is_some();
        match &receiver {
            Value::Struct(value) => match value.field(name).filter(|_| name.starts_with(char::is_uppercase)) {
                Some(_) if has_arguments => {
                    Err(self.fault(format!("{name} has arguments but cannot be invoked as function")))
                }
                Some(field) => Ok(field.clone()),
                None => Err(self.no_field(name, &receiver, through_interface)),
            },
            Value::Map(_) | Value::Files(_) if has_arguments => {
                Err(self.fault(format!("{name} is not a method but has arguments")))
            }
            Value::Map(map) => Ok(map.get(name).map_or_else(|| map.zero(), Value::as_entry)),
            Value::Files(files) => Ok(files.bytes(name)),
            _ => Err(self.no_field(name, &receiver, through_interface)),
        }
    }

    fn no_field(&self, name: &str, receiver: &Value, through_interface: bool) -> Fault {
        let ty = if through_interface { "interface {}".to_owned() } else { receiver.type_name() };
        self.fault(format!("can't evaluate field {name} in type {ty}"))
    }
}
