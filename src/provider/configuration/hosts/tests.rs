//! Tests of the file one level up.

use std::path::Path;

use super::*;
use terraform_plugin::Diagnostic;

fn text(value: &str) -> Value<String> {
    Value::Value(value.to_owned())
}

fn block<const N: usize>(entries: [(&str, HostClusterModel); N]) -> ProviderModel {
    let entries = entries.map(|(name, entry)| (name.to_owned(), Value::Value(entry)));
    ProviderModel { host_clusters: Value::Value(entries.into()), ..ProviderModel::default() }
}

/// An environment of nothing but these variables, with `home` as home directory.
fn environment(home: &Path, variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        home: Some(home.to_owned()),
        service_account: home.join("serviceaccount"),
    }
}

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: eu-1
contexts:
- {name: eu-1, context: {cluster: eu-1, user: eu-1}}
- {name: us-1, context: {cluster: us-1, user: us-1}}
clusters:
- {name: eu-1, cluster: {server: 'https://eu-1.example.com:6443'}}
- {name: us-1, cluster: {server: 'https://us-1.example.com:6443'}}
users:
- {name: eu-1, user: {token: eu-1-token}}
- {name: us-1, user: {token: us-1-token}}
";

/// Writes [`KUBECONFIG`] to a file in `home`.
fn kubeconfig(home: &Path) -> String {
    let path = home.join("kubeconfig");
    std::fs::write(&path, KUBECONFIG).unwrap();
    path.display().to_string()
}

fn resolve(model: &ProviderModel, environment: &Environment) -> Result<HostClusters, Vec<String>> {
    let mut diags = Diagnostics::default();
    let hosts = super::super::resolve(model, environment, &mut diags);
    let shown = |diag: &Diagnostic| format!("{}: {}", diag.attribute, diag.summary);
    hosts.ok_or_else(|| diags.errors.iter().map(shown).collect())
}

/// The diagnostics of one host cluster `eu-1`, as `path: summary`.
fn check_errors(entry: HostClusterModel, expected: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let errors = resolve(&block([("eu-1", entry)]), &environment(home.path(), &[])).err().unwrap_or_default();
    assert_eq!(errors, expected);
}

/// The address that one host cluster `eu-1` comes out with.
fn check_address(entry: HostClusterModel, environment: &Environment, expected: &str) {
    let hosts = resolve(&block([("eu-1", entry)]), environment).unwrap();
    let Ok(HostCluster::Known(host)) = hosts.get("eu-1") else { panic!("{hosts:?}") };
    assert_eq!(host.address(), expected);
}

#[test]
fn exclusive_settings_are_refused_on_their_attribute() {
    check_errors(
        HostClusterModel { config_path: text("a"), config_paths: Value::Value(vec![text("b")]), ..Default::default() },
        &[r#"host_clusters["eu-1"].config_path: Host cluster "eu-1": config_path and config_paths exclude each other"#],
    );
    check_errors(
        HostClusterModel { host: text("eu"), token: text("t"), username: text("u"), ..Default::default() },
        &[
            r#"host_clusters["eu-1"].token: Host cluster "eu-1": token and username exclude each other"#,
            r#"host_clusters["eu-1"].username: Host cluster "eu-1": username needs password"#,
        ],
    );
}

#[test]
fn every_wrong_value_is_shown_at_once() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    check_errors(
        HostClusterModel {
            host: text("tcp://eu"),
            cluster_ca_certificate: text("LS0tLS1CRUdJTg=="),
            client_certificate: text(&key),
            client_key: text(&key),
            proxy_url: text("ftp://proxy"),
            tls_server_name: text("not a name"),
            ..Default::default()
        },
        &[
            r#"host_clusters["eu-1"].host: Host cluster "eu-1": host is not valid: "tcp://eu": its scheme is not http or https"#,
            r#"host_clusters["eu-1"].cluster_ca_certificate: Host cluster "eu-1": cluster_ca_certificate is not valid: expected PEM text with "-----BEGIN CERTIFICATE-----", but it is base64-encoded: use base64decode()"#,
            r#"host_clusters["eu-1"].proxy_url: Host cluster "eu-1": proxy_url is not valid: expected http://, https:// or socks5:// and a host name"#,
            r#"host_clusters["eu-1"].tls_server_name: Host cluster "eu-1": tls_server_name is not valid: expected a DNS name or an IP address"#,
            r#"host_clusters["eu-1"].client_certificate: Host cluster "eu-1": client_certificate is not valid: expected PEM text with "-----BEGIN CERTIFICATE-----", but it holds a private key"#,
        ],
    );
}

