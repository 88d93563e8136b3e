//! Calls of functions: Go's checks of argument counts and types, and the functions that execute templates themselves.

use std::sync::Arc;

use super::exec::{At, Namespace, Seen, State, execute};
use super::parser::parse;
use super::quote;
use super::tree::Expr;
use crate::functions::{self, Param, Signature};
use crate::limits::{Allowance, Fault, MAX_TEMPLATE_NODES};
use crate::value::{Element, MapType, Value};

/// Helm's limit for including one template within itself.
const MAX_INCLUDES: usize = 1000;
/// Bytes of an error message beyond which it is only passed on.
const MAX_MESSAGE: usize = 1 << 20;

impl<'a> State<'a> {
    /// Calls a function. `args` has the function's own name first; `last` is what is piped into it.
    pub(super) fn function(
        &mut self,
        dot: &Seen,
        name: &str,
        at: At<'a>,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        let Some(function) = functions::find(name) else {
            return Err(self.fault(format!("{} is not a defined function", quote::quote(name))));
        };
        if name == "and" || name == "or" {
            return self.and_or(dot, name, args, last);
        }
        let nothing_piped = last.as_ref().is_some_and(Value::is_nil);
        let values = self.arguments(dot, name, function.signature, args, last)?;
        let result = self.env.context.counted(&values, || match name {
            // Go asks nothing for its type.
            "len" if nothing_piped => Err("reflect: call of reflect.Value.Type on zero Value".into()),
            "include" => self.include(&values),
            "tpl" => self.tpl(&values),
            "call" => (function.call)(&self.env.context, &values).map_err(|fault| not_a_function(args, &values, fault)),
            _ => (function.call)(&self.env.context, &values),
        });
        result.map_err(|fault| {
            self.at = at;
            self.fault(format!("error calling {name}: {}", fault.0))
        })
    }

    /// The arguments of a call, checked against its signature.
    pub(super) fn arguments(
        &mut self,
        dot: &Seen,
        name: &str,
        signature: Signature,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Vec<Value>, Fault> {
        let args = args.get(1..).unwrap_or_default();
        let count = args.len() + usize::from(last.is_some());
        let fixed = signature.fixed();
        if signature.is_variadic() {
            if count < fixed {
                let got = args.len();
                return Err(self.fault(format!("wrong number of args for {name}: want at least {fixed} got {got}")));
            }
        } else if count != fixed {
            return Err(self.fault(format!("wrong number of args for {name}: want {fixed} got {count}")));
        }
        let mut values = Vec::with_capacity(count);
        for (index, arg) in args.iter().enumerate() {
            let value = self.argument(dot, signature.param(index), arg)?;
            values.push(value);
        }
        if let Some(last) = last {
            let value = self.check_type(last.into(), signature.param(args.len()))?;
            values.push(value);
        }
        Ok(values)
    }

    /// `and` and `or` stop at the first argument that decides.
    fn and_or(&mut self, dot: &Seen, name: &str, args: &'a [Expr], last: Option<Value>) -> Result<Value, Fault> {
        if args.len() < 2 && last.is_none() {
            return Err(self.fault(format!("wrong number of args for {name}: want at least 1 got 0")));
        }
        let mut value = Value::Nil;
        for arg in args.get(1..).unwrap_or_default() {
            value = self.argument(dot, Param::Reflect, arg)?;
            if value.is_true() == (name == "or") {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// An argument whose type nobody asks for: what fields are taken of.
    pub(super) fn untyped_argument(&mut self, dot: &Seen, expr: &'a Expr) -> Result<Seen, Fault> {
        self.at = At::Expr(expr);
        self.evaluated(dot, expr).unwrap_or_else(|| self.constant(expr).map(Seen::from))
    }

    /// The value of an expression that is not a constant.
    fn evaluated(&mut self, dot: &Seen, expr: &'a Expr) -> Option<Result<Seen, Fault>> {
        let value = match expr {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(_, fields) => self.field_chain(dot, dot.clone(), fields, At::Expr(expr), &[], None),
            Expr::Variable(..) => self.variable_node(dot, expr, &[], None),
            Expr::Pipe(pipe) => self.pipeline(dot, pipe).map(Seen::from),
            Expr::Identifier(_, name) => self.function(dot, name, At::Expr(expr), &[], None).map(Seen::from),
            Expr::Chain(..) => self.chain(dot, expr, &[], None),
            Expr::Nil(_) | Expr::Bool(..) | Expr::Number(..) | Expr::String(..) => return None,
        };
        Some(value)
    }

    fn argument(&mut self, dot: &Seen, param: Param, expr: &'a Expr) -> Result<Value, Fault> {
        self.at = At::Expr(expr);
        if let Some(value) = self.evaluated(dot, expr) {
            return self.check_type(value?, param);
        }
        let expected = |what: &str| Err(format!("expected {what}; found {expr}"));
        let constant = match (param, expr) {
            (param, Expr::Nil(_)) => match param.can_be_nil() {
                true => Ok(Value::Nil),
                false => Err(format!("cannot assign nil to {}", param.type_name())),
            },
            (Param::Any | Param::Reflect, constant) => return self.constant(constant),
            (Param::Bool, Expr::Bool(_, value)) => Ok(Value::Bool(*value)),
            (Param::Bool, _) => expected("bool"),
            (Param::String, Expr::String(_, value, _)) => Ok(Value::Str(value.clone())),
            (Param::String, _) => expected("string"),
            (Param::Int, Expr::Number(_, number)) => match number.int {
                Some(value) => Ok(Value::Int(value)),
                None => expected("integer"),
            },
            (Param::Int, _) => expected("integer"),
            (Param::Float, Expr::Number(_, number)) => match number.float {
                Some(value) => Ok(Value::Float(value)),
                None => expected("float"),
            },
            (Param::Float, _) => expected("float"),
            (Param::Uint32, Expr::Number(_, number)) => match number.uint {
                Some(value) => Ok(Value::Uint64(value)),
                None => expected("unsigned integer"),
            },
            (Param::Uint32, _) => expected("unsigned integer"),
            (Param::Map | Param::List | Param::Time | Param::Certificate, expr) => {
                Err(format!("can't handle {expr} for arg of type {}", param.type_name()))
            }
        };
        constant.map_err(|message| self.fault(message))
    }

    /// Go's `validateType`: the value as the parameter's type, or an error.
    fn check_type(&self, seen: Seen, param: Param) -> Result<Value, Fault> {
        let expected = param.type_name();
        let fits = match (param, &seen.value) {
            (Param::Any | Param::Reflect, _) => true,
            (Param::Map | Param::List, Value::Nil) if !seen.interface => true,
            (_, Value::Nil) if !seen.interface => {
                return Err(self.fault(format!("invalid value; expected {expected}")));
            }
            (Param::String, Value::Str(_) | Value::Raw(_)) => true,
            (Param::Int, Value::Int(_)) => true,
            (Param::Float, Value::Float(_)) => true,
            (Param::Bool, Value::Bool(_)) => true,
            (Param::Map, Value::Map(map)) => map.ty() != MapType::Str,
            (Param::List, Value::List(list)) => list.element == Element::Any,
            (Param::Time, Value::Time(_)) => true,
            (Param::Certificate, Value::Struct(value)) => value.type_name == param.type_name(),
            _ => false,
        };
        if fits {
            return Ok(match (param, seen.value) {
                // Go converts what is assignable.
                (Param::Map, Value::Map(map)) => Value::Map(map.seen_as(MapType::Any)),
                (_, value) => value,
            });
        }
        let got = if seen.value.is_nil() { seen.type_name() } else { seen.value.type_name() };
        Err(self.fault(format!("wrong type for value; expected {expected}; got {got}")))
    }

    fn include(&mut self, values: &[Value]) -> Result<Value, Fault> {
        let [name, data] = values else { return Err("include takes a name and a value".into()) };
        let name = functions::text(name)?;
        let count = {
            let mut included = self.env.included.borrow_mut();
            let count = included.entry(name.to_owned()).or_insert(0);
            *count += 1;
            *count
        };
        if count > MAX_INCLUDES + 1 {
            return Err(
                format!("rendering template has a nested reference name: {name}: unable to execute template").into()
            );
        }
        let Some(tree) = self.namespace.find(name) else {
            return Err(no_template(name, "gotpl"));
        };
        let mut out = Vec::new();
        execute(self.env, self.namespace, tree, data.clone(), &mut out)?;
        if let Some(count) = self.env.included.borrow_mut().get_mut(name) {
            *count -= 1;
        }
        Ok(Value::from_bytes(out))
    }

    fn tpl(&mut self, values: &[Value]) -> Result<Value, Fault> {
        let [text, data] = values else { return Err("tpl takes a text and a value".into()) };
        let text: Arc<str> = match text {
            Value::Str(text) => text.clone(),
            other => functions::text(other)?.into(),
        };
        self.env.context.budget.parse(text.len())?;
        self.env.context.budget.enter()?;
        let quoted = || quote::quote(&text);
        // Helm gives every `tpl` text the name of its root template.
        let nodes = Allowance::new(MAX_TEMPLATE_NODES);
        let trees = parse(ROOT, text.clone(), &|name| functions::find(name).is_some(), &nodes).map_err(|error| {
            let (line, message) = (error.line, error.message);
            Fault(format!("cannot parse template {}: template: {ROOT}:{line}: {message}", quoted()))
        })?;
        let mut namespace = Namespace::new(Some(self.namespace));
        for tree in &trees {
            namespace.add(tree);
        }
        let mut out = Vec::new();
        let data = data.clone();
        // Every `tpl` within a `tpl` repeats the whole message.
        let run = |fault: Fault| match fault.0.len() > MAX_MESSAGE {
            true => fault,
            false => Fault(format!("error during tpl function execution for {}: {}", quoted(), fault.0)),
        };
        if let Some(tree) = trees.first() {
            let texts = &self.env.context.texts;
            texts.set(texts.get() + 1);
            let done = execute(self.env, &namespace, tree, data, &mut out);
            texts.set(texts.get() - 1);
            done.map_err(run)?;
        }
        self.env.context.budget.leave();
        Ok(Value::from_bytes(without_no_value(out)))
    }
}

const ROOT: &str = "gotpl";

/// Go names the callee by its expression, or by its value where it is piped.
fn not_a_function(args: &[Expr], values: &[Value], fault: Fault) -> Fault {
    let name = match (args.get(1), values.first()) {
        (_, None | Some(Value::Nil)) => return fault,
        (Some(callee), _) => callee.to_string(),
        (None, Some(Value::Str(text))) => text.to_string(),
        (None, Some(other)) => format!("<{} Value>", other.type_name()),
    };
    Fault(format!("non-function {name} of type {}", fault.0))
}

fn no_template(name: &str, root: &str) -> Fault {
    let (name, root) = (quote::quote(name), quote::quote(root));
    Fault(format!("template: no template {name} associated with template {root}"))
}

/// Helm erases what Go prints for nothing.
pub(crate) fn without_no_value(out: Vec<u8>) -> Vec<u8> {
    const NO_VALUE: &[u8] = b"<no value>";
    let Some(first) = out.windows(NO_VALUE.len()).position(|window| window == NO_VALUE) else { return out };
    let mut kept = out[..first].to_vec();
    let mut rest = &out[first..];
    while !rest.is_empty() {
        match rest.strip_prefix(NO_VALUE) {
            Some(tail) => rest = tail,
            None => {
                kept.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    kept
}
