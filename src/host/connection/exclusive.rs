//! Which settings of a connection exclude or need each other. Works on values that may not be known yet: what is unknown
//! is never blamed.

use super::problem::ConnectError::{self, ChoiceWithoutKubeconfig, Exclusive, Incomplete};
use super::problem::Setting::{self, *};

/// What is known of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Not set. `insecure = false` and empty texts count as not set.
    No,
    /// Set.
    Yes,
    /// Not known yet.
    Unknown,
}

/// The ways to say who one is, each by the setting that stands for it. The first one given wins the blame.
const CREDENTIALS: [Setting; 4] = [Token, Username, ClientCertificate, Exec];

/// All conflicts among the settings of one connection, each to be shown on its first setting.
pub fn conflicts(given: impl Fn(Setting) -> Given) -> Vec<ConnectError> {
    let set = |setting| given(setting) == Given::Yes;
    let unset = |setting| given(setting) == Given::No;
    let mut conflicts = Vec::new();
    if set(ConfigPath) && set(ConfigPaths) {
        conflicts.push(Exclusive(ConfigPath, ConfigPaths));
    }
    if set(Insecure) && set(ClusterCaCertificate) {
        conflicts.push(Exclusive(Insecure, ClusterCaCertificate));
    }
    let ways: Vec<_> = CREDENTIALS.into_iter().filter(|way| set(*way)).collect();
    conflicts.extend(ways.windows(2).map(|pair| Exclusive(pair[0], pair[1])));
    for (one, other) in [(Username, Password), (ClientCertificate, ClientKey)] {
        for (one, other) in [(one, other), (other, one)] {
            if set(one) && unset(other) {
                conflicts.push(Incomplete(one, other));
            }
        }
    }
    if set(Host) && unset(ConfigPath) && unset(ConfigPaths) {
        let choices = [ConfigContext, ConfigContextCluster, ConfigContextAuthInfo];
        conflicts.extend(choices.into_iter().filter(|choice| set(*choice)).map(ChoiceWithoutKubeconfig));
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &[Setting], unknown: &[Setting], expected: &[ConnectError]) {
        let given = |setting| match setting {
            setting if unknown.contains(&setting) => Given::Unknown,
            setting if set.contains(&setting) => Given::Yes,
            _ => Given::No,
        };
        assert_eq!(conflicts(given), expected, "{set:?} {unknown:?}");
    }

    #[test]
    fn exclusive_settings_are_refused() {
        check(&[ConfigPath, ConfigPaths], &[], &[Exclusive(ConfigPath, ConfigPaths)]);
        check(&[Insecure, ClusterCaCertificate], &[], &[Exclusive(Insecure, ClusterCaCertificate)]);
        check(&[Token, Username, Password], &[], &[Exclusive(Token, Username)]);
        check(&[Token, ClientCertificate, ClientKey], &[], &[Exclusive(Token, ClientCertificate)]);
        check(&[Exec, Token], &[], &[Exclusive(Token, Exec)]);
    }

    #[test]
    fn half_a_pair_is_refused() {
        check(&[Username], &[], &[Incomplete(Username, Password)]);
        check(&[ClientKey], &[], &[Incomplete(ClientKey, ClientCertificate)]);
    }

    #[test]
    fn context_without_kubeconfig_is_refused() {
        check(&[Host, ConfigContext], &[], &[ChoiceWithoutKubeconfig(ConfigContext)]);
        check(&[Host, ConfigPath, ConfigContext], &[], &[]);
        check(&[ConfigContext], &[], &[]);
    }

    #[test]
    fn unknown_settings_are_never_blamed() {
        check(&[Username], &[Password], &[]);
        check(&[Token], &[ClientCertificate, ClientKey], &[]);
        check(&[Host, ConfigContext], &[ConfigPath], &[]);
    }
}
