//! Finds kubeconfig files, merges them and picks a context's cluster and user, the way kubectl does. What is in one file is
//! [`document`]'s business; what an entry comes to, that of [`entries`].

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::problem::file_problem;
use super::{ConnectError, Connection, Environment, Setting};
use document::{Cluster, Document, Named, User};

pub(super) mod document;
mod entries;

/// The cluster and the user that a kubeconfig's context names.
#[derive(Default)]
pub(super) struct Selected {
    pub cluster: Named<Cluster>,
    pub user: Named<User>,
}

/// The places where kubectl looks for a kubeconfig: every file of `KUBECONFIG`, else the one in the home directory.
fn default_paths(environment: &Environment) -> Vec<PathBuf> {
    match environment.variable("KUBECONFIG") {
        Some(list) => std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => environment.home.iter().map(|home| home.join(".kube/config")).collect(),
    }
}

/// [`default_paths`] in words.
pub(super) fn looked_at(environment: &Environment) -> Vec<String> {
    let paths = default_paths(environment).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    match environment.variable("KUBECONFIG") {
        Some(_) => vec![format!("KUBECONFIG ({})", paths.join(", "))],
        None => std::iter::once("KUBECONFIG (not set)".to_owned()).chain(paths).collect(),
    }
}

/// The document in the file; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Document>, ConnectError> {
    let setting = Setting::ConfigPaths;
    match std::fs::read(path) {
        Ok(bytes) => Document::read(&bytes, path).map(Some).map_err(|problem| {
            let files = path.display().to_string();
            ConnectError::Kubeconfig { setting, files, problem }
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConnectError::Unreadable { setting, path: path.to_owned(), problem: file_problem(&error) }),
    }
}

impl Connection {
    /// The kubeconfig's part of this connection. `None` where there is no kubeconfig to read.
    pub(super) fn select(&self, environment: &Environment) -> Result<Option<Selected>, Vec<ConnectError>> {
        let named = !self.config_paths.is_empty();
        let paths = match (named, &self.host) {
            (true, _) => self.config_paths.iter().map(|path| environment.expand(path)).collect(),
            (false, Some(_)) => return Ok(None),
            (false, None) => default_paths(environment),
        };
        let mut problems = Vec::new();
        let mut files = Vec::new();
        let mut merged = Document::default();
        for path in paths {
            match read(&path) {
                Ok(Some(document)) => merged.merge(document),
                // As kubectl does, pass over those that are not there.
                Ok(None) if !named => continue,
                Ok(None) => problems.push(ConnectError::Unreadable {
                    setting: Setting::ConfigPaths,
                    path: path.clone(),
                    problem: "there is no such file".to_owned(),
                }),
                Err(problem) => problems.push(problem),
            }
            files.push(path.display().to_string());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if files.is_empty() {
            return match self.chosen() {
                Some(setting) => Err(vec![ConnectError::NoKubeconfig { setting, looked_at: looked_at(environment) }]),
                None => Ok(None),
            };
        }
        self.pick(&merged, &files.join(", ")).map(Some).map_err(|problem| vec![problem])
    }

    /// What the user chose from the kubeconfig, first of all its context.
    fn chosen(&self) -> Option<Setting> {
        let context = self.config_context.as_ref().map(|_| Setting::ConfigContext);
        let cluster = self.config_context_cluster.as_ref().map(|_| Setting::ConfigContextCluster);
        let user = self.config_context_auth_info.as_ref().map(|_| Setting::ConfigContextAuthInfo);
        context.or(cluster).or(user)
    }

    fn pick(&self, document: &Document, files: &str) -> Result<Selected, ConnectError> {
        let context = match &self.config_context {
            Some(name) => Some((Setting::ConfigContext, name)),
            // With both of its halves chosen, a context is not needed.
            None if self.config_context_cluster.is_some() && self.config_context_auth_info.is_some() => None,
            None if document.current_context.is_empty() => {
                let known = names(&document.contexts);
                return Err(ConnectError::NoContext { files: files.to_owned(), known });
            }
            None => Some((Setting::ConfigPaths, &document.current_context)),
        };
        let context = context.map(|(setting, name)| find(&document.contexts, name, "context", setting, files));
        let context = context.transpose()?;
        let of_context = |name: fn(&document::Context) -> &str| context.map_or("", |context| name(&context.entry));

        let cluster = match &self.config_context_cluster {
            Some(name) => find(&document.clusters, name, "cluster", Setting::ConfigContextCluster, files)?,
            None => match of_context(|context| &context.cluster) {
                "" => {
                    let problem = format!("context {:?} names no cluster", context.map_or("", |one| &one.name));
                    let setting = Setting::ConfigPaths;
                    return Err(ConnectError::Kubeconfig { setting, files: files.to_owned(), problem });
                }
                name => find(&document.clusters, name, "cluster", Setting::ConfigPaths, files)?,
            },
        };
        let user = match &self.config_context_auth_info {
            Some(name) => find(&document.users, name, "user", Setting::ConfigContextAuthInfo, files)?.clone(),
            None => match of_context(|context| &context.user) {
                // A context without a user is how kubeconfigs say "anonymous".
                "" => Named::default(),
                name => find(&document.users, name, "user", Setting::ConfigPaths, files)?.clone(),
            },
        };
        Ok(Selected { cluster: cluster.clone(), user })
    }
}

fn names<T>(entries: &[Named<T>]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}

fn find<'d, T>(
    entries: &'d [Named<T>],
    name: &str,
    what: &'static str,
    setting: Setting,
    files: &str,
) -> Result<&'d Named<T>, ConnectError> {
    entries.iter().find(|entry| entry.name == name).ok_or_else(|| ConnectError::Unknown {
        setting,
        files: files.to_owned(),
        what,
        name: name.to_owned(),
        known: names(entries),
    })
}
