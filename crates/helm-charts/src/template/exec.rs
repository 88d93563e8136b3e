//! Walks a template's tree and writes its output, with Go's rules for dot, variables, nil and control flow.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::quote;
use super::tree::{Branch, Call, Command, Expr, Name, Node, Number, Pipe, Tree, is_empty};
use crate::functions::{self, Cluster, Context};
use crate::limits::{Budget, Fault};
use crate::print;
use crate::value::{Element, MapType, Value};

/// What all templates of one render share.
pub(crate) struct Env {
    /// What functions may see of the world.
    pub context: Context,
    /// How often each template is being included right now.
    pub included: RefCell<HashMap<String, usize>>,
}

impl Env {
    /// For one render. `lookup` asks the cluster; without one it finds nothing.
    pub(crate) fn new(cluster: Option<Arc<dyn Cluster>>) -> Self {
        let (budget, maps) = (Budget::default(), RefCell::default());
        let context = Context { budget, cluster, texts: Cell::new(0), now: functions::now(), maps };
        Self { context, included: RefCell::default() }
    }
}

/// The templates that can be called by name. `tpl` adds a layer of its own.
pub(crate) struct Namespace<'a> {
    pub parent: Option<&'a Namespace<'a>>,
    trees: HashMap<&'a str, &'a Tree>,
}

impl<'a> Namespace<'a> {
    pub(crate) fn new(parent: Option<&'a Namespace<'a>>) -> Self {
        Self { parent, trees: HashMap::new() }
    }

    /// Later templates replace earlier ones, but an empty one replaces nothing.
    pub(crate) fn add(&mut self, tree: &'a Tree) {
        if !is_empty(&tree.root) || self.find(&tree.name).is_none() {
            self.trees.insert(&tree.name, tree);
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'a Tree> {
        self.trees.get(name).copied().or_else(|| self.parent?.find(name))
    }
}

/// Executes a template with `data` as its dot and `$`.
pub(crate) fn execute<'a>(
    env: &'a Env,
    namespace: &'a Namespace<'a>,
    tree: &'a Tree,
    data: Value,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let dot = Seen::from(data);
    let mut state = State { env, namespace, tree, variables: vec![("$".into(), dot.clone())], at: At::Template };
    match state.list(&dot, &tree.root, out) {
        Err(Stop::Fault(fault)) => Err(fault),
        // The parser lets loop control appear only within a range of the same template.
        Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(()),
    }
}

/// A value, and whether Go would hold it in an `interface {}`: what comes from a map or list of anything. It matters
/// for nil, whose fields are an error then, and for the type that messages name.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) value: Value,
    pub(super) interface: bool,
}

impl From<Value> for Seen {
    fn from(value: Value) -> Self {
        Seen { value, interface: false }
    }
}

impl Seen {
    /// An entry of a map or list.
    pub(super) fn entry(value: Value, interface: bool) -> Self {
        Seen { value, interface }
    }

    /// As messages name it.
    pub(super) fn type_name(&self) -> String {
        if self.interface { "interface {}".to_owned() } else { self.value.type_name() }
    }
}

/// Why walking stopped early.
pub(super) enum Stop {
    Break,
    Continue,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

/// The node that an error is reported at.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Template,
    Call(&'a Call),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Expr(&'a Expr),
}

/// One executing template.
pub(super) struct State<'a> {
    pub(super) env: &'a Env,
    pub(super) namespace: &'a Namespace<'a>,
    pub(super) tree: &'a Tree,
    pub(super) variables: Vec<(Name, Seen)>,
    pub(super) at: At<'a>,
}

impl<'a> State<'a> {
    /// An error at the current node, in Go's words.
    pub(super) fn fault(&self, message: impl AsRef<str>) -> Fault {
        let (pos, context) = match self.at {
            At::Template => return Fault(format!("template: {}: {}", self.tree.name, message.as_ref())),
            At::Call(call) => (call.pos, call.to_string()),
            At::Pipe(pipe) => (pipe.pos, pipe.to_string()),
            At::Command(command) => (command.pos, command.to_string()),
            At::Expr(expr) => (expr.pos(), expr.to_string()),
        };
        let location = self.tree.source.locate(pos);
        let name = quote::quote(&self.tree.name);
        Fault(format!("template: {location}: executing {name} at <{context}>: {}", message.as_ref()))
    }

    fn list(&mut self, dot: &Seen, nodes: &'a [Node], out: &mut Vec<u8>) -> Result<(), Stop> {
        self.env.context.budget.enter()?;
        nodes.iter().try_for_each(|node| self.node(dot, node, out))?;
        self.env.context.budget.leave();
        Ok(())
    }

