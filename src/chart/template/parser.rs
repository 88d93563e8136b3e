//! Turns template text into trees, refusing what Go's `text/template/parse` refuses, in its words.
//!
//! A parser of our own: gotmpl 0.6's accepts what Go does not (a missing `end`, a stray `end` that silently drops
//! the rest of the file, undefined functions and variables), and such a chart must fail here as it does in Helm.
//! Never evaluates anything.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::lexer::{Item, Kind, Lexer};
use super::quote;
use super::tree::{Branch, Call, Command, Expr, Name, Node, Number, Pipe, Source, Tree, is_empty};
use crate::chart::number;

/// Nested blocks, parentheses and `else if`s. Go allows 10,000 parentheses; ours fits the stack of any thread.
const MAX_DEPTH: usize = 200;

/// A syntax error: Go's message, without the location.
#[derive(Debug, Clone)]
pub(in crate::chart) struct ParseError {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// Parses one file. The first tree is the file itself; its `define`s and `block`s follow.
pub(in crate::chart) fn parse(
    name: &str,
    text: String,
    is_function: &dyn Fn(&str) -> bool,
) -> Result<Vec<Tree>, ParseError> {
    let source = Arc::new(Source { name: name.to_owned(), text });
    let mut parser = Parser {
        lexer: Lexer::new(&source.text),
        is_function,
        defined: HashMap::new(),
        source: &source,
        depth: 0,
        scope: Scope::default(),
    };
    let root = parser.file()?;
    parser.define(name.to_owned(), root)?;
    let Parser { mut defined, .. } = parser;
    let file = defined.remove(name).into_iter();
    Ok(file.chain(defined.into_values()).collect())
}

/// What a `define` or `block` starts anew: look-ahead, variables and loops.
#[derive(Default)]
struct Scope<'a> {
    /// The items last read, newest first, for pushing back.
    tokens: [Option<Item<'a>>; 3],
    pushed_back: usize,
    variables: Vec<Name>,
    range_depth: usize,
    action_line: usize,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    is_function: &'a dyn Fn(&str) -> bool,
    defined: HashMap<String, Tree>,
    source: &'a Arc<Source>,
    depth: usize,
    scope: Scope<'a>,
}

type Parse<T> = Result<T, ParseError>;

/// How a list of nodes ended.
#[derive(Clone, Copy)]
enum End {
    End,
    Else,
}

enum Parsed {
    Node(Node),
    End(End),
}

impl<'a> Parser<'a> {
    // Items, with up to three pushed back as in Go.

    fn next(&mut self) -> Item<'a> {
        match self.scope.pushed_back.checked_sub(1) {
            Some(left) => self.scope.pushed_back = left,
            None => self.scope.tokens[0] = Some(self.lexer.next_item()),
        }
        let index = self.scope.pushed_back;
        let end = Item { kind: Kind::Eof, pos: self.source.text.len(), text: "EOF".into(), line: 1 };
        self.scope.tokens[index].clone().unwrap_or(end)
    }

    fn back_up(&mut self) {
        self.scope.pushed_back += 1;
    }

    fn back_up_to(&mut self, earlier: Item<'a>) {
        self.scope.tokens[1] = Some(earlier);
        self.scope.pushed_back = 2;
    }

