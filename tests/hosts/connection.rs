//! Connections to a real API server: each way to reach one and to say who one is, and what users read when it fails.

mod forward;
mod throttling;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret as KubeSecret, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, ResourceExt};
use rig::Rig;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use serde_json::json;
use terraform_provider_nested::host::connection::{Connection, Endpoint, Environment, Exec, Secret};
use terraform_provider_nested::host::error::{Tls, Unreachable};
use terraform_provider_nested::host::{Error, Host, Reason};
use tokio_util::sync::CancellationToken;

/// The host cluster of this file's tests: its address, its certificate authority, and its administrator.
struct Server {
    kubeconfig: String,
    address: String,
    ca: String,
    certificate: String,
    key: String,
}

impl Server {
    fn shared() -> &'static Self {
        static RIG: OnceLock<Rig> = OnceLock::new();
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            let rig = RIG.get_or_init(|| Rig::builder().hosts(1).nodes(1).start().unwrap());
            Self::of(rig.host(1).kubeconfig())
        })
    }

    fn of(path: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(path).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
        let user = kubeconfig.auth_infos[0].auth_info.clone().unwrap();
        let text = |data: &str| String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap();
        Self {
            kubeconfig: path.display().to_string(),
            address: cluster.server.unwrap(),
            ca: text(&cluster.certificate_authority_data.unwrap()),
            certificate: text(&user.client_certificate_data.unwrap()),
            key: text(user.client_key_data.unwrap().expose_secret()),
        }
    }

    /// Its address and authority, and nobody's credential.
    fn anonymous(&self) -> Connection {
        let ca = Some(self.ca.clone());
        Connection { host: Some(self.address.clone()), cluster_ca_certificate: ca, ..Connection::default() }
    }

    fn administrator(&self) -> Connection {
        Connection {
            client_certificate: Some(self.certificate.clone()),
            client_key: Some(Secret::from(self.key.clone())),
            ..self.anonymous()
        }
    }

    /// A token of the service account `default` of a new namespace, which may do nothing.
    async fn powerless_token(&self, namespace: &str) -> String {
        let client = connect(&self.administrator()).client();
        let new = Namespace {
            metadata: kube::api::ObjectMeta { name: Some(namespace.to_owned()), ..Default::default() },
            ..Default::default()
        };
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &new).await.unwrap();
        let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
        let account =
            Patch::Apply(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } }));
        accounts.patch("default", &PatchParams::apply("tests"), &account).await.unwrap();
        let request = TokenRequest { spec: TokenRequestSpec::default(), ..Default::default() };
        let answer = accounts.create_token_request("default", &PostParams::default(), &request).await.unwrap();
        answer.status.unwrap().token
    }
}

/// A host of the environment that holds nothing, so that this machine's own variables play no part.
fn connect(connection: &Connection) -> Host {
    let endpoint = Endpoint::resolve(connection, &Environment::default()).unwrap_or_else(|e| panic!("{e:?}"));
    Host::new("eu-1", endpoint, CancellationToken::new)
}

async fn identity_error(connection: &Connection) -> Error {
    connect(connection).identity().await.unwrap_err()
}

#[tokio::test]
async fn every_way_to_configure_a_host_reaches_the_same_one() {
    let server = Server::shared();
    let of_kubeconfig = Connection { config_paths: vec![server.kubeconfig.clone()], ..Connection::default() };
    let insecure = Connection { cluster_ca_certificate: None, insecure: Some(true), ..server.administrator() };
    let overridden = Connection { insecure: Some(true), ..of_kubeconfig.clone() };
    let bare_address = server.address.trim_start_matches("https://").to_owned();
    let bare = Connection { host: Some(bare_address), ..server.administrator() };
    let expected = connect(&of_kubeconfig).identity().await.unwrap().clone();
    assert!(expected.version.starts_with("v1."), "{expected:?}");
    for connection in [server.administrator(), insecure, overridden, bare] {
        assert_eq!(*connect(&connection).identity().await.unwrap(), expected, "{connection:?}");
    }
}

/// Helm asks for every group version on its own, and counts a subresource's kind under its resource's group version.
#[tokio::test]
async fn api_versions_are_those_that_helm_collects() {
    let host = connect(&Server::shared().administrator());
    let client = host.client();
    let mut expected = BTreeSet::new();
    let core = client.list_core_api_resources("v1").await.unwrap();
    let mut lists = vec![core];
    for version in client.list_api_groups().await.unwrap().groups.iter().flat_map(|group| &group.versions) {
        lists.push(client.list_api_group_resources(&version.group_version).await.unwrap());
    }
    for list in lists {
        expected.extend(list.resources.iter().map(|resource| format!("{}/{}", list.group_version, resource.kind)));
        expected.insert(list.group_version);
    }
    assert_eq!(*host.api_versions().await.unwrap(), expected);
    assert!(expected.contains("apps/v1/StatefulSet"));
}

