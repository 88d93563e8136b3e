//! `terraform-provider-nested capacity GROUP`: what the host clusters of a group can carry, what is used, and what is left when more
//! is launched. The same numbers as the data source `nested_cluster_group`. Changes nothing.

mod flags;
mod hosts;
mod json;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::application;
use crate::domain::room::{Launch, Launching, Numbers};
use crate::domain::shares::lacks_owner;
use crate::domain::size::{Resource, Size};
use crate::domain::table::Paint;
use crate::fleet::Fleet;
use crate::fleet::connections::HostClusters;
use crate::fleet::group::find::FindError;
use crate::fleet::group::spec::GroupSpec;
use crate::fleet::group::survey::survey;
use crate::fleet::virtual_cluster::membership::Membership;
use flags::{FLAGS, Given, Options, Output};

/// The name of the command.
pub const NAME: &str = "capacity";
/// What it does, in a few words.
pub const SUMMARY: &str = "show what is used and left of a cluster group, and whether more fits";

const PROGRAM: &str = application::NAME;
/// How long `--watch` waits before it asks again.
const INTERVAL: Duration = Duration::from_secs(5);
/// How the command ends where what is to be launched does not fit.
const DOES_NOT_FIT: u8 = 2;
/// Clears a terminal, and goes to its top.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Runs the command with what follows its name on the command line.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    match FLAGS.parse(arguments, Options::default()).map_err(CapacityError::Usage).and_then(|options| show(&options)) {
        Ok(fits) => fits,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
