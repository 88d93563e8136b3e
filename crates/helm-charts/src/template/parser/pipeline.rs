//! What stands between the braces: pipelines, their variables, commands, operands and constants.

use super::{Parse, Parser};
use crate::number;
use crate::template::lexer::{Item, Kind};
use crate::template::quote;
use crate::template::tree::{Command, Expr, Name, Number, Pipe};

impl<'a> Parser<'a> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parse<Pipe> {
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
            self.count()?;
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
        self.count()?;
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
