//! The command line of `render`: one table has each flag's name, meaning and place. Read as pflag reads Helm's: flags and
//! arguments in any order, `--flag=value`, `-fvalue`, everything after `--` an argument, the last of several values wins.

use std::ffi::OsString;
use std::fmt::Write as _;

use lexopt::{Arg, Parser};

/// What the command line says. Not to be shown: it may hold a password.
#[derive(Default)]
pub(super) struct Options {
    /// NAME and CHART, as far as they are there.
    pub arguments: Vec<String>,
    pub help: bool,
    pub api_versions: Vec<String>,
    pub ca_file: String,
    pub devel: bool,
    pub generate_name: bool,
    pub include_crds: bool,
    pub is_upgrade: bool,
    pub kube_version: String,
    pub namespace: String,
    pub no_hooks: bool,
    pub password: String,
    pub repo: String,
    pub set: Vec<String>,
    pub set_file: Vec<String>,
    pub set_json: Vec<String>,
    pub set_literal: Vec<String>,
    pub set_string: Vec<String>,
    pub show_only: Vec<String>,
    pub skip_schema_validation: bool,
    pub skip_tests: bool,
    pub username: String,
    pub values: Vec<String>,
    pub version: String,
}

struct Flag {
    short: Option<char>,
    long: &'static str,
    takes: Takes,
    about: &'static str,
}

/// What a flag takes, and where it goes.
enum Takes {
    Switch(fn(&mut Options) -> &mut bool),
    Text(fn(&mut Options) -> &mut String),
    /// May be given several times.
    Texts(fn(&mut Options) -> &mut Vec<String>),
    /// May be given several times, and each time with commas.
    List(fn(&mut Options) -> &mut Vec<String>),
}

use Takes::{List, Switch, Text, Texts};

const fn flag(short: Option<char>, long: &'static str, takes: Takes, about: &'static str) -> Flag {
    Flag { short, long, takes, about }
}

/// In alphabetical order, as they are shown.
const FLAGS: &[Flag] = &[
    flag(Some('a'), "api-versions", List(|o| &mut o.api_versions), "API versions that charts see beside Helm's own"),
    flag(None, "ca-file", Text(|o| &mut o.ca_file), "certificates to trust instead of the system's"),
    flag(None, "devel", Switch(|o| &mut o.devel), "the newest version may be a pre-release"),
    flag(Some('g'), "generate-name", Switch(|o| &mut o.generate_name), "no NAME is given; it is release-name"),
    flag(Some('h'), "help", Switch(|o| &mut o.help), "this text"),
    flag(None, "include-crds", Switch(|o| &mut o.include_crds), "print the chart's CRDs, too"),
    flag(None, "is-upgrade", Switch(|o| &mut o.is_upgrade), "render for an upgrade instead of an installation"),
    flag(None, "kube-version", Text(|o| &mut o.kube_version), "the Kubernetes version that charts see (v1.20.0)"),
    flag(Some('n'), "namespace", Text(|o| &mut o.namespace), "the release's namespace ($HELM_NAMESPACE, or default)"),
    flag(None, "no-hooks", Switch(|o| &mut o.no_hooks), "print no hooks"),
    flag(None, "password", Text(|o| &mut o.password), "for the repository or registry"),
    flag(None, "repo", Text(|o| &mut o.repo), "URL of the repository that has CHART"),
    flag(None, "set", Texts(|o| &mut o.set), "values: key1=val1,key2=val2"),
    flag(None, "set-file", Texts(|o| &mut o.set_file), "values from files: key1=path1,key2=path2"),
    flag(None, "set-json", Texts(|o| &mut o.set_json), "values in JSON: key1=json1,key2=json2"),
    flag(None, "set-literal", Texts(|o| &mut o.set_literal), "one value, taken as it stands: key=text"),
    flag(None, "set-string", Texts(|o| &mut o.set_string), "values that are all text: key1=val1,key2=val2"),
    flag(Some('s'), "show-only", Texts(|o| &mut o.show_only), "print what comes from this template only"),
    flag(None, "skip-schema-validation", Switch(|o| &mut o.skip_schema_validation), "do not check values"),
    flag(None, "skip-tests", Switch(|o| &mut o.skip_tests), "print no hooks that are tests"),
    flag(None, "username", Text(|o| &mut o.username), "for the repository or registry"),
    flag(Some('f'), "values", List(|o| &mut o.values), "files of values in YAML; - is standard input"),
    flag(None, "version", Text(|o| &mut o.version), "version of the chart, or a constraint on it; else the newest"),
];

