//! What a kubeconfig file says, with every field in the type that client-go gives it. As in Go, what is empty counts as not set.

use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::super::Secret;
use super::super::node::{self, Node};

/// The extension of a cluster that is handed to credential plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// One file, or several of them merged.
#[derive(Default)]
pub(super) struct Document {
    pub current_context: String,
    pub clusters: Vec<Named<Cluster>>,
    pub users: Vec<Named<User>>,
    pub contexts: Vec<Named<Context>>,
}

/// An entry of one of the lists, and the file that it is from.
#[derive(Clone, Default)]
pub(in crate::host::connection) struct Named<T> {
    pub name: String,
    pub file: PathBuf,
    pub entry: T,
}

#[derive(Clone, Default)]
pub(super) struct Context {
    pub cluster: String,
    pub user: String,
}

/// Where the API server is, and how it is recognized.
#[derive(Clone, Default)]
pub(in crate::host::connection) struct Cluster {
    pub server: String,
    pub tls_server_name: String,
    pub insecure: bool,
    pub authority: Material,
    pub proxy_url: String,
    pub disable_compression: bool,
    /// What the cluster's entry has for credential plugins.
    pub exec_config: Option<Value>,
}

/// Who the user is.
#[derive(Clone, Default)]
pub(in crate::host::connection) struct User {
    pub certificate: Material,
    pub key: Material,
    pub token: Option<Secret>,
    pub token_file: Option<PathBuf>,
    pub username: String,
    pub password: Option<Secret>,
    pub impersonation: Impersonation,
    /// The name of the auth-provider.
    pub auth_provider: Option<String>,
    pub exec: Option<ExecConfig>,
}

/// As whom the user acts.
#[derive(Clone, Default)]
pub(in crate::host::connection) struct Impersonation {
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A credential plugin as the file describes it.
#[derive(Clone, Default)]
pub(in crate::host::connection) struct ExecConfig {
    pub api_version: String,
    pub command: String,
    pub args: Vec<String>,
    pub env: Vec<(String, Secret)>,
    pub install_hint: String,
    pub provide_cluster_info: bool,
    pub interactive_mode: String,
}

/// What is in the file itself (`<name>-data`) or in another one (`<name>`).
#[derive(Clone, Default)]
pub(in crate::host::connection) struct Material {
    pub data: Vec<u8>,
    pub file: Option<PathBuf>,
}

impl Material {
    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.file.is_none()
    }
}

impl Document {
    /// Reads the content of the file at `path`, to whose directory relative paths belong.
    pub fn read(bytes: &[u8], path: &Path) -> Result<Self, String> {
        let value = node::parse(bytes)?;
        let root = Node::root(&value);
        for (field, expected) in [("kind", "Config"), ("apiVersion", "v1")] {
            let is = root.field(field)?.text()?;
            if !is.is_empty() && is != expected {
                return Err(format!("it is no kubeconfig: its {field} is {is:?}, expected {expected:?}"));
            }
        }
        let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let reader = Reader { file: path, directory: file.parent().unwrap_or(&file) };
        Ok(Self {
            current_context: root.field("current-context")?.text()?,
            clusters: reader.named(&root, "clusters", "cluster", Reader::cluster)?,
            users: reader.named(&root, "users", "user", Reader::user)?,
            contexts: reader.named(&root, "contexts", "context", |_, node| {
                node.field("namespace")?.text()?;
                Ok(Context { cluster: node.field("cluster")?.text()?, user: node.field("user")?.text()? })
            })?,
        })
    }

    /// Adds what a later file has and this one has not.
    pub fn merge(&mut self, later: Self) {
        fn add<T>(ours: &mut Vec<Named<T>>, later: Vec<Named<T>>) {
            let known: HashSet<String> = ours.iter().map(|entry| entry.name.clone()).collect();
            ours.extend(later.into_iter().filter(|entry| !known.contains(&entry.name)));
        }
        if self.current_context.is_empty() {
            self.current_context = later.current_context;
        }
        add(&mut self.clusters, later.clusters);
        add(&mut self.users, later.users);
        add(&mut self.contexts, later.contexts);
    }
}

struct Reader<'a> {
    file: &'a Path,
    directory: &'a Path,
}

