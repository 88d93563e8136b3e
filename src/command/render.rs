//! `terraform-provider-nested render NAME CHART`: prints what `helm template` prints, so that one can look before applying,
//! and compare with Helm. Takes Helm's steps in Helm's order, so that of two mistakes both complain about the same one.
//! Asks no cluster, and reads no kubeconfig.

mod flags;
mod locate;
mod values;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

use regex::Regex;

use crate::application;
use crate::command::flags::parse_bool;
use flags::{FLAGS, Options};
use helm_charts::source::SourceError;
use helm_charts::{
    Chart, ChartError, HELM_API_VERSIONS, HELM_KUBE_VERSION, KubeVersion, Release, Selection, release_name,
};

/// The name of the command.
pub const NAME: &str = "render";
/// What it does, in a few words.
pub const SUMMARY: &str = "print the objects of a chart, as `helm template` does";

const PROGRAM: &str = application::NAME;
/// What `helm template` takes when it is not told.
const RELEASE_NAME: &str = "release-name";

/// Runs the command with what follows its name on the command line.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let debug = parse_bool(&variable("HELM_DEBUG")).unwrap_or(false);
    let mut warn = |warning: &str| drop(writeln!(io::stderr(), "WARNING: {warning}"));
    let options = Options { namespace: variable("HELM_NAMESPACE"), debug, ..Options::default() };
    let parsed = FLAGS.parse(arguments, options).map_err(RenderError::Usage);
    let printed = parsed.and_then(|options| match options.help {
        true => Ok((help(), None)),
        false => render(&options, &mut warn),
    });
    let print = |(text, error): (String, Option<RenderError>)| {
        super::print(&text).map_err(RenderError::Print)?;
        error.map_or(Ok(()), Err)
    };
    match printed.and_then(print) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed as well, there is nobody to tell.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why nothing was printed; in Helm's words where Helm refuses, too.
#[derive(Debug, thiserror::Error)]
enum RenderError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Values(String),
    #[error("failed to parse {file}: {source}")]
    ValuesFile { file: String, source: ChartError },
    #[error("path {0:?} not found")]
    NotFound(String),
    #[error("non-absolute URLs should be in form of repo_name/path_to_chart, got: {0}")]
    NoSuchChart(String),
    #[error("repo {0} not found")]
    NoSuchRepository(String),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("cannot start to fetch the chart: {0}")]
    Runtime(io::Error),
    #[error("{0} charts are not installable")]
    NotInstallable(String),
    #[error(
        "release name {0:?}: invalid release name, must match regex {VALID_NAME} and the length must not be longer than 53"
    )]
    InvalidName(String),
    #[error("release name \"\": no name provided")]
    NoName,
    #[error(transparent)]
    Chart(#[from] ChartError),
    #[error("{0}\n\nUse --debug flag to render out invalid YAML")]
    Broken(ChartError),
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

/// What the command prints, and what is wrong with it.
fn render(options: &Options, warn: &mut dyn FnMut(&str)) -> Result<(String, Option<RenderError>), RenderError> {
    let (name, chart) = name_and_chart(options)?;
    let name = name.as_str();
    let kube_version = kube_version(&options.kube_version)?;
    let archive = locate::locate(chart, options, warn)?;
    let values = values::merge(options)?;
    let mut chart = Chart::parse(&archive)?;
    if !["", "application"].contains(&chart.metadata().kind.as_str()) {
        return Err(RenderError::NotInstallable(chart.metadata().kind.clone()));
    }
    if chart.metadata().deprecated {
        warn("This chart is deprecated");
    }
    check_name(name)?;
    if options.skip_schema_validation {
        chart = chart.without_schemas();
    }
    locate::add_remote_schemas(&mut chart, options)?;
    let known = HELM_API_VERSIONS.iter().map(|version| (*version).to_owned());
    let api_versions: Vec<String> = known.chain(options.api_versions.iter().cloned()).collect();
    let (rendered, broken) = chart.render_broken(&Release {
        name,
        namespace: if options.namespace.is_empty() { "default" } else { &options.namespace },
        revision: 1,
        is_install: !options.is_upgrade,
        kube_version: &kube_version,
        api_versions: &api_versions,
        values: &values,
    })?;
    let selection = Selection {
        crds: options.include_crds,
        no_hooks: options.no_hooks,
        no_tests: options.skip_tests,
        templates: &options.show_only,
    };
    match broken {
        Some(error) if !options.debug => Err(RenderError::Broken(error)),
        broken => Ok((rendered.selected(&selection)?, broken.map(RenderError::Chart))),
    }
}

/// The first argument is the name only where there are two.
fn name_and_chart(options: &Options) -> Result<(String, &str), RenderError> {
    let usage = |message: String| Err(RenderError::Usage(message));
    match options.arguments.as_slice() {
        [] => usage(format!(
            "\"{PROGRAM} {NAME}\" requires at least 1 argument\n\nUsage:  {PROGRAM} {NAME} [NAME] [CHART] [flags]"
        )),
        [chart] if !options.name_template.is_empty() => Ok((release_name(&options.name_template)?, chart)),
        [chart] => Ok((RELEASE_NAME.to_owned(), chart)),
        [_, _] if options.generate_name => usage("cannot set --generate-name and also specify a name".to_owned()),
        [_, _] if !options.name_template.is_empty() => {
            usage("cannot set --name-template and also specify a name".to_owned())
        }
        [name, chart] => Ok((name.clone(), chart)),
        [_, _, unexpected @ ..] => {
            usage(format!("expected at most two arguments, unexpected arguments: {}", unexpected.join(", ")))
        }
    }
}

fn kube_version(text: &str) -> Result<KubeVersion, RenderError> {
    let text = if text.is_empty() { HELM_KUBE_VERSION } else { text };
    KubeVersion::parse(text).ok_or_else(|| {
        let numbers = text.trim_start().trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        let reason = match numbers {
            true => format!("illegal version string {text:?}"),
            false => format!("could not parse {text:?} as version"),
        };
        RenderError::Usage(format!("invalid kube version '{text}': {reason}"))
    })
}

const VALID_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const MAX_NAME: usize = 53;

fn check_name(name: &str) -> Result<(), RenderError> {
    /// The regular expression is a constant, so compiling it cannot fail at run time.
    static VALID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(VALID_NAME).ok());
    let valid = VALID.as_ref().is_some_and(|valid| valid.is_match(name)) && name.len() <= MAX_NAME;
    match valid {
        true => Ok(()),
        false if name.is_empty() => Err(RenderError::NoName),
        false => Err(RenderError::InvalidName(name.to_owned())),
    }
}

fn help() -> String {
    format!(
        "\
Prints the objects that a chart makes, as `helm template` of Helm 3.22 prints them: same flags, same bytes.
No cluster is asked: lookups find nothing, and the version and the APIs of Kubernetes are what the flags say.

Usage:
  {PROGRAM} {NAME} [NAME] [CHART] [flags]

NAME is the release's name, {RELEASE_NAME} if there is only CHART. CHART is a directory, a .tgz file, the URL of one,
oci://registry/repository/chart, or with --repo the name of a chart in that repository.

Values come from files first, each over those before it, then from --set-json, --set, --set-string, --set-file and
--set-literal, in this order. In names, a.b is b in the map a, and a[0] the first item of the list a. A backslash takes
away the meaning of a comma or a dot. null removes a default of the chart.

Flags:
{}
Example:
  {PROGRAM} {NAME} my-vcluster vcluster --repo https://charts.loft.sh --version 0.34.7 -f values.yaml | less
",
        FLAGS.help()
    )
}
