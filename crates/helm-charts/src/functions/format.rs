//! `printf`: Go's verbs, flags, widths and its notes about arguments that do not fit (`%!d(string=x)`).

mod float;

use super::super::json::replace_invalid;
use super::super::limits::Fault;
use super::super::print;
use super::super::template::quote;
use super::super::value::{Kind, Value};
use super::{Context, cast};

/// Widths and precisions beyond this are refused, as Go does.
const MAX_WIDTH: usize = 1_000_000;

#[derive(Default, Clone, Copy)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `fmt.Sprintf`.
pub(crate) fn sprintf(context: &Context, format: &str, args: &[Value]) -> Result<Value, Fault> {
    let mut printer = Printer { context, args, next: 0, reordered: false, out: Vec::new() };
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        printer.out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = printer.directive(&rest[at + 1..])?;
    }
    printer.out.extend_from_slice(rest.as_bytes());
    printer.extra()?;
    Ok(Value::from_bytes(printer.out))
}

struct Printer<'a> {
    context: &'a Context,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    out: Vec<u8>,
}

fn take_number(rest: &str) -> (Option<usize>, &str) {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (rest[..digits].parse().ok().filter(|number| *number <= MAX_WIDTH), &rest[digits..])
}

impl Printer<'_> {
    /// After the `%`: prints one argument and returns what follows the verb.
    fn directive<'f>(&mut self, text: &'f str) -> Result<&'f str, Fault> {
        let mut flags = Flags::default();
        let mut rest = text;
        loop {
            match rest.as_bytes().first() {
                Some(b'-') => flags.minus = true,
                Some(b'+') => flags.plus = true,
                Some(b'#') => flags.sharp = true,
                Some(b' ') => flags.space = true,
                Some(b'0') => flags.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let mut valid_index = true;
        rest = self.argument_number(rest, &mut valid_index);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            match self.star() {
                Some(width) => {
                    flags.width = Some(width.unsigned_abs() as usize);
                    flags.minus |= width < 0;
                }
                None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
        } else {
            (flags.width, rest) = take_number(rest);
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = self.argument_number(after, &mut valid_index);
            if let Some(after) = rest.strip_prefix('*') {
                rest = after;
                match self.star() {
                    Some(precision) => flags.precision = usize::try_from(precision).ok(),
                    None => self.out.extend_from_slice(b"%!(BADPREC)"),
                }
            } else {
                let (precision, after) = take_number(rest);
                flags.precision = Some(precision.unwrap_or(0));
                rest = after;
            }
        }
        rest = self.argument_number(rest, &mut valid_index);
        flags.zero &= !flags.minus;
        let mut chars = rest.chars();
        let Some(verb) = chars.next() else {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return Ok("");
        };
        rest = chars.as_str();
        // In `%+v` the plus asks for the names of fields.
        flags.plus &= verb != 'v';
        if verb == '%' {
            self.out.push(b'%');
        } else if !valid_index {
            self.out.extend_from_slice(format!("%!{verb}(BADINDEX)").as_bytes());
        } else if let Some(arg) = self.args.get(self.next) {
            self.next += 1;
            self.argument(arg, verb, flags, 0)?;
        } else {
            self.out.extend_from_slice(format!("%!{verb}(MISSING)").as_bytes());
        }
        Ok(rest)
    }

    /// `[2]` before a verb chooses the argument.
    fn argument_number<'f>(&mut self, rest: &'f str, valid: &mut bool) -> &'f str {
        let Some(inner) = rest.strip_prefix('[') else { return rest };
        self.reordered = true;
        let Some((number, after)) = inner.split_once(']') else {
            *valid = false;
            return inner;
        };
        match number.parse::<usize>() {
            Ok(number) if (1..=self.args.len()).contains(&number) => self.next = number - 1,
            _ => *valid = false,
        }
        after
    }

    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        match arg {
            Value::Int(value) | Value::Int64(value) if value.unsigned_abs() as usize <= MAX_WIDTH => Some(*value),
            _ => None,
        }
    }

    fn extra(&mut self) -> Result<(), Fault> {
        if self.reordered || self.next >= self.args.len() {
            return Ok(());
        }
        self.out.extend_from_slice(b"%!(EXTRA ");
        for (index, arg) in self.args[self.next..].iter().enumerate() {
            if index > 0 {
                self.out.extend_from_slice(b", ");
            }
            if arg.is_nil() {
                self.out.extend_from_slice(b"<nil>");
            } else {
                self.out.extend_from_slice(arg.type_name().as_bytes());
                self.out.push(b'=');
                print::append_value(arg, &mut self.out)?;
            }
        }
        self.out.push(b')');
        Ok(())
    }

    fn argument(&mut self, arg: &Value, verb: char, flags: Flags, depth: usize) -> Result<(), Fault> {
        super::super::limits::check_nesting(depth, self.out.len())?;
        match (verb, arg) {
            ('T', _) => self.padded(arg.type_name().as_bytes(), flags),
            ('v', Value::Nil) => self.padded(b"<nil>", flags),
            (_, Value::Nil) => {
                self.out.extend_from_slice(format!("%!{verb}(<nil>)").as_bytes());
                Ok(())
            }
            ('v', Value::List(_) | Value::Map(_) | Value::Struct(_) | Value::Files(_)) if flags.width.is_none() => {
                match flags.sharp {
                    true => Err("printf: %#v of a map, list or struct is not supported".into()),
                    false => print::append_value(arg, &mut self.out),
                }
            }
            ('s' | 'q' | 'x' | 'X', Value::Time(_)) => self.string(&Value::from(cast::to_text(arg)?), verb, flags),
            ('s' | 'q', Value::Struct(value)) if value.type_name == print::SEMVER => {
                self.string(&Value::from(cast::to_text(arg)?), verb, flags)
            }
            (_, Value::List(list)) => {
                self.out.push(b'[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b' ');
                    }
                    self.argument(item, verb, flags, depth + 1)?;
                }
                self.out.push(b']');
                Ok(())
            }
            (_, Value::Map(map)) => {
                self.out.extend_from_slice(b"map[");
                for (index, (key, item)) in map.entries().iter().enumerate() {
                    if index > 0 {
                        self.out.push(b' ');
                    }
                    self.argument(&Value::Str(key.clone()), verb, flags, depth + 1)?;
                    self.out.push(b':');
                    self.argument(item, verb, flags, depth + 1)?;
                }
                self.out.push(b']');
                Ok(())
            }
            (_, Value::Struct(value)) => {
                self.out.extend_from_slice(if value.pointer { b"&{" } else { b"{" });
                for (index, field) in value.fields.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b' ');
                    }
                    self.argument(&field.value, verb, flags, depth + 1)?;
                }
                self.out.push(b'}');
                Ok(())
            }
            _ => match arg.kind() {
                Kind::Bool if matches!(verb, 't' | 'v') => self.padded(print::format_value(arg)?.as_bytes(), flags),
                Kind::String => self.string(arg, verb, flags),
                Kind::Int | Kind::Int64 | Kind::Uint8 | Kind::Uint64 => self.integer(arg, verb, flags),
                _ => match *arg {
                    Value::Float(value) if float::VERBS.contains(verb) => self.float(value, verb, flags),
                    Value::Complex(re, im) if float::VERBS.contains(verb) => self.complex((re, im), verb, flags),
                    _ => self.bad_verb(arg, verb),
                },
            },
        }
    }

    fn bad_verb(&mut self, arg: &Value, verb: char) -> Result<(), Fault> {
        self.out.extend_from_slice(format!("%!{verb}({}=", arg.type_name()).as_bytes());
        print::append_value(arg, &mut self.out)?;
        self.out.push(b')');
        Ok(())
    }

    fn padded(&mut self, text: &[u8], flags: Flags) -> Result<(), Fault> {
        let chars = String::from_utf8_lossy(text).chars().count();
        let padding = flags.width.unwrap_or(0).saturating_sub(chars);
        self.context.budget.text(text.len() + padding)?;
        let fill = if flags.zero { b'0' } else { b' ' };
        if !flags.minus {
            self.out.resize(self.out.len() + padding, fill);
        }
        self.out.extend_from_slice(text);
        if flags.minus {
            self.out.resize(self.out.len() + padding, b' ');
        }
        Ok(())
    }

    fn string(&mut self, arg: &Value, verb: char, flags: Flags) -> Result<(), Fault> {
        let bytes = arg.bytes().unwrap_or_default();
        let shown = match (flags.precision, verb) {
            (Some(precision), 's' | 'v' | 'q') => {
                let text = replace_invalid(bytes);
                text.chars().take(precision).collect::<String>().into_bytes()
            }
            (Some(precision), _) => bytes[..precision.min(bytes.len())].to_vec(),
            _ => bytes.to_vec(),
        };
        match verb {
            'v' if flags.sharp => self.padded(quote::quote_bytes(&shown).as_bytes(), flags),
            's' | 'v' => self.padded(&shown, flags),
            'q' => {
                let raw = std::str::from_utf8(&shown)
                    .ok()
                    .filter(|text| flags.sharp && !text.contains('`') && text.chars().all(|c| c == '\t' || c >= ' '));
                let quoted = raw.map_or_else(|| quote::quote_bytes(&shown), |text| format!("`{text}`"));
                self.padded(quoted.as_bytes(), flags)
            }
            'x' | 'X' => {
                let hex = super::encoding::hex(&shown);
                let hex = if verb == 'X' { hex.to_ascii_uppercase() } else { hex };
                let prefix = if flags.sharp { format!("0{verb}") } else { String::new() };
                self.padded(format!("{prefix}{hex}").as_bytes(), flags)
            }
            _ => self.bad_verb(arg, verb),
        }
    }

    fn integer(&mut self, arg: &Value, verb: char, flags: Flags) -> Result<(), Fault> {
        let value = match arg {
            Value::Int(value) | Value::Int64(value) => i128::from(*value),
            Value::Uint8(value) => i128::from(*value),
            Value::Uint64(value) => i128::from(*value),
            _ => 0,
        };
        let magnitude = value.unsigned_abs();
        let (prefix, digits) = match verb {
            'v' | 'd' => ("", magnitude.to_string()),
            'b' => (if flags.sharp { "0b" } else { "" }, format!("{magnitude:b}")),
            'o' => (if flags.sharp { "0" } else { "" }, format!("{magnitude:o}")),
            'O' => ("0o", format!("{magnitude:o}")),
            'x' => (if flags.sharp { "0x" } else { "" }, format!("{magnitude:x}")),
            'X' => (if flags.sharp { "0X" } else { "" }, format!("{magnitude:X}")),
            'c' | 'q' | 'U' => {
                let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
                let text = match verb {
                    'c' => c.to_string(),
                    'q' => format!("'{}'", quote::quote(&c.to_string()).trim_matches('"')),
                    _ => format!("U+{value:04X}"),
                };
                return self.padded(text.as_bytes(), flags);
            }
            _ => return self.bad_verb(arg, verb),
        };
        let mut digits = digits;
        if let Some(precision) = flags.precision {
            digits = match (precision, value) {
                (0, 0) => String::new(),
                _ => "0".repeat(precision.saturating_sub(digits.len())) + &digits,
            };
        }
        self.signed(value < 0, prefix, &digits, Flags { zero: flags.zero && flags.precision.is_none(), ..flags })
    }

    /// A number with its sign; zeros go between the sign and the digits.
    fn signed(&mut self, negative: bool, prefix: &str, digits: &str, flags: Flags) -> Result<(), Fault> {
        let sign = match (negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        let len = sign.len() + prefix.len() + digits.len();
        let zeros = if flags.zero { flags.width.unwrap_or(0).saturating_sub(len) } else { 0 };
        let text = format!("{sign}{prefix}{}{digits}", "0".repeat(zeros));
        self.padded(text.as_bytes(), Flags { zero: false, ..flags })
    }

    fn float(&mut self, value: f64, verb: char, flags: Flags) -> Result<(), Fault> {
        let text = float::shown(value, verb, flags.precision, flags.sharp);
        let digits = text.trim_start_matches(['-', '+']);
        let plus = flags.plus || text.starts_with('+');
        let zero = flags.zero && value.is_finite();
        self.signed(text.starts_with('-'), "", digits, Flags { plus, zero, ..flags })
    }

    /// Both parts get the width.
    fn complex(&mut self, (real, imaginary): (f64, f64), verb: char, flags: Flags) -> Result<(), Fault> {
        self.out.push(b'(');
        self.float(real, verb, flags)?;
        self.float(imaginary, verb, Flags { plus: true, ..flags })?;
        self.out.extend_from_slice(b"i)");
        Ok(())
    }
}
