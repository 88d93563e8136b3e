//! The real registry of the distribution project, and a token service as such registries trust it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::repository::{VERSIONS, archive, helm};
use crate::server::{PASSWORD, USER, reserve};

/// `reader` with the password that the tests use, as htpasswd hashes it.
const HTPASSWD: &str = "reader:$2a$04$fhj3wYMJ1Db6Gfd9ZRxTgOAC.QGr3ijHc.7wWObMCgbeLhWnoxLtO\n";

/// A registry that runs.
pub struct Registry {
    pub port: u16,
    process: Child,
    _directory: TempDir,
}

impl Registry {
    /// With all versions of the chart in `charts/widget`, open to all.
    pub fn open() -> Self {
        Self::start(filled(), tempfile::tempdir().unwrap(), "")
    }

    /// The same for one user, with basic authentication.
    pub fn private() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("htpasswd");
        std::fs::write(&file, HTPASSWD).unwrap();
        Self::start(filled(), directory, &format!("auth: {{htpasswd: {{realm: charts, path: {file:?}}}}}\n"))
    }

    /// The same for who has a token of `service`.
    pub fn with_tokens(service: &TokenService) -> Self {
        let (realm, bundle) = (&service.url, &service.certificate);
        Self::start(
            filled(),
            tempfile::tempdir().unwrap(),
            &format!(
                "auth: {{token: {{realm: {realm:?}, service: charts, issuer: tests, rootcertbundle: {bundle:?}}}}}\n"
            ),
        )
    }

    /// `directory` is where its configuration is.
    fn start(storage: &Path, directory: TempDir, more: &str) -> Self {
        let configuration = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: info, formatter: json, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {storage:?}}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n{more}"
        );
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new(crate::registry().unwrap());
        let command = command.arg("serve").arg(&configuration).env("OTEL_TRACES_EXPORTER", "none");
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let port = loop {
            let Some(line) = log.next() else { panic!("the registry does not listen:\n{}", said.join("\n")) };
            match port_of(&line) {
                Some(port) => break port,
                None => said.push(line),
            }
        };
        // A pipe that nobody reads would stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self { port, process, _directory: directory }
    }

    /// Ends it. While what this gives lives, nobody else answers at its address.
    pub fn stop(self) -> TcpSocket {
        let port = self.port;
        drop(self);
        reserve(port)
    }

    /// The URL of `path` in this registry.
    pub fn url(&self, path: &str) -> String {
        format!("oci://127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port in the log line that tells where the registry listens. It chooses a free one, so that nobody can take it first.
fn port_of(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["msg"].as_str()?.strip_prefix("listening on 127.0.0.1:")?.parse().ok()
}

/// What a registry stores after `helm push` of all versions. Shared: registries only read it.
fn filled() -> &'static Path {
    static STORAGE: OnceLock<TempDir> = OnceLock::new();
    let fill = || {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::start(directory.path(), tempfile::tempdir().unwrap(), "");
        for version in VERSIONS {
            let archive: PathBuf = archive(version);
            helm(&["push", archive.to_str().unwrap(), &registry.url("charts"), "--plain-http"]);
        }
        directory
    };
    STORAGE.get_or_init(fill).path()
}

/// Gives tokens: for the public repository to everybody, for others to who has the password.
pub struct TokenService {
    pub url: String,
    certificate: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
    _directory: TempDir,
}

impl TokenService {
    pub async fn start(public: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["tests".to_owned()]).unwrap().self_signed(&key).unwrap();
        let path = directory.path().join("issuer.pem");
        std::fs::write(&path, certificate.pem()).unwrap();
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate.der())]});
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/token", listener.local_addr().unwrap().port());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let line = head.lines().next().unwrap();
                log.lock().unwrap().push(line.to_owned());
                let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: "));
                let let_in = match authorization {
                    Some(authorization) => authorization == basic,
                    None => public,
                };
                let token = token(&header, &signer, line, let_in);
                let (status, body) = match (authorization, let_in) {
                    (Some(_), false) => ("401 Unauthorized", json!({"errors": [{"code": "UNAUTHORIZED"}]})),
                    _ => ("200 OK", json!({"token": token})),
                };
                let body = body.to_string();
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, certificate: path, asked, task, _directory: directory }
    }

    /// The request lines.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for TokenService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A signed token for the scope that the request line names; without any right for who is not let in.
fn token(header: &Value, signer: &EcdsaKeyPair, line: &str, let_in: bool) -> String {
    let query = line.split(' ').nth(1).unwrap();
    let url = reqwest::Url::parse("http://tokens").unwrap().join(query).unwrap();
    let scope = url.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    let parts: Vec<&str> = scope.split(':').collect();
    let granted = json!([{"type": parts[0], "name": parts[1], "actions": parts[2].split(',').collect::<Vec<_>>()}]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": "tests", "sub": "", "aud": "charts", "iat": now, "nbf": now - 10, "exp": now + 300,
        "jti": now.to_string(), "access": if let_in { granted } else { json!([]) },
    });
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", encode(header), encode(&claims));
    let signature = signer.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