#[test]
fn credential_plugin_is_checked() {
    let exec = |api_version, command| HostClusterModel {
        host: text("eu"),
        exec: Value::Value(super::super::ExecModel {
            api_version: text(api_version),
            command: text(command),
            ..Default::default()
        }),
        ..Default::default()
    };
    check_errors(
        exec("client.authentication.k8s.io/v1alpha1", "aws"),
        &[
            r#"host_clusters["eu-1"].exec: Host cluster "eu-1": exec is not valid: api_version "client.authentication.k8s.io/v1alpha1" is none of client.authentication.k8s.io/v1, client.authentication.k8s.io/v1beta1"#,
        ],
    );
    check_errors(
        exec("client.authentication.k8s.io/v1", " "),
        &[r#"host_clusters["eu-1"].exec: Host cluster "eu-1": exec is not valid: command is empty"#],
    );
}

#[test]
fn unreadable_kubeconfig_names_file_and_reason() {
    check_errors(
        HostClusterModel { config_path: text("/no/such/file"), ..Default::default() },
        &[
            r#"host_clusters["eu-1"].config_path: Host cluster "eu-1": cannot read /no/such/file: there is no such file"#,
        ],
    );
}

#[test]
fn unknown_context_names_those_that_there_are() {
    let home = tempfile::tempdir().unwrap();
    let path = kubeconfig(home.path());
    check_errors(
        HostClusterModel { config_path: text(&path), config_context: text("eu-2"), ..Default::default() },
        &[&format!(
            r#"host_clusters["eu-1"].config_context: Host cluster "eu-1": kubeconfig {path} has no context "eu-2"; it has eu-1, us-1"#
        )],
    );
    check_errors(
        HostClusterModel {
            config_paths: Value::Value(vec![text(&path)]),
            config_context_auth_info: text("eu-2"),
            ..Default::default()
        },
        &[&format!(
            r#"host_clusters["eu-1"].config_context_auth_info: Host cluster "eu-1": kubeconfig {path} has no user "eu-2"; it has eu-1, us-1"#
        )],
    );
}

#[test]
fn malformed_kubeconfig_is_located_and_not_quoted() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("kubeconfig");
    std::fs::write(&path, "users:\n- name: a\n  user: {token: [hush-hush]}\n").unwrap();
    let entry = HostClusterModel { config_path: text(&path.display().to_string()), ..Default::default() };
    let errors = resolve(&block([("eu-1", entry)]), &environment(home.path(), &[])).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("users[0].user.token has to be a text, and is a list"), "{errors:?}");
    assert!(!errors[0].contains("hush-hush"), "{errors:?}");
}

#[test]
fn choice_without_any_kubeconfig_says_where_it_was_looked_for() {
    let home = tempfile::tempdir().unwrap();
    let entry = HostClusterModel { config_context: text("eu-1"), ..Default::default() };
    let errors = resolve(&block([("eu-1", entry)]), &environment(home.path(), &[])).unwrap_err();
    let place = home.path().join(".kube/config").display().to_string();
    assert_eq!(
        errors,
        [format!(
            r#"host_clusters["eu-1"].config_context: Host cluster "eu-1": there is no kubeconfig to choose config_context from; looked for KUBECONFIG (not set), {place}"#
        )]
    );
}