    fn node(&mut self, dot: &Seen, node: &'a Node, out: &mut Vec<u8>) -> Result<(), Stop> {
        match node {
            Node::Text(text) => self.write(out, |out| {
                out.extend_from_slice(text.as_bytes());
                Ok(())
            })?,
            Node::Action(pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.write(out, |out| print::print(&value, out))?;
                }
            }
            Node::If(branch) => self.if_or_with(dot, branch, false, out)?,
            Node::With(branch) => self.if_or_with(dot, branch, true, out)?,
            Node::Range(branch) => self.range(dot, branch, out)?,
            Node::Template(call) => self.call_template(dot, call, out)?,
            Node::Break => return Err(Stop::Break),
            Node::Continue => return Err(Stop::Continue),
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>) -> Result<(), Fault> {
        let before = out.len();
        write(out)?;
        self.env.context.budget.step()?;
        self.env.context.budget.text(out.len() - before)
    }

    fn if_or_with(&mut self, dot: &Seen, branch: &'a Branch, with: bool, out: &mut Vec<u8>) -> Result<(), Stop> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        match value.is_true() {
            true if with => self.list(&value.into(), &branch.body, out)?,
            true => self.list(dot, &branch.body, out)?,
            false => self.list(dot, &branch.otherwise, out)?,
        }
        self.variables.truncate(mark);
        Ok(())
    }

    fn range(&mut self, dot: &Seen, branch: &'a Branch, out: &mut Vec<u8>) -> Result<(), Stop> {
        let outer = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let ended = match &value {
            Value::Int(_) | Value::Int64(_) | Value::Uint8(_) | Value::Uint64(_) => {
                self.range_number(&value, branch, out)?
            }
            Value::List(list) => {
                let items = list.items.clone();
                let pairs = items.iter().enumerate().map(|(index, item)| (Value::Int(index as i64), item.clone()));
                self.range_over(pairs, list.element == Element::Any, branch, out)?
            }
            Value::Map(map) => {
                let entries = map.entries().clone();
                let pairs = entries.into_iter().map(|(key, item)| (Value::Str(key), item));
                self.range_over(pairs, map.ty() != MapType::Str, branch, out)?
            }
            Value::Files(files) => {
                let files = files.named_bytes(&self.env.context.budget)?;
                let pairs = files.map(|(name, data)| (Value::from(name), data));
                self.range_over(pairs, false, branch, out)?
            }
            Value::Nil => false,
            other => {
                let text = print::format_value(other)?;
                return Err(self.fault(format!("range can't iterate over {text}")).into());
            }
        };
        if !ended {
            self.list(dot, &branch.otherwise, out)?;
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn range_number(&mut self, value: &Value, branch: &'a Branch, out: &mut Vec<u8>) -> Result<bool, Stop> {
        if branch.pipe.variables.len() > 1 {
            let text = print::format_value(value)?;
            return Err(self.fault(format!("can't use {text} to iterate over more than one variable")).into());
        }
        let (count, typed): (i64, fn(i64) -> Value) = match value {
            Value::Int64(count) => (*count, Value::Int64),
            Value::Uint8(count) => (i64::from(*count), |index| Value::Uint8(index as u8)),
            Value::Uint64(count) => (i64::try_from(*count).unwrap_or(i64::MAX), |index| Value::Uint64(index as u64)),
            Value::Int(count) => (*count, Value::Int),
            _ => (0, Value::Int),
        };
        self.range_over((0..count).map(|index| (Value::Nil, typed(index))), false, branch, out)
    }

    /// Runs the body for each pair; false when there was none.
    fn range_over(
        &mut self,
        pairs: impl Iterator<Item = (Value, Value)>,
        interface: bool,
        branch: &'a Branch,
        out: &mut Vec<u8>,
    ) -> Result<bool, Stop> {
        let mark = self.variables.len();
        let mut any = false;
        for (index, item) in pairs {
            any = true;
            let (index, item) = (Seen::from(index), Seen::entry(item, interface));
            match branch.pipe.variables.as_slice() {
                [] => {}
                [one] if branch.pipe.assigns => self.assign(one, item.clone())?,
                [_] => self.set_top(1, item.clone()),
                [key, value, ..] if branch.pipe.assigns => {
                    self.assign(key, index)?;
                    self.assign(value, item.clone())?;
                }
                [..] => {
                    self.set_top(1, item.clone());
                    self.set_top(2, index);
                }
            }
            match self.list(&item, &branch.body, out) {
                Err(Stop::Break) => break,
                Err(Stop::Continue) | Ok(()) => {}
                Err(fault) => return Err(fault),
            }
            self.variables.truncate(mark);
        }
        self.variables.truncate(mark);
        Ok(any)
    }

    fn call_template(&mut self, dot: &Seen, call: &'a Call, out: &mut Vec<u8>) -> Result<(), Stop> {
        self.at = At::Call(call);
        let Some(tree) = self.namespace.find(&call.name) else {
            return Err(self.fault(format!("template {} not defined", quote::quote(&call.name))).into());
        };
        let data = match &call.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Nil,
        };
        Ok(execute(self.env, self.namespace, tree, data, out)?)
    }

    // Variables.

    fn assign(&mut self, name: &str, value: Seen) -> Result<(), Fault> {
        match self.variables.iter_mut().rev().find(|(known, _)| **known == *name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(self.fault(format!("undefined variable: {name}"))),
        }
    }

    fn set_top(&mut self, from_top: usize, value: Seen) {
        if let Some(index) = self.variables.len().checked_sub(from_top) {
            self.variables[index].1 = value;
        }
    }

    fn variable(&self, name: &str) -> Result<Seen, Fault> {
        let found = self.variables.iter().rev().find(|(known, _)| **known == *name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| self.fault(format!("undefined variable: {name}")))
    }

    // Expressions.

    /// The value of a pipeline; its variables are set or pushed.
    pub(super) fn pipeline(&mut self, dot: &Seen, pipe: &'a Pipe) -> Result<Value, Fault> {
        self.env.context.budget.enter()?;
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?.value);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            match pipe.assigns {
                true => self.assign(name, value.clone().into())?,
                false => self.variables.push((name.clone(), value.clone().into())),
            }
        }
        self.env.context.budget.leave();
        Ok(value)
    }

    fn command(&mut self, dot: &Seen, command: &'a Command, last: Option<Value>) -> Result<Seen, Fault> {
        let args = command.args.as_slice();
        let first = &args[0];
        match first {
            Expr::Identifier(_, name) => {
                self.at = At::Expr(first);
                return self.function(dot, name, At::Command(command), args, last).map(Seen::from);
            }
            Expr::Field(_, fields) => {
                self.at = At::Expr(first);
                return self.field_chain(dot, dot.clone(), fields, At::Expr(first), args, last);
            }
            Expr::Chain(..) => return self.chain(dot, first, args, last),
            Expr::Variable(..) => return self.variable_node(dot, first, args, last),
            Expr::Pipe(pipe) => {
                self.not_a_function(args, &last)?;
                return self.pipeline(dot, pipe).map(Seen::from);
            }
            Expr::Dot(_) | Expr::Nil(_) | Expr::Bool(..) | Expr::Number(..) | Expr::String(..) => {}
        }
        self.at = At::Expr(first);
        self.not_a_function(args, &last)?;
        match first {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Nil(_) => Err(self.fault("nil is not a command")),
            constant => self.constant(constant).map(Seen::from),
        }
    }

    fn not_a_function(&self, args: &[Expr], last: &Option<Value>) -> Result<(), Fault> {
        match args.len() > 1 || last.is_some() {
            true => Err(self.fault(format!("can't give argument to non-function {}", args[0]))),
            false => Ok(()),
        }
    }

    pub(super) fn constant(&self, expr: &Expr) -> Result<Value, Fault> {
        match expr {
            Expr::Bool(_, value) => Ok(Value::Bool(*value)),
            Expr::String(_, value, _) => Ok(Value::Str(value.clone())),
            Expr::Number(_, number) => self.number(number),
            other => Err(self.fault(format!("can't evaluate command {}", quote::quote(&other.to_string())))),
        }
    }

    fn number(&self, number: &Number) -> Result<Value, Fault> {
        if let Some((real, imaginary)) = number.complex {
            return Ok(Value::Complex(real, imaginary));
        }
        let text = number.text.as_str();
        let hex = (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
        let looks_float = text.contains(['.', 'e', 'E', 'p', 'P']) && !text.starts_with('\'') && !hex;
        match (number.float, number.int) {
            (Some(float), _) if looks_float => Ok(Value::Float(float)),
            (_, Some(int)) => Ok(Value::Int(int)),
            _ => Err(self.fault(format!("{text} overflows int"))),
        }
    }

    pub(super) fn variable_node(
        &mut self,
        dot: &Seen,
        expr: &'a Expr,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Seen, Fault> {
        self.at = At::Expr(expr);
        let Expr::Variable(_, name, fields) = expr else { return Err(self.fault("not a variable")) };
        let value = self.variable(name)?;
        if fields.is_empty() {
            self.not_a_function(if args.is_empty() { std::slice::from_ref(expr) } else { args }, &last)?;
            return Ok(value);
        }
        self.field_chain(dot, value, fields, At::Expr(expr), args, last)
    }

    pub(super) fn chain(
        &mut self,
        dot: &Seen,
        expr: &'a Expr,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Seen, Fault> {
        self.at = At::Expr(expr);
        let Expr::Chain(_, inner, fields) = expr else { return Err(self.fault("not a chain")) };
        if let Expr::Nil(_) = **inner {
            return Err(self.fault(format!("indirection through explicit nil in {expr}")));
        }
        let receiver = self.untyped_argument(dot, inner)?;
        self.field_chain(dot, receiver, fields, At::Expr(expr), args, last)
    }

    pub(super) fn field_chain(
        &mut self,
        dot: &Seen,
        receiver: Seen,
        fields: &'a [Name],
        at: At<'a>,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Seen, Fault> {
        let Some((final_field, leading)) = fields.split_last() else { return Ok(receiver) };
        let step = |receiver, field| self.field(dot, field, at, (&[], None), receiver);
        let receiver = leading.iter().map(|field| &**field).try_fold(receiver, step)?;
        self.field(dot, final_field, at, (args, last), receiver)
    }
}