#[tokio::test]
async fn untrusted_certificate_is_told_from_a_wrong_name() {
    let server = Server::shared();
    let other_ca = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap().cert.pem();
    let unknown = Connection { cluster_ca_certificate: Some(other_ca), ..server.administrator() };
    let address = server.address.clone();
    let problem = Tls::UnknownAuthority;
    assert_eq!(*identity_error(&unknown).await.reason(), Reason::Tls { address, problem });

    let renamed = Connection { tls_server_name: Some("elsewhere.example.com".to_owned()), ..server.administrator() };
    let error = identity_error(&renamed).await;
    let Reason::Tls { problem: Tls::NameMismatch(names), .. } = error.reason() else { panic!("{error}") };
    assert!(names.starts_with("asked for elsewhere.example.com, it has ") && names.contains("kubernetes"), "{names}");
}

#[tokio::test]
async fn expired_certificate_says_so() {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = rcgen::CertifiedIssuer::self_signed(params.clone(), key).unwrap();
    params.is_ca = rcgen::IsCa::NoCa;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let address = forward::tls_listener(certificate.der().clone(), private).await;

    let connection = Connection {
        host: Some(format!("localhost:{}", address.port())),
        cluster_ca_certificate: Some(ca.pem()),
        ..Connection::default()
    };
    let error = identity_error(&connection).await;
    assert!(matches!(error.reason(), Reason::Tls { problem: Tls::NotValidNow(_), .. }), "{error}");
}

#[tokio::test]
async fn host_that_does_not_answer_is_an_error_that_says_why() {
    // Nobody listens on port 1.
    let refused = Connection { host: Some("127.0.0.1:1".to_owned()), ..Connection::default() };
    let error = identity_error(&refused).await;
    assert_eq!(
        error.to_string(),
        "cannot read namespace kube-system on host cluster \"eu-1\": https://127.0.0.1:1 does not answer: connection refused"
    );

    let closing = Connection { host: Some(forward::closing_listener().await.to_string()), ..Connection::default() };
    let error = identity_error(&closing).await;
    assert!(matches!(error.reason(), Reason::Unreachable { problem: Unreachable::Broken(_), .. }), "{error}");

    let unnamed = Connection { host: Some("no-such-host.invalid".to_owned()), ..Connection::default() };
    let error = identity_error(&unnamed).await;
    assert!(matches!(error.reason(), Reason::Unreachable { problem: Unreachable::Dns(_), .. }), "{error}");
}

#[tokio::test]
async fn plain_http_and_tls_are_told_apart() {
    let server = Server::shared();
    let plain = Connection { host: Some(server.address.replace("https://", "http://")), ..Connection::default() };
    let error = identity_error(&plain).await;
    assert!(error.to_string().ends_with("the API server wants TLS: write the host with https://"), "{error}");

    let echo = forward::plain_listener().await;
    let tls = Connection { host: Some(echo.to_string()), ..Connection::default() };
    let error = identity_error(&tls).await;
    assert!(matches!(error.reason(), Reason::Tls { problem: Tls::NotTls, .. }), "{error}");
}

#[tokio::test]
async fn refused_credential_is_unauthorized() {
    let token = Some(Secret::from("nonsense".to_owned()));
    let error = identity_error(&Connection { token, ..Server::shared().anonymous() }).await;
    assert_eq!(*error.reason(), Reason::Unauthorized);
}

#[tokio::test]
async fn credential_that_the_api_server_does_not_understand_counts_as_none() {
    let basic = Connection {
        username: Some("me".to_owned()),
        password: Some(Secret::from("hush-hush".to_owned())),
        ..Server::shared().anonymous()
    };
    let error = identity_error(&basic).await;
    let Reason::Forbidden(permission) = error.reason() else { panic!("{error}") };
    assert!(permission.is_anonymous());
    assert!(
        error.next_step().starts_with("The API server saw no credential that it understands"),
        "{}",
        error.next_step()
    );
}

#[tokio::test]
async fn missing_permission_names_verb_resource_and_namespace() {
    let server = Server::shared();
    let token = Some(Secret::from(server.powerless_token("forbidden").await));
    let host = connect(&Connection { token, ..server.anonymous() });
    let secrets: Api<KubeSecret> = Api::namespaced(host.client(), "forbidden");
    let error = secrets.list(&ListParams::default()).await.map_err(host.failed("list", "Secrets")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot list Secrets on host cluster \"eu-1\": user \"system:serviceaccount:forbidden:default\" may not list secrets \
         in namespace \"forbidden\" (403 Forbidden)"
    );
}

