//! The command line of `render`: one table has each flag's name, meaning and place.

use crate::command::flags::Takes::{List, Switch, Text, Texts};
use crate::command::flags::{Flag, Flags, flag};

/// What the command line says. Not to be shown: it may hold a password.
#[derive(Default)]
pub(super) struct Options {
    /// NAME and CHART, as far as they are there.
    pub arguments: Vec<String>,
    pub help: bool,
    pub api_versions: Vec<String>,
    pub ca_file: String,
    pub debug: bool,
    pub devel: bool,
    pub generate_name: bool,
    pub include_crds: bool,
    pub is_upgrade: bool,
    pub kube_version: String,
    pub name_template: String,
    pub namespace: String,
    pub no_hooks: bool,
    pub no_remote_schemas: bool,
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

pub(super) const FLAGS: Flags<Options> = Flags {
    table: TABLE,
    arguments: |options| &mut options.arguments,
    see_help: "`render --help` lists the flags of `helm template` that there are.",
};

const TABLE: &[Flag<Options>] = &[
    flag(Some('a'), "api-versions", List(|o| &mut o.api_versions), "API versions that charts see beside Helm's own"),
    flag(None, "ca-file", Text(|o| &mut o.ca_file), "certificates to trust instead of the system's"),
    flag(None, "debug", Switch(|o| &mut o.debug), "print what was rendered even if it is not YAML ($HELM_DEBUG)"),
    flag(None, "devel", Switch(|o| &mut o.devel), "the newest version may be a pre-release"),
    flag(Some('g'), "generate-name", Switch(|o| &mut o.generate_name), "no NAME is given; it is release-name"),
    flag(Some('h'), "help", Switch(|o| &mut o.help), "this text"),
    flag(None, "include-crds", Switch(|o| &mut o.include_crds), "print the chart's CRDs, too"),
    flag(None, "is-upgrade", Switch(|o| &mut o.is_upgrade), "render for an upgrade instead of an installation"),
    flag(None, "kube-version", Text(|o| &mut o.kube_version), "the Kubernetes version that charts see (v1.37.0)"),
    flag(None, "name-template", Text(|o| &mut o.name_template), "a template that makes NAME, of Sprig's functions"),
    flag(Some('n'), "namespace", Text(|o| &mut o.namespace), "the release's namespace ($HELM_NAMESPACE, or default)"),
    flag(None, "no-hooks", Switch(|o| &mut o.no_hooks), "print no hooks"),
    flag(None, "no-remote-schemas", Switch(|o| &mut o.no_remote_schemas), "fetch nothing that schemas refer to"),
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parsed(line: &[&str]) -> Result<Options, String> {
        FLAGS.parse(line.iter().map(OsString::from).collect(), Options::default())
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
    fn the_table_is_sorted_and_names_no_flag_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].long < pair[1].long));
        let mut shorts: Vec<_> = TABLE.iter().filter_map(|flag| flag.short).collect();
        let count = shorts.len();
        shorts.sort_unstable();
        shorts.dedup();
        assert_eq!(shorts.len(), count);
    }
}
