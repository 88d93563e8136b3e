//! The command line of `capacity`: one table has each flag's name, meaning and place.

use std::collections::BTreeMap;

use crate::command::flags::Takes::{Switch, Text, Texts};
use crate::command::flags::{Flag, Flags, flag};
use crate::domain::quantity::QuantityError;
use crate::domain::size::{Resource, Size};

/// What the command line says.
#[derive(Default)]
pub(super) struct Options {
    /// GROUP, if it is there.
    pub arguments: Vec<String>,
    pub contexts: Vec<String>,
    pub help: bool,
    pub kubeconfigs: Vec<String>,
    pub launching: Vec<String>,
    pub output: String,
    pub watch: bool,
}

pub(super) const FLAGS: Flags<Options> = Flags {
    table: TABLE,
    arguments: |options| &mut options.arguments,
    see_help: "`capacity --help` lists the flags that there are.",
};

const TABLE: &[Flag<Options>] = &[
    flag(None, "context", Texts(|o| &mut o.contexts), "a context of the kubeconfigs; each one is a host cluster"),
    flag(Some('h'), "help", Switch(|o| &mut o.help), "this text"),
    flag(
        None,
        "kubeconfig",
        Texts(|o| &mut o.kubeconfigs),
        "a kubeconfig; without --context each one is a host cluster",
    ),
    flag(
        None,
        "launching",
        Texts(|o| &mut o.launching),
        "NAME, or NAME=cpu=4,memory=8Gi,storage=2Gi, to count as well",
    ),
    flag(Some('o'), "output", Text(|o| &mut o.output), "table, or json (table)"),
    flag(Some('w'), "watch", Switch(|o| &mut o.watch), "go on, and print again every 5 seconds"),
];

/// Which of the two is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Table,
    Json,
}

impl Options {
    /// What is printed.
    ///
    /// # Errors
    /// It is neither of the two.
    pub fn output(&self) -> Result<Output, String> {
        match self.output.as_str() {
            "" | "table" => Ok(Output::Table),
            "json" => Ok(Output::Json),
            other => Err(format!("invalid argument {other:?} for \"-o, --output\" flag: it is table or json")),
        }
    }

    /// The name of the group.
    ///
    /// # Errors
    /// There is none, or more than that.
    pub fn group(&self) -> Result<&str, String> {
        match self.arguments.as_slice() {
            [group] => Ok(group),
            [] => Err("the name of a cluster group is missing".to_owned()),
            [_, unexpected @ ..] => {
                Err(format!("expected one argument, unexpected arguments: {}", unexpected.join(", ")))
            }
        }
    }

    /// The sizes that are to be launched, by name, with `default` for what they leave out.
    ///
    /// # Errors
    /// One of them says something else.
    pub fn launching(&self, default: Size) -> Result<BTreeMap<String, Size>, String> {
        let mut sizes = BTreeMap::new();
        for given in &self.launching {
            let (name, parts) = given.split_once('=').map_or((given.as_str(), ""), |(name, parts)| (name, parts));
            let size = size(parts, default)
                .map_err(|problem| format!("invalid argument {given:?} for \"--launching\" flag: {problem}"))?;
            if name.is_empty() {
                return Err(format!("invalid argument {given:?} for \"--launching\" flag: it has no name"));
            }
            if sizes.insert(name.to_owned(), size).is_some() {
                return Err(format!("--launching names {name:?} twice"));
            }
        }
        Ok(sizes)
    }
}

/// `cpu=4,memory=8Gi`, over `default`.
fn size(parts: &str, default: Size) -> Result<Size, String> {
    let mut size = default;
    for part in parts.split(',').filter(|part| !part.is_empty()) {
        let (name, amount) = part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=AMOUNT"))?;
        let resource = Resource::ALL.into_iter().find(|resource| resource.attribute() == name);
        let problem = |error: QuantityError| format!("{name}: {error}");
        match resource {
            Some(Resource::Cpu) => size.cpu = amount.parse().map_err(problem)?,
            Some(Resource::Memory) => size.memory = amount.parse().map_err(problem)?,
            Some(Resource::Storage) => size.storage = amount.parse().map_err(problem)?,
            None => return Err(format!("{name:?} is none of cpu, memory and storage")),
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parsed(line: &[&str]) -> Options {
        FLAGS.parse(line.iter().map(OsString::from).collect(), Options::default()).ok().unwrap()
    }

    #[track_caller]
    fn check_sizes(line: &[&str], expected: Result<&[(&str, &str, &str, &str)], &str>) {
        match (parsed(line).launching(Size::DEFAULT), expected) {
            (Ok(sizes), Ok(expected)) => {
                let shown = |size: &Size| Resource::ALL.map(|resource| resource.show(size.get(resource)));
                let sizes: Vec<_> = sizes.iter().map(|(name, size)| (name.clone(), shown(size))).collect();
                let expected = expected.iter().map(|(name, cpu, memory, storage)| {
                    ((*name).to_owned(), [cpu, memory, storage].map(|amount| (*amount).to_owned()))
                });
                assert_eq!(sizes, expected.collect::<Vec<_>>());
            }
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem} does not say {part:?}"),
            (actual, _) => panic!("{actual:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_a_size_leaves_out_is_the_groups_default() {
        check_sizes(&["dev"], Ok(&[]));
        check_sizes(&["--launching", "a"], Ok(&[("a", "4", "4Gi", "2Gi")]));
        check_sizes(
            &["--launching=b=cpu=8,storage=0", "--launching", "a=memory=8Gi"],
            Ok(&[("a", "4", "8Gi", "2Gi"), ("b", "8", "4Gi", "0")]),
        );
    }

    #[test]
    fn a_size_that_is_none_is_said_with_what_was_written() {
        check_sizes(&["--launching", "=cpu=4"], Err("it has no name"));
        check_sizes(&["--launching", "a=4"], Err("\"a=4\" for \"--launching\" flag: \"4\" is not NAME=AMOUNT"));
        check_sizes(&["--launching", "a=gpu=4"], Err("\"gpu\" is none of cpu, memory and storage"));
        check_sizes(&["--launching", "a=cpu=much"], Err("cpu: "));
        check_sizes(&["--launching", "a", "--launching", "a"], Err("names \"a\" twice"));
    }

    #[test]
    fn one_group_is_shown_as_a_table_or_as_json() {
        assert_eq!(parsed(&["dev"]).group(), Ok("dev"));
        assert!(parsed(&[]).group().unwrap_err().contains("missing"));
        assert!(parsed(&["dev", "prod"]).group().unwrap_err().contains("prod"));
        assert_eq!(parsed(&["dev"]).output(), Ok(Output::Table));
        assert_eq!(parsed(&["-ojson"]).output(), Ok(Output::Json));
        assert!(parsed(&["--output", "yaml"]).output().unwrap_err().contains("\"yaml\""));
    }

    #[test]
    fn the_table_is_sorted_and_names_no_flag_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].long < pair[1].long));
    }
}