impl Reader<'_> {
    fn named<T>(
        &self,
        root: &Node<'_>,
        list: &str,
        field: &str,
        read: impl Fn(&Self, Node<'_>) -> Result<T, String>,
    ) -> Result<Vec<Named<T>>, String> {
        let mut names = HashSet::new();
        let mut entries = Vec::new();
        for item in root.field(list)?.items()? {
            let name = item.field("name")?.text()?;
            if !names.insert(name.clone()) {
                return Err(format!("{list} has two entries of the name {name:?}"));
            }
            entries.push(Named { name, file: self.file.to_owned(), entry: read(self, item.field(field)?)? });
        }
        Ok(entries)
    }

    fn cluster(&self, node: Node<'_>) -> Result<Cluster, String> {
        let mut exec_config = None;
        for extension in node.field("extensions")?.items()? {
            if extension.field("name")?.text()? == EXEC_EXTENSION {
                exec_config = Some(extension.field("extension")?.value().clone());
            }
        }
        Ok(Cluster {
            server: node.field("server")?.text()?,
            tls_server_name: node.field("tls-server-name")?.text()?,
            insecure: node.field("insecure-skip-tls-verify")?.flag()?,
            authority: self.material(&node, "certificate-authority")?,
            proxy_url: node.field("proxy-url")?.text()?,
            disable_compression: node.field("disable-compression")?.flag()?,
            exec_config,
        })
    }

    fn user(&self, node: Node<'_>) -> Result<User, String> {
        let secret = |name| Ok::<_, String>(Some(node.field(name)?.text()?).filter(|text| !text.is_empty()));
        let mut extra = BTreeMap::new();
        for (key, values) in node.field("as-user-extra")?.entries()? {
            extra.insert(key, values.texts()?);
        }
        let provider = node.field("auth-provider")?;
        let exec = node.field("exec")?;
        Ok(User {
            certificate: self.material(&node, "client-certificate")?,
            key: self.material(&node, "client-key")?,
            token: secret("token")?.map(Secret::from),
            token_file: self.path(node.field("tokenFile")?.text()?),
            username: node.field("username")?.text()?,
            password: secret("password")?.map(Secret::from),
            impersonation: Impersonation {
                user: node.field("as")?.text()?,
                uid: node.field("as-uid")?.text()?,
                groups: node.field("as-groups")?.texts()?,
                extra,
            },
            auth_provider: if provider.is_null() { None } else { Some(provider.field("name")?.text()?) },
            exec: if exec.is_null() { None } else { Some(self.exec(&exec)?) },
        })
    }

    fn exec(&self, node: &Node<'_>) -> Result<ExecConfig, String> {
        let command = node.field("command")?.text()?;
        let pair = |node: &Node<'_>| Ok((node.field("name")?.text()?, Secret::from(node.field("value")?.text()?)));
        Ok(ExecConfig {
            api_version: node.field("apiVersion")?.text()?,
            // Without a separator it is looked for on PATH.
            command: match self.path(command.clone()).filter(|_| command.contains(std::path::MAIN_SEPARATOR)) {
                Some(path) => path.display().to_string(),
                None => command,
            },
            args: node.field("args")?.texts()?,
            env: node.field("env")?.items()?.iter().map(pair).collect::<Result<_, String>>()?,
            install_hint: node.field("installHint")?.text()?,
            provide_cluster_info: node.field("provideClusterInfo")?.flag()?,
            interactive_mode: node.field("interactiveMode")?.text()?,
        })
    }

    fn material(&self, node: &Node<'_>, name: &str) -> Result<Material, String> {
        let data = node.field(&format!("{name}-data"))?.base64()?;
        Ok(Material { data, file: self.path(node.field(name)?.text()?) })
    }

    /// A path, relative to the file that names it. As in Go, `..` goes back to where the path came from.
    fn path(&self, path: String) -> Option<PathBuf> {
        if path.is_empty() {
            return None;
        }
        let mut clean = PathBuf::new();
        for component in self.directory.join(path).components() {
            match component {
                Component::ParentDir => drop(clean.pop()),
                other => clean.push(other),
            }
        }
        Some(clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let problem = Document::read(text.as_bytes(), Path::new("/k/config")).map(|_| ()).unwrap_err();
        assert_eq!(problem, expected, "{text}");
    }

    #[test]
    fn what_is_no_kubeconfig_says_so() {
        check_refused("kind: Pod", r#"it is no kubeconfig: its kind is "Pod", expected "Config""#);
        check_refused("apiVersion: v2", r#"it is no kubeconfig: its apiVersion is "v2", expected "v1""#);
        check_refused("just text", "it has to be a map, and is a text");
        check_refused("clusters: {a: b}", "clusters has to be a list, and is a map");
        check_refused("users: [{name: 7}]", "users[0].name has to be a text, and is a number: put it in quotes");
        check_refused("contexts: [{name: a}, {name: a}]", r#"contexts has two entries of the name "a""#);
        check_refused(
            "clusters: [{cluster: {certificate-authority-data: '-----BEGIN CERTIFICATE-----'}}]",
            "clusters[0].cluster.certificate-authority-data has to be in base64, and is PEM text: encode it, or name a file in \
             the field without -data",
        );
    }

    #[test]
    fn nothing_is_an_empty_kubeconfig() {
        for text in ["", "# nothing\n", "---\n", "clusters:\nusers: null\n"] {
            assert!(Document::read(text.as_bytes(), Path::new("a")).unwrap().clusters.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn paths_belong_to_the_file_that_names_them() {
        let text = "users: [{name: a, user: {tokenFile: ../t, client-key: /abs, exec: {command: bin/x}}}, \
                    {name: b, user: {exec: {command: aws}}}]";
        let users = Document::read(text.as_bytes(), Path::new("/k/sub/config")).unwrap().users;
        assert_eq!(users[0].entry.token_file.as_deref(), Some(Path::new("/k/t")));
        assert_eq!(users[0].entry.key.file.as_deref(), Some(Path::new("/abs")));
        assert_eq!(users[0].entry.exec.as_ref().unwrap().command, "/k/sub/bin/x");
        assert_eq!(users[1].entry.exec.as_ref().unwrap().command, "aws");
    }

    #[test]
    fn first_file_wins_and_what_is_empty_does_not_count() {
        let read = |text: &str, path| Document::read(text.as_bytes(), Path::new(path)).unwrap();
        let mut merged = read("{current-context: '', clusters: [{name: a, cluster: {server: one}}]}", "/1");
        merged.merge(read("{current-context: b, clusters: [{name: a, cluster: {server: two}}, {name: c}]}", "/2"));
        merged.merge(read("{current-context: d}", "/3"));
        assert_eq!(merged.current_context, "b");
        let clusters: Vec<_> = merged.clusters.iter().map(|one| (&*one.name, &*one.entry.server)).collect();
        assert_eq!(clusters, [("a", "one"), ("c", "")]);
    }
}