enum CapacityError {
    #[error("{0}\n\nUsage:  {PROGRAM} {NAME} GROUP [flags]")]
    Usage(String),
    #[error("{0}")]
    Connection(String),
    #[error(transparent)]
    Group(#[from] FindError),
    #[error("{name:?} is below the minimum of the group: {problem}")]
    TooSmall { name: String, problem: String },
    #[error("the group has shares by the label {label:?}, and nothing says whose {name:?} is: add {label}=…")]
    NoOwner { name: String, label: String },
    #[error("cannot start to ask host clusters: {0}")]
    Runtime(io::Error),
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

fn complain(error: &CapacityError) {
    // Where standard error is closed as well, there is nobody to tell.
    let _ = writeln!(io::stderr(), "Error: {error}");
}

fn show(options: &Options) -> Result<ExitCode, CapacityError> {
    if options.help {
        super::print(&help()).map_err(CapacityError::Print)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (group, output) = (options.group(), options.output());
    let (group, output) = (group.map_err(CapacityError::Usage)?, output.map_err(CapacityError::Usage)?);
    // What is malformed is said before anybody is asked.
    options.launching(&Given::default()).map_err(CapacityError::Usage)?;
    let hosts = hosts::of(options).map_err(CapacityError::Connection)?;
    let screen = Screen::of_process(output, options.watch);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CapacityError::Runtime)?;
    runtime.block_on(follow(group, &hosts, options, &screen))
}

/// Shows the group, once or for as long as somebody watches.
async fn follow(
    group: &str,
    hosts: &HostClusters,
    options: &Options,
    screen: &Screen,
) -> Result<ExitCode, CapacityError> {
    let seen = look(group, hosts, options).await?;
    screen.print(group, &seen)?;
    if !options.watch {
        let (_, launch) = seen;
        return Ok(if launch.fits == Some(false) { ExitCode::from(DOES_NOT_FIT) } else { ExitCode::SUCCESS });
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        // What does not answer now may answer the next time.
        match look(group, hosts, options).await {
            Ok(seen) => screen.print(group, &seen)?,
            Err(error) => complain(&error),
        }
    }
}

/// The group as its hosts have it now, with what is to be launched.
async fn look(name: &str, hosts: &HostClusters, options: &Options) -> Result<(Numbers, Launch), CapacityError> {
    // Nothing is kept from one look to the next but the connections.
    let fleet = Fleet::new(|_| None);
    fleet.connections.configure(hosts.clone());
    let found = fleet.group(name).await?;
    let group = Membership::of(Arc::clone(&found))?;
    let all = options.launching(&Given::by(&group.spec)).map_err(CapacityError::Usage)?;
    check(&all, &group.spec)?;
    let numbers = survey(&fleet, &group, &found, "the command line").await.numbers;
    let launch = numbers.launch(name, &all);
    Ok((numbers, launch))
}

fn check(launching: &BTreeMap<String, Launching>, spec: &GroupSpec) -> Result<(), CapacityError> {
    let (minimum, shares) = (spec.minimum_size().unwrap_or(Size::MINIMUM), spec.bounds().shares);
    for (name, Launching { load, labels }) in launching {
        if let Some(shortfall) = load.size.shortfalls(&minimum).first() {
            return Err(CapacityError::TooSmall { name: name.clone(), problem: shortfall.to_string() });
        }
        if let Some(shares) = shares.as_ref().filter(|shares| lacks_owner(shares, None, labels, true)) {
            return Err(CapacityError::NoOwner { name: name.clone(), label: shares.label().to_owned() });
        }
    }
    Ok(())
}

/// Where it is shown.
struct Screen {
    output: Output,
    paint: Paint,
    /// Whether each look takes the place of the one before.
    clears: bool,
    watches: bool,
}

impl Screen {
    fn of_process(output: Output, watches: bool) -> Self {
        let variable = |name: &str| std::env::var_os(name).and_then(|value| value.into_string().ok());
        Self::of(output, watches, io::stdout().is_terminal(), variable)
    }

    /// Colours are for terminals that have them, unless somebody does not want them (no-color.org).
    fn of(output: Output, watches: bool, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = variable("TERM").is_some_and(|terminal| terminal == "dumb");
        let paint = if is_terminal && !is_unwanted && !is_dumb { Paint::Ansi } else { Paint::Plain };
        Self { output, paint, clears: watches && is_terminal && output == Output::Table, watches }
    }

    fn print(&self, group: &str, (numbers, launch): &(Numbers, Launch)) -> Result<(), CapacityError> {
        let text = match self.output {
            Output::Json if self.watches => format!("{}\n", json::of(group, numbers, launch)),
            Output::Json => format!("{:#}\n", json::of(group, numbers, launch)),
            Output::Table if self.clears => format!("{CLEAR}{}", launch.summary(self.paint)),
            Output::Table if self.watches => format!("{}\n", launch.summary(self.paint)),
            Output::Table => launch.summary(self.paint),
        };
        super::print(&text).map_err(CapacityError::Print)
    }
}

fn help() -> String {
    let [cpu, memory, storage] = Resource::ALL.map(Resource::attribute);
    format!(
        "\
Shows what the host clusters of a cluster group can carry: what is used of it (#, grey), what would be allocated to what is
launched (=, green), and what is available after it (., white). Nothing is launched, and nothing is changed anywhere.

Usage:
  {PROGRAM} {NAME} GROUP [flags]

Host clusters are found as the provider finds the one that it has without a provider block: KUBE_CONFIG_PATH, KUBE_CTX and so
on, else as kubectl does. For a group of several host clusters name each by a --context or by a --kubeconfig.

--launching adds a virtual cluster of the group's default size, or of another: {cpu}, {memory} and {storage} as Kubernetes
quantities, and so much of an extended resource, such as nvidia.com/gpu=1. Where the group's quota has shares, the label that
says whose it is belongs there, too, such as team=web. The exit status is {DOES_NOT_FIT} where what is launched does not fit, and 1 after an error.

Colours are for terminals, unless NO_COLOR is set.

Flags:
{}
Example:
  {PROGRAM} {NAME} dev --context eu-1 --context us-1 --launching team-a={cpu}=8,{memory}=16Gi --watch
",
        FLAGS.help()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_where_nobody_minds() {
        let paint = |is_terminal, variables: &[(&str, &str)]| {
            let variable =
                |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            Screen::of(Output::Table, false, is_terminal, variable).paint
        };
        assert_eq!(paint(true, &[]), Paint::Ansi);
        assert_eq!(paint(true, &[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Paint::Ansi);
        assert_eq!(paint(true, &[("NO_COLOR", "1")]), Paint::Plain);
        assert_eq!(paint(true, &[("TERM", "dumb")]), Paint::Plain);
        assert_eq!(paint(false, &[("TERM", "xterm")]), Paint::Plain);
    }

    #[test]
    fn only_a_table_that_is_watched_in_a_terminal_takes_the_place_of_the_one_before() {
        let clears = |output, watches, is_terminal| Screen::of(output, watches, is_terminal, |_| None).clears;
        assert!(clears(Output::Table, true, true));
        assert!(!clears(Output::Table, true, false));
        assert!(!clears(Output::Table, false, true));
        assert!(!clears(Output::Json, true, true));
    }
}