#[test]
fn names_are_dns_labels_and_the_map_is_not_empty() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), &[]);
    let check =
        |model: &ProviderModel, expected: &str| assert_eq!(resolve(model, &environment).unwrap_err(), [expected]);
    let entry = HostClusterModel { host: text("eu"), ..Default::default() };
    check(&block([("EU 1", entry)]), r#"host_clusters["EU 1"]: "EU 1" cannot be the name of a host cluster"#);
    check(&block([]), "host_clusters: host_clusters is empty");
    let null = ProviderModel {
        host_clusters: Value::Value([("eu-1".to_owned(), Value::Null)].into()),
        ..ProviderModel::default()
    };
    check(&null, r#"host_clusters["eu-1"]: Host cluster "eu-1" is null"#);
}

#[test]
fn what_is_unknown_fails_nothing() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), &[]);
    let check = |host_clusters| {
        let hosts = resolve(&ProviderModel { host_clusters, ..ProviderModel::default() }, &environment).unwrap();
        assert!(matches!(hosts.get("eu-1"), Ok(HostCluster::Unknown)), "{hosts:?}");
    };
    let entry = |entry| Value::Value([("eu-1".to_owned(), Value::Value(entry))].into());
    check(Value::Unknown);
    check(Value::Value([("eu-1".to_owned(), Value::Unknown)].into()));
    check(entry(HostClusterModel { host: text("eu"), token: Value::Unknown, ..Default::default() }));
    check(entry(HostClusterModel { host: Value::Unknown, config_context: text("a"), ..Default::default() }));
    check(entry(HostClusterModel { config_paths: Value::Value(vec![Value::Unknown]), ..Default::default() }));
    check(entry(HostClusterModel { username: text("a"), password: Value::Unknown, ..Default::default() }));
    let exec = super::super::ExecModel { args: Value::Value(vec![Value::Unknown]), ..Default::default() };
    check(entry(HostClusterModel { host: text("eu"), exec: Value::Value(exec), ..Default::default() }));
}

#[test]
fn known_values_beside_unknown_ones_are_still_checked() {
    check_errors(
        HostClusterModel { host: text("tcp://eu"), token: Value::Unknown, ..Default::default() },
        &[
            r#"host_clusters["eu-1"].host: Host cluster "eu-1": host is not valid: "tcp://eu": its scheme is not http or https"#,
        ],
    );
}

#[test]
fn explicit_values_override_the_kubeconfig() {
    let home = tempfile::tempdir().unwrap();
    let config_path = text(&kubeconfig(home.path()));
    let environment = environment(home.path(), &[]);
    let base = || HostClusterModel { config_path: config_path.clone(), ..Default::default() };
    check_address(base(), &environment, "https://eu-1.example.com:6443");
    check_address(
        HostClusterModel { config_context: text("us-1"), ..base() },
        &environment,
        "https://us-1.example.com:6443",
    );
    check_address(
        HostClusterModel { config_context_cluster: text("us-1"), ..base() },
        &environment,
        "https://us-1.example.com:6443",
    );
    check_address(HostClusterModel { host: text("10.0.0.1:6443"), ..base() }, &environment, "https://10.0.0.1:6443");
}

#[test]
fn several_kubeconfigs_are_merged_and_home_is_expanded() {
    let home = tempfile::tempdir().unwrap();
    kubeconfig(home.path());
    std::fs::write(home.path().join("first"), "current-context: us-1\n").unwrap();
    check_address(
        HostClusterModel {
            config_paths: Value::Value(vec![text("~/first"), text("~/kubeconfig")]),
            ..Default::default()
        },
        &environment(home.path(), &[]),
        "https://us-1.example.com:6443",
    );
}

#[test]
fn configured_host_ignores_the_environment_but_for_kubectls_own() {
    let home = tempfile::tempdir().unwrap();
    let path = kubeconfig(home.path());
    let environment = environment(home.path(), &[("KUBECONFIG", &path), ("KUBE_HOST", "other"), ("KUBE_CTX", "us-1")]);
    check_address(HostClusterModel::default(), &environment, "https://eu-1.example.com:6443");
}

