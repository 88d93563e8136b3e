//! Turns template text into trees, refusing what Go's `text/template/parse` refuses, in its words.
//!
//! A parser of our own: gotmpl 0.6's accepts what Go does not (a missing `end`, a stray `end` that silently drops
//! the rest of the file, undefined functions and variables), and such a chart must fail here as it does in Helm.
//! Never evaluates anything.

mod pipeline;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::lexer::{Item, Kind, Lexer};
use super::quote;
use super::tree::{Branch, Call, Name, Node, Source, Tree, is_empty};
use crate::limits::{Allowance, MAX_TEMPLATE_NODES};

/// Nested blocks, parentheses and `else if`s. Go allows 10,000 parentheses; ours fits the stack of any thread.
const MAX_DEPTH: usize = 200;

/// A syntax error: Go's message, without the location.
#[derive(Debug, Clone)]
pub(crate) struct ParseError {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// Parses one file, taking what its tree holds from `nodes`. The first tree is the file itself; its `define`s and `block`s follow.
pub(crate) fn parse(
    name: &str,
    text: Arc<str>,
    is_function: &dyn Fn(&str) -> bool,
    nodes: &Allowance,
) -> Result<Vec<Tree>, ParseError> {
    let source = Arc::new(Source { name: name.to_owned(), text });
    let mut parser = Parser {
        lexer: Lexer::new(&source.text),
        is_function,
        nodes,
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
    nodes: &'a Allowance,
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

    fn count(&self) -> Parse<()> {
        match self.nodes.take(1) {
            true => Ok(()),
            false => self.fail(format!("templates hold more than {MAX_TEMPLATE_NODES} actions and operands")),
        }
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
        self.count()?;
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
}

fn end_text(end: End) -> &'static str {
    match end {
        End::End => "{{end}}",
        End::Else => "{{else}}",
    }
}