#[tokio::test]
async fn answers_of_the_api_server_keep_their_kind() {
    let host = connect(&Server::shared().administrator());
    let maps: Api<ConfigMap> = Api::namespaced(host.client(), "default");
    let map = |name: &str| ConfigMap {
        metadata: kube::api::ObjectMeta { name: Some(name.to_owned()), ..Default::default() },
        ..Default::default()
    };
    let error =
        |result: kube::Result<ConfigMap>| result.map_err(host.failed("write", "ConfigMap default/kinds")).unwrap_err();

    assert!(error(maps.get("no-such-map").await).is_not_found());
    let created = maps.create(&PostParams::default(), &map("kinds")).await.unwrap();
    assert!(error(maps.create(&PostParams::default(), &map("kinds")).await).is_already_exists());
    let stale = maps.replace("kinds", &PostParams::default(), &created).await.unwrap();
    let mut changed = map("kinds");
    changed.metadata.resource_version = stale.resource_version();
    changed.data = Some([("a".to_owned(), "b".to_owned())].into());
    maps.replace("kinds", &PostParams::default(), &changed).await.unwrap();
    assert!(error(maps.replace("kinds", &PostParams::default(), &changed).await).is_conflict());
    let invalid = error(maps.create(&PostParams::default(), &map("Not A Name")).await);
    assert!(matches!(invalid.reason(), Reason::Invalid { .. }), "{invalid}");
}

/// A credential plugin that counts its runs in `dir` and then does what `script` says.
fn plugin(dir: &Path, script: &str) -> Option<Exec> {
    let script = format!("echo run >> {}/runs; {script}", dir.display());
    let api_version = "client.authentication.k8s.io/v1".to_owned();
    Some(Exec { api_version, command: "sh".to_owned(), args: vec!["-c".to_owned(), script], ..Exec::default() })
}

fn runs(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("runs")).unwrap_or_default().lines().count()
}

fn printing(token: &str) -> String {
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token },
    });
    format!("echo '{credential}'")
}

#[tokio::test]
async fn plugin_runs_once_for_many_requests_and_not_before() {
    let server = Server::shared();
    let dir = tempfile::tempdir().unwrap();
    let token = server.powerless_token("plugin").await;
    let host = connect(&Connection { exec: plugin(dir.path(), &printing(&token)), ..server.anonymous() });
    assert_eq!(runs(dir.path()), 0);
    let pods: Api<Pod> = Api::namespaced(host.client(), "plugin");
    let params = ListParams::default();
    for answer in futures::future::join_all((0..20).map(|_| pods.list(&params))).await {
        let error = host.error("list", "Pods", &answer.unwrap_err());
        assert!(matches!(error.reason(), Reason::Forbidden(_)), "{error}");
    }
    assert_eq!(runs(dir.path()), 1);
}

#[tokio::test]
async fn refused_credential_of_a_plugin_is_renewed() {
    let server = Server::shared();
    let dir = tempfile::tempdir().unwrap();
    let token = server.powerless_token("renewed").await;
    let script = format!(
        "if [ $(wc -l < {}/runs) = 1 ]; then {}; else {}; fi",
        dir.path().display(),
        printing("expired"),
        printing(&token)
    );
    let host = connect(&Connection { exec: plugin(dir.path(), &script), ..server.anonymous() });
    let error = host.identity().await.unwrap_err();
    assert!(matches!(error.reason(), Reason::Forbidden(_)), "{error}");
    assert_eq!(runs(dir.path()), 2);
}

#[tokio::test]
async fn client_certificate_of_a_plugin_is_used() {
    let server = Server::shared();
    let dir = tempfile::tempdir().unwrap();
    let status = json!({ "clientCertificateData": server.certificate, "clientKeyData": server.key });
    let credential =
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status });
    let file = dir.path().join("credential");
    std::fs::write(&file, credential.to_string()).unwrap();
    let exec = plugin(dir.path(), &format!("cat {}", file.display()));
    connect(&Connection { exec, ..server.anonymous() }).identity().await.unwrap();
}

#[tokio::test]
async fn failing_plugin_is_quoted_and_not_run_for_every_request() {
    let dir = tempfile::tempdir().unwrap();
    let exec = plugin(dir.path(), "echo 'please log in' >&2; exit 1");
    let host = connect(&Connection { exec, ..Server::shared().anonymous() });
    for _ in 0..3 {
        let error = host.identity().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read namespace kube-system on host cluster \"eu-1\": the credential plugin \"sh\" failed: it ended \
             with exit status 1: please log in"
        );
    }
    assert_eq!(runs(dir.path()), 1);
}

#[tokio::test]
async fn proxies_are_used_and_blamed() {
    let server = Server::shared();
    for proxy in [forward::Proxy::Http, forward::Proxy::Socks5] {
        let (address, passed) = forward::proxy(proxy).await;
        let proxy_url = Some(Secret::from(format!("{}://{address}", proxy.scheme())));
        connect(&Connection { proxy_url, ..server.administrator() }).identity().await.unwrap();
        assert!(passed.load(std::sync::atomic::Ordering::Relaxed) > 0, "{proxy:?}");
    }
    let (address, _) = forward::proxy(forward::Proxy::Refusing).await;
    let proxy_url = Some(Secret::from(format!("http://{address}")));
    let error = identity_error(&Connection { proxy_url, ..server.administrator() }).await;
    let Reason::Unreachable { problem: Unreachable::Proxy(problem), .. } = error.reason() else { panic!("{error}") };
    assert_eq!(problem, "it asks for a user name and a password that it knows");
}
