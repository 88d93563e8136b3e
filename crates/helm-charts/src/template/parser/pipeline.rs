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
            let value = match quote::unquote_char(text.get(1..).unwrap_or_default(), '\'') {
                Some((quote::Unquoted::Char(c), "'")) => u64::from(c),
                Some((quote::Unquoted::Byte(byte), "'")) => u64::from(byte),
                Some(_) => return self.fail(format!("malformed character constant: {text}")),
                None => return self.fail("invalid syntax"),
            };
            let float = Some(value as f64);
            return Ok(Number { text, int: i64::try_from(value).ok(), uint: Some(value), float, complex: None });
        }
        if item.kind == Kind::Complex {
            let pair = number::parse_complex(&text);
            return pair.map_or_else(|reason| self.fail(reason), |pair| Ok(complex(text, pair)));
        }
        if let Some(imaginary) = text.strip_suffix('i').and_then(number::parse_float) {
            return Ok(complex(text, (0.0, imaginary)));
        }
        let (int, uint) = (number::parse_int(&text), number::parse_uint(&text));
        if int.is_some() || uint.is_some() {
            let uint = uint.or_else(|| (int == Some(0)).then_some(0));
            let float = int.map(|value| value as f64).or(uint.map(|value| value as f64));
            return Ok(Number { text, int, uint, float, complex: None });
        }
        let Some(float) = number::parse_float(&text) else {
            return self.fail(format!("illegal number syntax: {}", quote::quote(&text)));
        };
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return self.fail(format!("integer overflow: {}", quote::quote(&text)));
        }
        let (int, uint) = whole(float);
        Ok(Number { text, int, uint, float: Some(float), complex: None })
    }
}

/// A complex constant is one of other types, too, if it has no imaginary part.
fn complex(text: String, pair: (f64, f64)) -> Number {
    let real = Some(pair.0).filter(|_| pair.1 == 0.0);
    let (int, uint) = real.map_or((None, None), whole);
    Number { text, int, uint, float: real, complex: Some(pair) }
}

/// A float as the whole numbers that it is.
fn whole(float: f64) -> (Option<i64>, Option<u64>) {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let is_whole = float.fract() == 0.0;
    let int = is_whole && (-TWO_TO_63..TWO_TO_63).contains(&float);
    let uint = is_whole && (0.0..2.0 * TWO_TO_63).contains(&float);
    (int.then_some(float as i64), uint.then_some(float as u64))
}