    fn peek(&mut self) -> Item<'a> {
        let item = self.next();
        self.back_up();
        item
    }

    fn next_non_space(&mut self) -> Item<'a> {
        loop {
            let item = self.next();
            if item.kind != Kind::Space {
                return item;
            }
        }
    }

    fn peek_non_space(&mut self) -> Item<'a> {
        let item = self.next_non_space();
        self.back_up();
        item
    }

    // Errors.

    fn fail<T>(&self, message: impl Into<String>) -> Parse<T> {
        let line = self.scope.tokens[0].as_ref().map_or(1, |item| item.line);
        Err(ParseError { line, message: message.into() })
    }

    fn unexpected<T>(&self, item: &Item<'a>, context: &str) -> Parse<T> {
        if item.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", item.describe()));
        }
        let started = self.scope.action_line;
        if started == 0 || started == item.line {
            return self.fail(item.describe());
        }
        let action = if item.text.ends_with(" action") { "" } else { " in action" };
        self.fail(format!("{}{action} started at {}:{started}", item.text, self.source.name))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parse<Item<'a>> {
        let item = self.next_non_space();
        if item.kind != kind {
            return self.unexpected(&item, context);
        }
        Ok(item)
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("max expression depth exceeded");
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    // Lists and definitions.

    fn file(&mut self) -> Parse<Vec<Node>> {
        self.scope.variables.push("$".into());
        let mut nodes = Vec::new();
        loop {
            let item = self.next();
            if item.kind == Kind::Eof {
                return Ok(nodes);
            }
            if item.kind == Kind::LeftDelim {
                let first = self.next_non_space();
                if first.is_keyword("define") {
                    self.definition()?;
                    continue;
                }
                self.back_up_to(item);
            } else {
                self.back_up();
            }
            match self.text_or_action()? {
                Parsed::Node(node) => nodes.push(node),
                Parsed::End(end) => return self.fail(format!("unexpected {}", end_text(end))),
            }
        }
    }

    fn define(&mut self, name: String, root: Vec<Node>) -> Parse<()> {
        let tree = Tree { name, source: self.source.clone(), root };
        match self.defined.entry(tree.name.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(tree)),
            Entry::Occupied(mut entry) if is_empty(&entry.get().root) => drop(entry.insert(tree)),
            Entry::Occupied(_) if is_empty(&tree.root) => {}
            Entry::Occupied(_) => {
                let name = quote::quote(&tree.name);
                return self.fail(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn definition(&mut self) -> Parse<()> {
        self.scoped(|parser| {
            let context = "define clause";
            let item = parser.next_non_space();
            let name = parser.template_name(&item, context)?;
            parser.expect(Kind::RightDelim, context)?;
            parser.named_body(name, context)
        })
    }

    fn scoped<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        let fresh = Scope { variables: vec!["$".into()], ..Scope::default() };
        let outer = std::mem::replace(&mut self.scope, fresh);
        let result = self.nested(parse);
        if result.is_ok() {
            self.scope = outer;
        }
        result
    }

    fn named_body(&mut self, name: String, context: &str) -> Parse<()> {
        let (root, end) = self.list()?;
        match end {
            End::End => self.define(name, root),
            End::Else => self.fail(format!("unexpected {} in {context}", end_text(end))),
        }
    }

    fn list(&mut self) -> Parse<(Vec<Node>, End)> {
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Parsed::Node(node) => nodes.push(node),
                Parsed::End(end) => return Ok((nodes, end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parse<Parsed> {
        let item = self.next_non_space();
        match item.kind {
            Kind::Text => Ok(Parsed::Node(Node::Text(item.text.into_owned()))),
            Kind::LeftDelim => {
                self.scope.action_line = item.line;
                let parsed = self.nested(Self::action)?;
                self.scope.action_line = 0;
                Ok(parsed)
            }
            _ => self.unexpected(&item, "input"),
        }
    }

    // Actions.

    fn action(&mut self) -> Parse<Parsed> {
        let item = self.next_non_space();
        let word = if item.kind == Kind::Keyword { &*item.text } else { "" };
        let node = match word {
            "block" => self.block()?,
            "break" => self.loop_control(Node::Break, "break")?,
            "continue" => self.loop_control(Node::Continue, "continue")?,
            "else" => {
                self.otherwise()?;
                return Ok(Parsed::End(End::Else));
            }
            "end" => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Parsed::End(End::End));
            }
            "if" => Node::If(self.branch("if")?),
            "range" => Node::Range(self.branch("range")?),
            "with" => Node::With(self.branch("with")?),
            "template" => self.call()?,
            _ => {
                self.back_up();
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Parsed::Node(node))
    }

    /// After `else`: `if` and `with` are left for the branch to read.
    fn otherwise(&mut self) -> Parse<()> {
        let item = self.peek_non_space();
        if !item.is_keyword("if") && !item.is_keyword("with") {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(())
    }

    fn loop_control(&mut self, node: Node, word: &str) -> Parse<Node> {
        let item = self.next_non_space();
        if item.kind != Kind::RightDelim {
            return self.unexpected(&item, &format!("{{{{{word}}}}}"));
        }
        match self.scope.range_depth {
            0 => self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}")),
            _ => Ok(node),
        }
    }

    fn branch(&mut self, context: &str) -> Parse<Branch> {
        let outer = self.scope.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let in_range = usize::from(context == "range");
        self.scope.range_depth += in_range;
        let (body, end) = self.list()?;
        self.scope.range_depth -= in_range;
        let otherwise = match end {
            End::End => Vec::new(),
            End::Else if context != "range" && self.peek().is_keyword(context) => {
                self.next();
                let inner = self.nested(|parser| parser.branch(context))?;
                vec![if context == "if" { Node::If(inner) } else { Node::With(inner) }]
            }
            End::Else => {
                let (nodes, end) = self.list()?;
                if let End::Else = end {
                    return self.fail(format!("expected end; found {}", end_text(end)));
                }
                nodes
            }
        };
        self.scope.variables.truncate(outer);
        Ok(Branch { pipe, body, otherwise })
    }

    fn block(&mut self) -> Parse<Node> {
        let context = "block clause";
        let item = self.next_non_space();
        let name = self.template_name(&item, context)?;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let call = Call { pos: item.pos, name: name.as_str().into(), pipe: Some(pipe) };
        self.scoped(|parser| parser.named_body(name, context))?;
        Ok(Node::Template(call))
    }

    fn call(&mut self) -> Parse<Node> {
        let context = "template clause";
        let item = self.next_non_space();
        let name = self.template_name(&item, context)?.into();
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.back_up();
            pipe = Some(self.pipeline(context, Kind::RightDelim)?);
        }
        Ok(Node::Template(Call { pos: item.pos, name, pipe }))
    }

    fn template_name(&mut self, item: &Item<'a>, context: &str) -> Parse<String> {
        match item.kind {
            Kind::String | Kind::RawString => self.unquoted(&item.text),
            _ => self.unexpected(item, context),
        }
    }

    fn unquoted(&self, literal: &str) -> Parse<String> {
        quote::unquote(literal).map_or_else(|| self.fail("invalid syntax"), Ok)
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: Kind) -> Parse<Pipe> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe { pos, assigns: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let item = self.next_non_space();
            match item.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back_up();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&item, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if let Expr::Bool(..) | Expr::Dot(_) | Expr::Nil(_) | Expr::Number(..) | Expr::String(..) = command.args[0]
            {
                return self.fail(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(pipe)
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parse<()> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.next();
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assigns = next.kind == Kind::Assign;
                    self.next_non_space();
                    self.declare(pipe, &variable);
                    return Ok(());
                }
                Kind::Char if next.text == "," => {
                    self.next_non_space();
                    self.declare(pipe, &variable);
                    if context != "range" || pipe.variables.len() >= 2 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                    match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => {}
                        _ => return self.fail("range can only initialize variables"),
                    }
                }
                _ => {
                    if after.kind == Kind::Space {
                        self.scope.tokens[1] = Some(after);
                        self.scope.tokens[2] = Some(variable);
                        self.scope.pushed_back = 3;
                    } else {
                        self.back_up_to(variable);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, variable: &Item<'a>) {
        let name: Name = (*variable.text).into();
        pipe.variables.push(name.clone());
        self.scope.variables.push(name);
    }

    fn command(&mut self) -> Parse<Command> {
        let mut command = Command { pos: self.peek_non_space().pos, args: Vec::new() };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let item = self.next();
            match item.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.back_up(),
                Kind::Pipe => {}
                _ => return self.unexpected(&item, "operand"),
            }
            break;
        }
        match command.args.is_empty() {
            true => self.fail("empty command"),
            false => Ok(command),
        }
    }

    fn operand(&mut self) -> Parse<Option<Expr>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let chain_pos = self.peek().pos;
        let mut fields: Vec<Name> = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.next().text[1..].into());
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        let expr = match term {
            Expr::Field(_, mut first) => {
                first.extend(fields);
                Expr::Field(chain_pos, first)
            }
            Expr::Variable(_, name, _) => Expr::Variable(chain_pos, name, fields),
            Expr::Bool(..) | Expr::String(..) | Expr::Number(..) | Expr::Nil(_) | Expr::Dot(_) => {
                return self.fail(format!("unexpected . after term {}", quote::quote(&term.to_string())));
            }
            other => Expr::Chain(chain_pos, Box::new(other), fields),
        };
        Ok(Some(expr))
    }

    fn term(&mut self) -> Parse<Option<Expr>> {
        let item = self.next_non_space();
        let pos = item.pos;
        let expr = match item.kind {
            Kind::Identifier => {
                if !(self.is_function)(&item.text) {
                    return self.fail(format!("function {} not defined", quote::quote(&item.text)));
                }
                Expr::Identifier(pos, (*item.text).into())
            }
            Kind::Dot => Expr::Dot(pos),
            Kind::Nil => Expr::Nil(pos),
            Kind::Variable => {
                if !self.scope.variables.iter().any(|name| **name == *item.text) {
                    return self.fail(format!("undefined variable {}", quote::quote(&item.text)));
                }
                Expr::Variable(pos, (*item.text).into(), Vec::new())
            }
            Kind::Field => Expr::Field(pos, vec![item.text[1..].into()]),
            Kind::Bool => Expr::Bool(pos, item.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => Expr::Number(pos, self.number(&item)?),
            Kind::LeftParen => {
                let pipe = self.nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                Expr::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => {
                let value = self.unquoted(&item.text)?;
                Expr::String(pos, value.into(), item.text.into_owned())
            }
            _ => {
                self.back_up();
                return Ok(None);
            }
        };
        Ok(Some(expr))
    }

    fn number(&self, item: &Item<'a>) -> Parse<Number> {
        let text = item.text.clone().into_owned();
        if item.kind == Kind::CharConstant {
            let inner = text.get(1..).unwrap_or_default();
            let value = match quote::unquote_char(inner, '\'') {
                Some((quote::Unquoted::Char(c), "'")) => i64::from(c as u32),
                Some((quote::Unquoted::Byte(byte), "'")) => i64::from(byte),
                _ => return self.fail(format!("malformed character constant: {text}")),
            };
            return Ok(Number { text, int: Some(value), float: Some(value as f64) });
        }
        if item.kind == Kind::Complex || text.ends_with('i') {
            return self.fail(format!("complex number {text} is not supported"));
        }
        let int = number::parse_int(&text);
        if int.is_some() || number::parse_uint(&text).is_some() {
            let float = int.map_or_else(|| number::parse_float(&text), |value| Some(value as f64));
            return Ok(Number { text, int, float });
        }
        let Some(float) = number::parse_float(&text.replace('_', "")) else {
            return self.fail(format!("illegal number syntax: {}", quote::quote(&text)));
        };
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return self.fail(format!("integer overflow: {}", quote::quote(&text)));
        }
        let whole = float.fract() == 0.0 && float.abs() < 9.2e18;
        Ok(Number { text, int: whole.then_some(float as i64), float: Some(float) })
    }
}

fn end_text(end: End) -> &'static str {
    match end {
        End::End => "{{end}}",
        End::Else => "{{else}}",
    }
}
