//! The table. `$…` in a text stands for what `words` one level up makes of it.

use super::keys::{self, KEYS, Made};
use super::server::Speech;

mod addresses;
mod certificates;
mod files;
mod plugins;
mod users;

/// A row of the table.
pub struct Case {
    pub name: &'static str,
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub variables: Vec<(&'static str, &'static str)>,
    pub words: Vec<(&'static str, String)>,
    pub speech: Speech,
    pub expected: Expected,
}

/// What is to come of a case. Decisions are rows of docs/design/connections.md.
#[derive(Debug)]
pub enum Expected {
    /// Both reach the server and tell it the same.
    Same,
    /// Both refuse, the provider in these words.
    Refused(&'static str),
    /// By a decision, kubectl refuses and the provider does not.
    OnlyOurs(&'static str),
    /// By a decision, the provider refuses, in these words.
    OnlyTheirs(&'static str, &'static str),
}

pub fn cases() -> Vec<Case> {
    let all: Vec<_> = [files::cases(), users::cases(), addresses::cases(), certificates::cases(), plugins::cases()]
        .into_iter()
        .flatten()
        .collect();
    let mut names: Vec<_> = all.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "two cases of one name: {twice:?}");
    all
}

/// The cluster of most cases.
const CLUSTER: &str = "{server: $SERVER, certificate-authority-data: $CA}";
/// The user of most cases.
const USER: &str = "{token: t0k3n}";

/// A kubeconfig with one context.
fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {{name: c, context: {{cluster: k, user: u}}}}\nclusters:\n\
         - {{name: k, cluster: {cluster}}}\nusers:\n- {{name: u, user: {user}}}\n"
    )
}

/// A case whose only file has this text.
fn text(name: &'static str, text: impl Into<Vec<u8>>) -> Case {
    Case {
        name,
        files: vec![("config", text.into())],
        variables: Vec::new(),
        words: Vec::new(),
        speech: keys::tls(&[&KEYS.server]),
        expected: Expected::Same,
    }
}

fn user(name: &'static str, user: &str) -> Case {
    text(name, config(CLUSTER, user))
}

fn cluster(name: &'static str, cluster: &str) -> Case {
    text(name, config(cluster, USER))
}

impl Case {
    fn file(mut self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name, content.into()));
        self
    }

    fn without_config(mut self) -> Self {
        self.files.retain(|(name, _)| *name != "config");
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn word(mut self, word: &'static str, value: impl Into<String>) -> Self {
        self.words.push((word, value.into()));
        self
    }

    fn shows(self, chain: &[&Made]) -> Self {
        Self { speech: keys::tls(chain), ..self }
    }

    fn plain(self) -> Self {
        Self { speech: Speech::Plain, ..self }
    }

    fn refused(self, words: &'static str) -> Self {
        Self { expected: Expected::Refused(words), ..self }
    }

    fn only_ours(self, decision: &'static str) -> Self {
        Self { expected: Expected::OnlyOurs(decision), ..self }
    }

    fn only_theirs(self, decision: &'static str, words: &'static str) -> Self {
        Self { expected: Expected::OnlyTheirs(decision, words), ..self }
    }
}
