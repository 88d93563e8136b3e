//! From the provider block to host clusters: validates what is known, resolves what is complete.

use std::collections::BTreeMap;

use super::model::{HostClusterModel, ProviderModel};
use crate::domain::name::is_label;
use crate::fleet::connections::{HostCluster, HostClusters};
use crate::host::Host;
use crate::host::connection::{ConnectError, Endpoint, Environment, Given, Setting, conflicts, variables};
use crate::provider::diagnostics::connection_problem;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report, stop_token};

/// Name of the one host cluster that there is without `host_clusters`.
pub const DEFAULT_HOST: &str = "default";

impl ProviderModel {
    /// Reports what is wrong with the values themselves. Reads no file, as `terraform validate` runs where there may be none.
    pub fn validate(&self, diags: &mut Diagnostics) {
        let Value::Value(hosts) = &self.host_clusters else { return };
        if hosts.is_empty() {
            diags.fail(
                root(),
                "host_clusters is empty",
                "Next step: Add a host cluster, or leave host_clusters out: then there is one, called \"default\", found the \
                 way kubectl finds its cluster.",
            );
        }
        for (name, entry) in hosts {
            let path = root().key(name.clone());
            if !is_label(name) {
                diags.fail(
                    path.clone(),
                    format!("{name:?} cannot be the name of a host cluster"),
                    "Next step: Use at most 63 lower-case letters, digits and hyphens, with a letter or digit at both ends \
                     (a DNS label).",
                );
            }
            match entry {
                Value::Null => diags.fail(
                    path,
                    format!("Host cluster {name:?} is null"),
                    "Next step: Remove it, or give it a connection; {} is the cluster that kubectl would use.",
                ),
                Value::Unknown => {}
                Value::Value(entry) => report(name, entry, entry.problems(), diags),
            }
        }
    }
}

impl HostClusterModel {
    fn problems(&self) -> Vec<ConnectError> {
        let mut problems = conflicts(|setting| self.given(setting));
        problems.extend(self.known_part().problems());
        problems
    }

    /// The attribute that a setting was given in.
    fn path_of(&self, name: &str, setting: Option<Setting>) -> AttributePath {
        let entry = root().key(name.to_owned());
        // Files are blamed on one of two attributes, on none where kubectl's own are read.
        let setting = setting.map(|setting| match setting {
            Setting::ConfigPaths if self.given(Setting::ConfigPath) == Given::Yes => Setting::ConfigPath,
            setting => setting,
        });
        match setting.filter(|setting| self.given(*setting) != Given::No) {
            Some(setting) => entry.attribute(setting.name()),
            None => entry,
        }
    }
}

/// The host clusters of a provider block; `None` after errors, which are in `diags`. Reads kubeconfigs; contacts nobody.
pub fn resolve(model: &ProviderModel, environment: &Environment, diags: &mut Diagnostics) -> Option<HostClusters> {
    let before = diags.errors.len();
    model.validate(diags);
    if diags.errors.len() > before {
        return None;
    }
    let hosts = match &model.host_clusters {
        Value::Unknown => return Some(HostClusters::new(None)),
        Value::Null => default_host(environment, diags),
        Value::Value(hosts) => {
            hosts.iter().filter_map(|(name, entry)| one_host(name, entry, environment, diags)).collect()
        }
    };
    (diags.errors.len() == before).then_some(HostClusters::new(Some(hosts)))
}

fn one_host(
    name: &str,
    entry: &Value<HostClusterModel>,
    environment: &Environment,
    diags: &mut Diagnostics,
) -> Option<(String, HostCluster)> {
    let host = match entry {
        Value::Value(entry) if entry.is_known() => match Endpoint::resolve(&entry.known_part(), environment) {
            Ok(endpoint) => HostCluster::Known(Host::new(name, endpoint, stop_token)),
            Err(problems) => {
                report(name, entry, problems, diags);
                return None;
            }
        },
        _ => HostCluster::Unknown,
    };
    Some((name.to_owned(), host))
}

/// The host cluster that needs no provider block: from the environment, then as kubectl finds it.
fn default_host(environment: &Environment, diags: &mut Diagnostics) -> BTreeMap<String, HostCluster> {
    let resolved = || {
        let problems = conflicts(|setting| variables::given(environment, setting));
        if !problems.is_empty() {
            return Err(problems);
        }
        let connection = variables::connection(environment).map_err(|problem| vec![problem])?;
        Endpoint::resolve(&connection, environment)
    };
    match resolved() {
        Ok(endpoint) => {
            [(DEFAULT_HOST.to_owned(), HostCluster::Known(Host::new(DEFAULT_HOST, endpoint, stop_token)))].into()
        }
        Err(problems) => {
            for problem in &problems {
                let variables = problem.settings().into_iter().filter_map(|setting| {
                    let given = variables::given(environment, setting) != Given::No;
                    variables::variable(setting)
                        .filter(|_| given)
                        .map(|name| format!("{setting} is set by {name} of the environment."))
                });
                let origin = variables.collect::<Vec<_>>().join("\n");
                let origin = (!origin.is_empty()).then_some(origin);
                diags.add_error(connection_problem(DEFAULT_HOST, problem, origin, root()));
            }
            BTreeMap::new()
        }
    }
}

fn report(name: &str, entry: &HostClusterModel, problems: Vec<ConnectError>, diags: &mut Diagnostics) {
    for problem in problems {
        let attribute = entry.path_of(name, problem.setting());
        diags.add_error(connection_problem(name, &problem, None, attribute));
    }
}

fn root() -> AttributePath {
    AttributePath::new("host_clusters")
}

#[cfg(test)]
mod tests;