#[test]
fn name_that_is_not_configured_is_answered_with_those_that_are() {
    let home = tempfile::tempdir().unwrap();
    let entry = || HostClusterModel { host: text("eu"), ..Default::default() };
    let hosts = resolve(&block([("eu-1", entry()), ("us-1", entry())]), &environment(home.path(), &[])).unwrap();
    let error = hosts.get("eu-2").unwrap_err().to_string();
    assert_eq!(error, r#"host cluster "eu-2" is not configured in the provider block; configured: eu-1, us-1"#);
}

mod default_host {
    use super::*;

    fn check(home: &Path, variables: &[(&str, &str)], expected: Result<&str, &str>) {
        match (resolve(&ProviderModel::default(), &environment(home, variables)), expected) {
            (Ok(hosts), Ok(expected)) => {
                let Ok(HostCluster::Known(host)) = hosts.get(DEFAULT_HOST) else { panic!("{hosts:?}") };
                assert_eq!(host.address(), expected, "{variables:?}");
            }
            (Err(errors), Err(expected)) => assert_eq!(errors, [expected], "{variables:?}"),
            (is, _) => panic!("{variables:?}: {is:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn environment_comes_before_the_kubeconfig_of_kubectl() {
        let home = tempfile::tempdir().unwrap();
        let path = kubeconfig(home.path());
        let (eu, us) = ("https://eu-1.example.com:6443", "https://us-1.example.com:6443");
        check(home.path(), &[("KUBE_HOST", "10.0.0.1"), ("KUBECONFIG", &path)], Ok("https://10.0.0.1"));
        check(home.path(), &[("KUBE_CONFIG_PATH", &path), ("KUBE_CTX", "us-1")], Ok(us));
        check(home.path(), &[("KUBE_CONFIG_PATHS", &format!(":{path}:"))], Ok(eu));
        check(home.path(), &[("KUBECONFIG", &format!("/no/such/file:{path}"))], Ok(eu));
        check(home.path(), &[("KUBECONFIG", &path), ("KUBE_CTX_CLUSTER", "us-1")], Ok(us));
        std::fs::create_dir(home.path().join(".kube")).unwrap();
        std::fs::rename(&path, home.path().join(".kube/config")).unwrap();
        check(home.path(), &[], Ok(eu));
    }

    #[test]
    fn pod_is_the_last_resort() {
        let home = tempfile::tempdir().unwrap();
        let account = home.path().join("serviceaccount");
        let ca = rcgen::generate_simple_self_signed(vec!["kubernetes".to_owned()]).unwrap().cert.pem();
        std::fs::create_dir(&account).unwrap();
        std::fs::write(account.join("token"), "token\n").unwrap();
        std::fs::write(account.join("ca.crt"), ca).unwrap();
        let pod = [("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")];
        check(home.path(), &pod, Ok("https://[fd00::1]:443"));
    }

    #[test]
    fn without_anything_the_places_are_named() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join(".kube/config").display().to_string();
        let expected = format!(
            r#"host_clusters: Host cluster "default": no host cluster is configured; looked for KUBECONFIG (not set), {place}, a pod's service account"#
        );
        check(home.path(), &[], Err(&expected));
    }

    #[test]
    fn problem_of_a_variable_names_the_variable() {
        let home = tempfile::tempdir().unwrap();
        let mut diags = Diagnostics::default();
        let environment = environment(home.path(), &[("KUBE_HOST", "eu"), ("KUBE_INSECURE", "maybe")]);
        super::super::resolve(&ProviderModel::default(), &environment, &mut diags);
        assert_eq!(diags.errors.len(), 1);
        assert_eq!(
            diags.errors[0].summary,
            r#"Host cluster "default": insecure is not valid: "maybe" is neither true nor false"#
        );
        assert!(diags.errors[0].detail.ends_with("insecure is set by KUBE_INSECURE of the environment."), "{diags:?}");
    }
}
