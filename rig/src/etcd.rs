//! The one etcd of a rig. Its hosts and their virtual clusters share it under prefixes of their own, because one
//! process less per host starts faster and needs less memory, and no test can tell.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    process::Command,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    RigError,
    component::{Component, ComponentError},
    kubeconfig, ports, state,
};

/// Where an etcd is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Etcd {
    address: SocketAddrV4,
}

impl Etcd {
    /// Starts etcd on `address` and waits until it is healthy.
    pub async fn start(
        binary: &Path,
        directory: &Path,
        group: i32,
        address: Ipv4Addr,
    ) -> Result<(Self, Component), RigError> {
        state::private_directory(directory)?;
        let unsynced = knows_no_fsync(binary);
        let mut attempts = 0;
        loop {
            let peer = format!("http://{address}:{}", ports::free(address, 2380)?);
            let etcd = Self { address: SocketAddrV4::new(address, ports::free(address, 2379)?) };
            let client = etcd.url();
            let mut arguments = vec![
                format!("--data-dir={}", directory.join("data").display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--log-level=warn".to_owned(),
                // Hundreds of API servers may share it.
                "--quota-backend-bytes=8589934592".to_owned(),
            ];
            arguments.extend(unsynced.then(|| "--unsafe-no-fsync=true".to_owned()));
            let started = async {
                let mut component = Component::start(binary, directory, group, &arguments)?;
                component.wait_until(|| etcd.healthy()).await?;
                Ok(component)
            };
            match started.await {
                Ok(component) => return Ok((etcd, component)),
                Err(error) if ComponentError::lost_its_port(&error) && attempts < 3 => attempts += 1,
                Err(source) => return Err(RigError::Component { host: "rig".to_owned(), source }),
            }
        }
    }

    /// What `--etcd-servers` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Removes all keys below `prefix`, which starts and ends with a slash.
    pub async fn remove(&self, prefix: &str) -> io::Result<()> {
        // The range of a prefix ends at the prefix with its last byte, a slash, counted up to the next one.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        let body = json!({ "key": kubeconfig::base64(prefix), "range_end": kubeconfig::base64(&end) }).to_string();
        self.request("POST", "/v3/kv/deleterange", &body).await.map(drop)
    }

    async fn healthy(&self) -> bool {
        self.request("GET", "/health", "").await.is_ok_and(|answer| answer.contains("true"))
    }

    /// One request to etcd's JSON gateway.
    async fn request(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { Err(io::Error::other(answer)) }
    }
}

/// etcd 3.5 and later can leave out syncing to disk, which a rig's data is not worth.
fn knows_no_fsync(binary: &Path) -> bool {
    Command::new(binary).arg("--help").output().is_ok_and(|output| {
        [output.stdout, output.stderr].iter().any(|text| String::from_utf8_lossy(text).contains("unsafe-no-fsync"))
    })
}