/// Reads a command line. `namespace` is the default of `--namespace`.
///
/// # Errors
///
/// What pflag says.
pub(super) fn parse(arguments: Vec<OsString>, namespace: String) -> Result<Options, String> {
    let mut options = Options { namespace, ..Options::default() };
    let mut parser = Parser::from_args(arguments);
    loop {
        let (flag, is_short) = match parser.next().map_err(|error| error.to_string())? {
            None => return Ok(options),
            Some(Arg::Value(value)) => {
                options.arguments.push(text(value)?);
                continue;
            }
            Some(Arg::Long(name)) => {
                let flag = FLAGS.iter().find(|flag| flag.long == name);
                (flag.ok_or_else(|| format!("unknown flag: --{name}\n{SEE_HELP}"))?, false)
            }
            Some(Arg::Short(name)) => {
                let flag = FLAGS.iter().find(|flag| flag.short == Some(name));
                (flag.ok_or_else(|| format!("unknown shorthand flag: '{name}' in -{name}\n{SEE_HELP}"))?, true)
            }
        };
        flag.take(&mut options, &mut parser, is_short)?;
    }
}

const SEE_HELP: &str = "`render --help` lists the flags of `helm template` that there are.";

impl Flag {
    fn take(&self, options: &mut Options, parser: &mut Parser, is_short: bool) -> Result<(), String> {
        if let Switch(place) = self.takes {
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
            Switch(_) => {}
            Text(place) => *place(options) = value,
            Texts(place) => place(options).push(value),
            List(place) => place(options).extend(split(&value).map_err(|reason| self.invalid(&value, reason))?),
        }
        Ok(())
    }

    fn switch(&self, value: &str) -> Result<bool, String> {
        match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(self.invalid(value, &format!("strconv.ParseBool: parsing {value:?}: invalid syntax"))),
        }
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

/// The flags for `--help`, one a line.
pub(super) fn help() -> String {
    let mut out = String::new();
    for flag in FLAGS {
        let takes = match flag.takes {
            Switch(_) => "",
            Text(_) | Texts(_) => " TEXT",
            List(_) => " LIST",
        };
        let indent = if flag.short.is_some() { "  " } else { "      " };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<34}{}", format!("{indent}{}{takes}", flag.names()), flag.about);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Options, String> {
        parse(line.iter().map(OsString::from).collect(), "default".to_owned())
    }

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn flags_and_arguments_may_stand_in_any_order_and_form() {
        let lines: &[&[&str]] = &[
            &["-f", "a,b", "--set", "x=1", "name", "-n", "ns", "chart"],
            &["name", "-fa", "chart", "-f=b", "--set=x=1", "--namespace=other", "--namespace", "ns"],
            &["--set", "x=1", "-fa,b", "-gnns", "--generate-name=false", "--", "name", "chart"],
        ];
        for line in lines {
            let options = parsed(line).ok().unwrap();
            assert_eq!(options.arguments, texts(&["name", "chart"]), "{line:?}");
            assert_eq!(options.values, texts(&["a", "b"]), "{line:?}");
            assert_eq!(options.set, texts(&["x=1"]), "{line:?}");
            assert_eq!((options.namespace.as_str(), options.generate_name), ("ns", false), "{line:?}");
        }
        assert_eq!(parsed(&["--set", "--", "-"]).ok().unwrap().arguments, texts(&["-"]));
    }

    #[test]
    fn what_is_wrong_is_said_as_pflag_says_it() {
        let cases: &[(&[&str], &str)] = &[
            (&["--atomic"], "unknown flag: --atomic"),
            (&["-x"], "unknown shorthand flag: 'x' in -x"),
            (&["--set"], "flag needs an argument: --set"),
            (&["-f"], "flag needs an argument: 'f' in -f"),
            (
                &["--no-hooks=maybe"],
                r#"invalid argument "maybe" for "--no-hooks" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#,
            ),
        ];
        for (line, expected) in cases {
            let error = parsed(line).err().unwrap();
            assert_eq!(error.lines().next(), Some(*expected), "{line:?}");
        }
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

    #[test]
    fn the_table_is_sorted_and_names_no_flag_twice() {
        assert!(FLAGS.windows(2).all(|pair| pair[0].long < pair[1].long));
        let mut shorts: Vec<_> = FLAGS.iter().filter_map(|flag| flag.short).collect();
        let count = shorts.len();
        shorts.sort_unstable();
        shorts.dedup();
        assert_eq!(shorts.len(), count);
    }
}
