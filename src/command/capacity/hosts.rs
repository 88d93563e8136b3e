//! The host clusters that the command line names, or the one that the environment does. Reads kubeconfigs; contacts nobody.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::flags::Options;
use crate::fleet::connections::{HostCluster, HostClusters};
use crate::host::Host;
use crate::host::connection::{ConnectError, Connection, Endpoint, Environment, conflicts, variables};

/// What the host cluster of the environment is called.
const DEFAULT: &str = "default";

/// A host cluster for each context, or else for each kubeconfig, or else that of the environment.
///
/// # Errors
/// What is wrong with one of them, and what to do.
pub(super) fn of(options: &Options) -> Result<HostClusters, String> {
    let environment = Environment::of_process();
    let named = named(options, &environment)?;
    let hosts = named.into_iter().map(|(name, connection)| -> Result<(String, HostCluster), String> {
        let endpoint = Endpoint::resolve(&connection, &environment).map_err(|problems| said(&name, &problems))?;
        let host = Host::new(&name, endpoint, CancellationToken::new);
        Ok((name, HostCluster::Known(host)))
    });
    Ok(HostClusters::new(Some(hosts.collect::<Result<_, String>>()?)))
}

/// The connections, by the names of the host clusters.
fn named(options: &Options, environment: &Environment) -> Result<BTreeMap<String, Connection>, String> {
    let Options { contexts, kubeconfigs, .. } = options;
    if contexts.is_empty() && kubeconfigs.is_empty() {
        let conflicts = conflicts(|setting| variables::given(environment, setting));
        let connection = variables::connection(environment);
        let connection =
            if conflicts.is_empty() { connection.map_err(|problem| vec![problem]) } else { Err(conflicts) };
        return Ok([(DEFAULT.to_owned(), connection.map_err(|problems| said(DEFAULT, &problems))?)].into());
    }
    if contexts.is_empty() {
        let of_file =
            |path: &String| (path.clone(), Connection { config_paths: vec![path.clone()], ..Connection::default() });
        return Ok(kubeconfigs.iter().map(of_file).collect());
    }
    let config_paths = match kubeconfigs.is_empty() {
        true => variables::connection(environment).map_err(|problem| said(DEFAULT, &[problem]))?.config_paths,
        false => kubeconfigs.clone(),
    };
    let of_context = |context: &String| {
        let config_context = Some(context.clone());
        (context.clone(), Connection { config_paths: config_paths.clone(), config_context, ..Connection::default() })
    };
    Ok(contexts.iter().map(of_context).collect())
}

fn said(name: &str, problems: &[ConnectError]) -> String {
    let lines =
        problems.iter().map(|problem| format!("host cluster {name:?}: {problem}\nNext step: {}", problem.next_step()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        contexts: &[&str],
        kubeconfigs: &[&str],
        variables: &[(&str, &str)],
        expected: &[(&str, &[&str], Option<&str>)],
    ) {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let options = Options { contexts: texts(contexts), kubeconfigs: texts(kubeconfigs), ..Options::default() };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let named = named(&options, &Environment { variables, ..Environment::default() }).unwrap();
        let named: Vec<_> = named
            .into_iter()
            .map(|(name, connection)| (name, connection.config_paths, connection.config_context))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, paths, context)| ((*name).to_owned(), texts(paths), context.map(str::to_owned)))
            .collect();
        assert_eq!(named, expected);
    }

    #[test]
    fn a_context_or_else_a_kubeconfig_or_else_the_environment_is_a_host_cluster() {
        let file = [("KUBE_CONFIG_PATH", "env.yaml"), ("KUBE_CTX", "in-env")];
        check(&[], &[], &file, &[("default", &["env.yaml"], Some("in-env"))]);
        check(&[], &[], &[], &[("default", &[], None)]);
        check(&[], &["b.yaml", "a.yaml"], &file, &[("a.yaml", &["a.yaml"], None), ("b.yaml", &["b.yaml"], None)]);
        check(&["us", "eu"], &[], &file, &[("eu", &["env.yaml"], Some("eu")), ("us", &["env.yaml"], Some("us"))]);
        check(&["eu"], &["a.yaml", "b.yaml"], &file, &[("eu", &["a.yaml", "b.yaml"], Some("eu"))]);
    }

    #[test]
    fn what_contradicts_itself_in_the_environment_is_said() {
        let variables = [("KUBE_TOKEN", "x"), ("KUBE_USER", "y"), ("KUBE_PASSWORD", "z"), ("KUBE_HOST", "https://a")];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let problem = named(&Options::default(), &Environment { variables, ..Environment::default() }).unwrap_err();
        assert!(problem.contains("Next step: "), "{problem}");
    }
}
