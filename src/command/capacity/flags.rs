//! The command line of `capacity`: one table has each flag's name, meaning and place.

use std::collections::BTreeMap;

use crate::command::flags::Takes::{Switch, Text, Texts};
use crate::command::flags::{Flag, Flags, flag};
use crate::domain::hard::{self, Hard};
use crate::domain::quantity::QuantityError;
use crate::domain::room::Launching;
use crate::domain::shares::Labels;
use crate::domain::size::{Resource, Size};
use crate::domain::transition::Load;
use crate::fleet::group::spec::GroupSpec;

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
        "NAME, or NAME=cpu=4,memory=8Gi,nvidia.com/gpu=1,team=web, to count as well",
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

    /// What is to be launched, by name, with what the group gives for what it leaves out.
    ///
    /// # Errors
    /// One of them says something else.
    pub fn launching(&self, given: &Given<'_>) -> Result<BTreeMap<String, Launching>, String> {
        let mut all = BTreeMap::new();
        for text in &self.launching {
            let (name, parts) = text.split_once('=').map_or((text.as_str(), ""), |(name, parts)| (name, parts));
            let launching = given
                .launching(parts)
                .map_err(|problem| format!("invalid argument {text:?} for \"--launching\" flag: {problem}"))?;
            if name.is_empty() {
                return Err(format!("invalid argument {text:?} for \"--launching\" flag: it has no name"));
            }
            if all.insert(name.to_owned(), launching).is_some() {
                return Err(format!("--launching names {name:?} twice"));
            }
        }
        Ok(all)
    }
}

/// What a group gives a virtual cluster that is launched in it. Without one, what all have, and any label.
#[derive(Default)]
pub(super) struct Given<'g> {
    spec: Option<&'g GroupSpec>,
    /// The label that says whose it is.
    label: Option<String>,
}

impl<'g> Given<'g> {
    pub fn by(spec: &'g GroupSpec) -> Self {
        Self { spec: Some(spec), label: spec.bounds().shares.map(|shares| shares.label().to_owned()) }
    }

    /// `cpu=4,memory=8Gi,nvidia.com/gpu=1,team=web`
    fn launching(&self, parts: &str) -> Result<Launching, String> {
        let (mut own, mut labels) = (Hard::new(), Labels::new());
        let mut size = self.spec.and_then(GroupSpec::default_size).unwrap_or(Size::DEFAULT);
        for part in parts.split(',').filter(|part| !part.is_empty()) {
            let (name, amount) = part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=AMOUNT"))?;
            let problem = |error: QuantityError| format!("{name}: {error}");
            match Resource::ALL.into_iter().find(|resource| resource.attribute() == name) {
                Some(Resource::Cpu) => size.cpu = amount.parse().map_err(problem)?,
                Some(Resource::Memory) => size.memory = amount.parse().map_err(problem)?,
                Some(Resource::Storage) => size.storage = amount.parse().map_err(problem)?,
                None if self.is_label(name) => drop(labels.insert(name.to_owned(), amount.to_owned())),
                None => {
                    hard::check_extended(name, amount).map_err(|error| format!("{name}: {error}"))?;
                    own.insert(format!("requests.{name}"), amount.to_owned());
                }
            }
        }
        let given = self.spec.map(|spec| spec.given_hard(&size)).unwrap_or_default();
        let extended = hard::extended(&hard::merged(&given, &own));
        Ok(Launching { load: Load { size, extended, paused: false }, labels })
    }

    /// As long as no group is known, a name that can be no extended resource's may be that of its label.
    fn is_label(&self, name: &str) -> bool {
        match (&self.label, self.spec) {
            (Some(label), _) => label == name,
            (None, Some(_)) => false,
            (None, None) => hard::check_extended(name, "0").is_err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::fleet::group::spec::tests::{spec, with_shares};

    fn parsed(line: &[&str]) -> Options {
        FLAGS.parse(line.iter().map(OsString::from).collect(), Options::default()).ok().unwrap()
    }

    #[track_caller]
    fn check_sizes(line: &[&str], expected: Result<&[(&str, &str, &str, &str)], &str>) {
        match (parsed(line).launching(&Given::by(&spec())), expected) {
            (Ok(sizes), Ok(expected)) => {
                let shown = |size: &Size| Resource::ALL.map(|resource| resource.show(size.get(resource)));
                let sizes: Vec<_> = sizes.iter().map(|(name, all)| (name.clone(), shown(&all.load.size))).collect();
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
    fn extended_resources_and_the_owner_are_said_like_a_size() {
        let line = ["--launching", "a=cpu=8,nvidia.com/gpu=2,team=web"];
        let expected = Launching {
            load: Load { size: Size { cpu: "8".parse().unwrap(), ..Size::DEFAULT }, extended: gpus(2), paused: false },
            labels: [("team".to_owned(), "web".to_owned())].into(),
        };
        let all = |given: &Given<'_>| parsed(&line).launching(given);
        assert_eq!(all(&Given::by(&with_shares())).unwrap()["a"], expected);
        assert_eq!(all(&Given::default()).unwrap()["a"], expected, "before a group is known");
        let refused = all(&Given::by(&spec())).unwrap_err();
        assert!(refused.contains("\"team\" is not the name"), "the group has no shares: {refused}");
        let mut generous = spec();
        generous.defaults.hard = [("requests.nvidia.com/gpu".to_owned(), "1".to_owned())].into();
        let given = parsed(&["--launching", "a"]).launching(&Given::by(&generous)).unwrap();
        assert_eq!(given["a"].load.extended, gpus(1));
    }

    #[test]
    fn a_size_that_is_none_is_said_with_what_was_written() {
        check_sizes(&["--launching", "=cpu=4"], Err("it has no name"));
        check_sizes(&["--launching", "a=4"], Err("\"a=4\" for \"--launching\" flag: \"4\" is not NAME=AMOUNT"));
        check_sizes(&["--launching", "a=gpu=4"], Err("gpu: \"gpu\" is not the name of an extended resource"));
        check_sizes(&["--launching", "a=nvidia.com/gpu=0.5"], Err("no whole number"));
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
