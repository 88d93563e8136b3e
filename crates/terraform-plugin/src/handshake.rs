//! go-plugin's handshake: what Terraform says in the environment, and the one line that it reads from standard output.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
const PROTOCOL: u8 = 6;

/// What Terraform asks of the connection. The default is what a developer gets who attaches by hand: no TLS, and the
/// socket in the system's temporary directory.
#[derive(Clone, Default)]
pub struct Settings {
    /// Terraform's certificate in PEM. With it, only its owner may connect, and gets our certificate in the handshake.
    pub client_certificate: Option<String>,
    /// Where to make the socket's directory.
    pub socket_directory: Option<PathBuf>,
    /// The protocol's major versions that Terraform speaks; empty when it did not say.
    pub protocol_versions: Vec<u8>,
    /// Whether Terraform wants to hear if several connections may share one socket.
    pub asks_for_multiplexing: bool,
}

impl Settings {
    /// Reads the environment. `None` when it was not Terraform (or OpenTofu) that started us.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        if variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
            return None;
        }
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let versions = given("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
        Some(Self {
            client_certificate: given("PLUGIN_CLIENT_CERT"),
            socket_directory: given("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            protocol_versions: versions.split(',').filter_map(|version| version.trim().parse().ok()).collect(),
            asks_for_multiplexing: given("PLUGIN_MULTIPLEX_GRPC").is_some(),
        })
    }

    /// Whether Terraform speaks our protocol. If not, it says so itself once it reads our version in the handshake.
    pub fn speaks_our_protocol(&self) -> bool {
        self.protocol_versions.is_empty() || self.protocol_versions.contains(&PROTOCOL)
    }

    /// The handshake line, without its line break. `certificate` is the server's, in DER.
    pub fn line(&self, network: &str, address: &str, certificate: Option<&[u8]>) -> String {
        let certificate = certificate.map(|der| STANDARD_NO_PAD.encode(der)).unwrap_or_default();
        let multiplexing = if self.asks_for_multiplexing { "|false" } else { "" };
        format!("1|{PROTOCOL}|{network}|{address}|grpc|{certificate}{multiplexing}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(environment: &[(&str, &str)]) -> Option<Settings> {
        Settings::from_environment(|name| {
            environment.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_terraforms_cookie_there_is_no_handshake() {
        assert!(settings(&[]).is_none());
        assert!(settings(&[(COOKIE.0, "another")]).is_none());
        assert!(settings(&[COOKIE]).is_some());
    }

    #[test]
    fn protocol_6_has_to_be_among_terraforms_versions() {
        let check = |versions, expected| {
            let settings = settings(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", versions)]).unwrap();
            assert_eq!(settings.speaks_our_protocol(), expected, "{versions}");
        };
        check("", true);
        check("5,6", true);
        check(" 6 ", true);
        check("5", false);
    }

    #[test]
    fn line_has_terraforms_fields_in_order() {
        let line = |environment: &[(&str, &str)], certificate| {
            settings(environment).unwrap().line("unix", "/tmp/a/b", certificate)
        };
        assert_eq!(line(&[COOKIE], None), "1|6|unix|/tmp/a/b|grpc|");
        assert_eq!(line(&[COOKIE], Some(b"der!")), "1|6|unix|/tmp/a/b|grpc|ZGVyIQ");
        assert_eq!(line(&[COOKIE, ("PLUGIN_MULTIPLEX_GRPC", "true")], None), "1|6|unix|/tmp/a/b|grpc||false");
    }
}
