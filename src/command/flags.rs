//! Flags of a command, read as pflag reads them: flags and arguments in any order, `--flag=value`, `-fvalue`, everything after `--`
//! an argument, the last of several values wins.
//!
//! Owns how a table of flags is read and shown. What they mean is the commands' own.

use std::ffi::OsString;
use std::fmt::Write as _;

use lexopt::{Arg, Parser};

/// The flags of a command, in alphabetical order, as they are shown.
pub(super) struct Flags<O: 'static> {
    /// Each of them.
    pub table: &'static [Flag<O>],
    /// Where arguments go that are no flags.
    pub arguments: fn(&mut O) -> &mut Vec<String>,
    /// Ends the message about a flag that there is not.
    pub see_help: &'static str,
}

/// One flag.
pub(super) struct Flag<O> {
    pub short: Option<char>,
    pub long: &'static str,
    pub takes: Takes<O>,
    pub about: &'static str,
}

/// What a flag takes, and where it goes.
pub(super) enum Takes<O> {
    Switch(fn(&mut O) -> &mut bool),
    Text(fn(&mut O) -> &mut String),
    /// May be given several times.
    Texts(fn(&mut O) -> &mut Vec<String>),
    /// May be given several times, and each time with commas.
    List(fn(&mut O) -> &mut Vec<String>),
}

pub(super) const fn flag<O>(short: Option<char>, long: &'static str, takes: Takes<O>, about: &'static str) -> Flag<O> {
    Flag { short, long, takes, about }
}

impl<O> Flags<O> {
    /// Reads a command line into `options`, which has the defaults.
    ///
    /// # Errors
    ///
    /// What pflag says.
    pub fn parse(&self, arguments: Vec<OsString>, mut options: O) -> Result<O, String> {
        let mut parser = Parser::from_args(arguments);
        loop {
            let (flag, is_short) = match parser.next().map_err(|error| error.to_string())? {
                None => return Ok(options),
                Some(Arg::Value(value)) => {
                    (self.arguments)(&mut options).push(text(value)?);
                    continue;
                }
                Some(Arg::Long(name)) => {
                    let flag = self.table.iter().find(|flag| flag.long == name);
                    (flag.ok_or_else(|| format!("unknown flag: --{name}\n{}", self.see_help))?, false)
                }
                Some(Arg::Short(name)) => {
                    let flag = self.table.iter().find(|flag| flag.short == Some(name));
                    (
                        flag.ok_or_else(|| format!("unknown shorthand flag: '{name}' in -{name}\n{}", self.see_help))?,
                        true,
                    )
                }
            };
            flag.take(&mut options, &mut parser, is_short)?;
        }
    }

    /// The flags for `--help`, one a line.
    pub fn help(&self) -> String {
        let mut out = String::new();
        for flag in self.table {
            let takes = match flag.takes {
                Takes::Switch(_) => "",
                Takes::Text(_) | Takes::Texts(_) => " TEXT",
                Takes::List(_) => " LIST",
            };
            let indent = if flag.short.is_some() { "  " } else { "      " };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{:<34}{}", format!("{indent}{}{takes}", flag.names()), flag.about);
        }
        out
    }
}

impl<O> Flag<O> {
    fn take(&self, options: &mut O, parser: &mut Parser, is_short: bool) -> Result<(), String> {
        if let Takes::Switch(place) = self.takes {
            // Short switches may be joined (`-gn`), so what follows one is no value.
            let value = if is_short { None } else { parser.optional_value() };
            *place(options) = value.map_or(Ok(true), |value| self.switch(&text(value)?))?;
            return Ok(());
        }
        let missing = |_| match (is_short, self.short) {
            (true, Some(short)) => format!("flag needs an argument: '{short}' in -{short}"),
            _ => format!("flag needs an argument: --{}", self.long),
        };
        let value = text(parser.value().map_err(missing)?)?;
        match self.takes {
            Takes::Switch(_) => {}
            Takes::Text(place) => *place(options) = value,
            Takes::Texts(place) => place(options).push(value),
            Takes::List(place) => place(options).extend(split(&value).map_err(|reason| self.invalid(&value, reason))?),
        }
        Ok(())
    }

    fn switch(&self, value: &str) -> Result<bool, String> {
        let wrong = || self.invalid(value, &format!("strconv.ParseBool: parsing {value:?}: invalid syntax"));
        parse_bool(value).ok_or_else(wrong)
    }

    fn invalid(&self, value: &str, reason: &str) -> String {
        format!("invalid argument {value:?} for {:?} flag: {reason}", self.names())
    }

    fn names(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.long),
            None => format!("--{}", self.long),
        }
    }
}

/// `strconv.ParseBool`.
pub(super) fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|argument| format!("the argument {} is not UTF-8", argument.display()))
}

/// The fields of a line of comma-separated values, in which quotes protect commas.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = (!line.is_empty()).then_some(line);
    while let Some(line) = rest {
        let Some(quoted) = line.strip_prefix('"') else {
            let (field, tail) = line.split_once(',').map_or((line, None), |(field, tail)| (field, Some(tail)));
            if field.contains('"') {
                return Err("bare \" in non-quoted field");
            }
            fields.push(field.to_owned());
            rest = tail;
            continue;
        };
        let mut field = String::new();
        let mut tail = quoted;
        loop {
            let Some((part, after)) = tail.split_once('"') else {
                return Err("extraneous or missing \" in quoted-field");
            };
            field.push_str(part);
            // Two quotes stand for one.
            let Some(after) = after.strip_prefix('"') else {
                tail = after;
                break;
            };
            field.push('"');
            tail = after;
        }
        fields.push(field);
        rest = match tail.strip_prefix(',') {
            None if tail.is_empty() => None,
            None => return Err("extraneous or missing \" in quoted-field"),
            tail => tail,
        };
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn lists_are_split_at_commas_outside_of_quotes() {
        assert_eq!(split("").unwrap(), texts(&[]));
        assert_eq!(split("a,,b").unwrap(), texts(&["a", "", "b"]));
        assert_eq!(split(r#""a,b","c""d",e"#).unwrap(), texts(&["a,b", "c\"d", "e"]));
        for wrong in [r#"a"b"#, r#""a"#, r#""a"b"#] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
