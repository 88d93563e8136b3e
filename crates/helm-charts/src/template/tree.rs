//! The syntax tree of a template, and its text as Go prints it in error messages.
//! Never evaluates anything.

use std::fmt;
use std::sync::Arc;

/// An identifier, field or variable name.
pub(crate) type Name = Arc<str>;

/// The file (or `tpl` text) that a template was written in.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path within the release's templates, as Helm prints it.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// `name:line:column` of a byte offset: lines from 1; columns are bytes, from 0 on the first line and 1 on others.
    pub(crate) fn locate(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = 1 + before.matches('\n').count();
        let column = match before.rfind('\n') {
            None => before.len(),
            Some(newline) => before.len() - newline - 1,
        };
        format!("{}:{line}:{column}", self.name)
    }
}

/// One named template: a whole file, or a `define` or `block` in it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub name: String,
    pub source: Arc<Source>,
    pub root: Vec<Node>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Call),
    Break,
    Continue,
}

/// `if`, `with` or `range`, with its body and its `else`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub pipe: Pipe,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// `{{template "name" pipe}}`; also what a `block` leaves behind.
#[derive(Debug)]
pub(crate) struct Call {
    pub pos: usize,
    pub name: Name,
    pub pipe: Option<Pipe>,
}

/// Commands joined by `|`, and the variables that receive the result.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub pos: usize,
    pub assigns: bool,
    pub variables: Vec<Name>,
    pub commands: Vec<Command>,
}

/// A function or value with its arguments. `args` is never empty.
#[derive(Debug)]
pub(crate) struct Command {
    pub pos: usize,
    pub args: Vec<Expr>,
}

/// A numeric constant, in every type that can hold it.
#[derive(Debug)]
pub(crate) struct Number {
    pub text: String,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    /// The real and the imaginary part.
    pub complex: Option<(f64, f64)>,
}

#[derive(Debug)]
pub(crate) enum Expr {
    Dot(usize),
    Nil(usize),
    Bool(usize, bool),
    Number(usize, Number),
    /// The value, and the text as written with its quotes.
    String(usize, Arc<str>, String),
    /// `.a.b`, seen from dot.
    Field(usize, Vec<Name>),
    /// `$x` or `$x.a.b`.
    Variable(usize, Name, Vec<Name>),
    Identifier(usize, Name),
    /// `(pipe).a` or `func.a`.
    Chain(usize, Box<Expr>, Vec<Name>),
    Pipe(Box<Pipe>),
}

impl Expr {
    /// Byte offset in the source, where Go would put it.
    pub(crate) fn pos(&self) -> usize {
        match self {
            Expr::Dot(pos)
            | Expr::Nil(pos)
            | Expr::Bool(pos, _)
            | Expr::Number(pos, _)
            | Expr::String(pos, ..)
            | Expr::Field(pos, _)
            | Expr::Variable(pos, ..)
            | Expr::Identifier(pos, _)
            | Expr::Chain(pos, ..) => *pos,
            Expr::Pipe(pipe) => pipe.pos,
        }
    }
}

/// True when executing the nodes can print nothing but white space.
pub(crate) fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

fn write_fields(out: &mut fmt::Formatter<'_>, fields: &[Name]) -> fmt::Result {
    fields.iter().try_for_each(|field| write!(out, ".{field}"))
}

impl fmt::Display for Expr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Dot(_) => out.write_str("."),
            Expr::Nil(_) => out.write_str("nil"),
            Expr::Bool(_, value) => write!(out, "{value}"),
            Expr::Number(_, number) => out.write_str(&number.text),
            Expr::String(_, _, quoted) => out.write_str(quoted),
            Expr::Field(_, fields) => write_fields(out, fields),
            Expr::Variable(_, name, fields) => {
                out.write_str(name)?;
                write_fields(out, fields)
            }
            Expr::Identifier(_, name) => out.write_str(name),
            Expr::Chain(_, inner, fields) => {
                match &**inner {
                    Expr::Pipe(pipe) => write!(out, "({pipe})")?,
                    other => write!(out, "{other}")?,
                }
                write_fields(out, fields)
            }
            Expr::Pipe(pipe) => write!(out, "{pipe}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.args.iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            match arg {
                Expr::Pipe(pipe) => write!(out, "({pipe})")?,
                other => write!(out, "{other}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            out.write_str(&self.variables.join(", "))?;
            out.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                out.write_str(" | ")?;
            }
            write!(out, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{{{{template {}", super::quote::quote(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(out, " {pipe}")?;
        }
        out.write_str("}}")
    }
}
