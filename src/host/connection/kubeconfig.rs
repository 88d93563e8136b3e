//! Reads kubeconfig files and picks a context's cluster and user, the way kubectl does.

use std::path::PathBuf;

use kube::config::{AuthInfo, Cluster, Kubeconfig, KubeconfigError};

use super::{ConnectError, Connection, Environment, Setting};

/// The cluster and the user that a kubeconfig's context names.
pub(super) struct Selected {
    /// The files it comes from, for messages.
    pub files: String,
    pub cluster: Cluster,
    pub user: AuthInfo,
}

/// The places where kubectl looks for a kubeconfig: every file of `KUBECONFIG`, else the one in the home directory.
fn default_paths(environment: &Environment) -> Vec<PathBuf> {
    let listed = environment.variable("KUBECONFIG").map(|list| std::env::split_paths(list).collect::<Vec<_>>());
    let listed: Vec<_> = listed.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()).collect();
    if listed.is_empty() { environment.home.iter().map(|home| home.join(".kube/config")).collect() } else { listed }
}

/// [`default_paths`] in words.
pub(super) fn looked_at(environment: &Environment) -> Vec<String> {
    let paths = default_paths(environment).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    match environment.variable("KUBECONFIG") {
        Some(_) => vec![format!("KUBECONFIG ({})", paths.join(", "))],
        None => std::iter::once("KUBECONFIG (not set)".to_owned()).chain(paths).collect(),
    }
}

impl Connection {
    /// The kubeconfig's part of this connection. `None` where there is no kubeconfig to read.
    pub(super) fn select(&self, environment: &Environment) -> Result<Option<Selected>, ConnectError> {
        let paths: Vec<_> = if !self.config_paths.is_empty() {
            self.config_paths.iter().map(|path| environment.expand(path)).collect()
        } else if self.host.is_some() {
            return Ok(None);
        } else {
            // As kubectl does, pass over those that are not there.
            default_paths(environment).into_iter().filter(|path| path.exists()).collect()
        };
        if paths.is_empty() {
            return match self.chosen() {
                Some(setting) => Err(ConnectError::NoKubeconfig { setting, looked_at: looked_at(environment) }),
                None => Ok(None),
            };
        }
        let files = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let mut kubeconfig = Kubeconfig::default();
        for path in &paths {
            kubeconfig =
                Kubeconfig::read_from(path).and_then(|next| kubeconfig.merge(next)).map_err(|e| problem(e, path))?;
        }
        self.pick(kubeconfig, files).map(Some)
    }

    /// What the user chose from the kubeconfig, first of all its context.
    fn chosen(&self) -> Option<Setting> {
        let context = self.config_context.as_ref().map(|_| Setting::ConfigContext);
        let cluster = self.config_context_cluster.as_ref().map(|_| Setting::ConfigContextCluster);
        let user = self.config_context_auth_info.as_ref().map(|_| Setting::ConfigContextAuthInfo);
        context.or(cluster).or(user)
    }

    fn pick(&self, kubeconfig: Kubeconfig, files: String) -> Result<Selected, ConnectError> {
        let unknown = |setting, what, name: &str, known: Vec<&String>| ConnectError::Unknown {
            setting,
            files: files.clone(),
            what,
            name: name.to_owned(),
            known: known.into_iter().cloned().collect(),
        };
        let contexts = || kubeconfig.contexts.iter().map(|context| &context.name).collect::<Vec<_>>();
        let current = kubeconfig.current_context.as_ref().filter(|name| !name.is_empty());
        let context = match self.config_context.as_ref().map(|name| (Setting::ConfigContext, name)) {
            Some(chosen) => Some(chosen),
            // With both of its halves chosen, a context is not needed.
            None if self.config_context_cluster.is_some() && self.config_context_auth_info.is_some() => None,
            None => match current {
                Some(name) => Some((Setting::ConfigPaths, name)),
                None => {
                    let known = contexts().into_iter().cloned().collect();
                    return Err(ConnectError::NoContext { files, known });
                }
            },
        };
        let context = match context {
            None => None,
            Some((setting, name)) => match kubeconfig.contexts.iter().find(|context| context.name == *name) {
                Some(found) => found.context.as_ref(),
                None => return Err(unknown(setting, "context", name, contexts())),
            },
        };

        let from_context = |name| (Setting::ConfigPaths, name);
        let cluster_name = match &self.config_context_cluster {
            Some(name) => (Setting::ConfigContextCluster, name.as_str()),
            None => from_context(context.map_or("", |context| context.cluster.as_str())),
        };
        let clusters = &kubeconfig.clusters;
        let cluster = match clusters.iter().find(|cluster| cluster.name == cluster_name.1) {
            Some(found) => found.cluster.clone().unwrap_or_default(),
            None => {
                let known = clusters.iter().map(|cluster| &cluster.name).collect();
                return Err(unknown(cluster_name.0, "cluster", cluster_name.1, known));
            }
        };

        let user_name = match &self.config_context_auth_info {
            Some(name) => (Setting::ConfigContextAuthInfo, name.as_str()),
            None => from_context(context.and_then(|context| context.user.as_deref()).unwrap_or_default()),
        };
        let users = &kubeconfig.auth_infos;
        let user = match users.iter().find(|user| user.name == user_name.1) {
            Some(found) => found.auth_info.clone().unwrap_or_default(),
            // A context without a user is how kubeconfigs say "anonymous".
            None if user_name.1.is_empty() => AuthInfo::default(),
            None => {
                let known = users.iter().map(|user| &user.name).collect();
                return Err(unknown(user_name.0, "user", user_name.1, known));
            }
        };
        Ok(Selected { files, cluster, user })
    }
}

/// kube's errors with the file's name, and without lines of the file: they may hold credentials.
fn problem(error: KubeconfigError, path: &std::path::Path) -> ConnectError {
    let problem = match error {
        KubeconfigError::ReadConfig(error, path) => {
            return ConnectError::Unreadable { setting: Setting::ConfigPaths, path, problem: error.to_string() };
        }
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("it is not valid at line {}, column {}", at.line(), at.column()),
            None => "it is not a kubeconfig".to_owned(),
        },
        error => error.to_string(),
    };
    ConnectError::Kubeconfig { setting: Setting::ConfigPaths, files: path.display().to_string(), problem }
}
