//! How many requests a plan sends to a host cluster for many virtual clusters of one cluster group.
//!
//! `cargo bench --profile dev --bench planning` (Linux). The real `terraform` plans 1, 100 and 1,000 new virtual clusters of a group over two
//! of the rig's host clusters. Before each of them stands a server that passes requests on and counts them. Only the counts
//! are of interest: they must not grow with the number of virtual clusters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[allow(dead_code, reason = "tests/resource uses the rest")]
#[path = "../tests/resource/support"]
mod support {
    pub mod cluster;
    pub mod running;
    pub mod workspace;

    pub fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
        look().unwrap_or_else(|| panic!("{what}"))
    }
}

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use rig::Rig;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use support::cluster::Cluster;
use support::workspace::Workspace;

/// Requests by what they ask for.
type Counted = Arc<Mutex<BTreeMap<String, usize>>>;

fn main() {
    let runtime = Runtime::new().unwrap();
    // Room for all of them.
    let rig = Rig::builder().names(["eu-1", "us-1"]).node_size("8000", "8Ti").without_nested().start().unwrap();
    let fronts: Vec<(SocketAddr, Counted)> =
        rig.hosts().iter().map(|host| runtime.block_on(async { front(host.client().unwrap()).await })).collect();
    let workspace = Workspace::on(&Cluster::of(rig.host(1)));
    let entry = |(name, (address, _)): (&str, &(SocketAddr, Counted))| {
        format!("\"{name}\" = {{ host = \"http://{address}\" }}\n")
    };
    workspace.provider(&["eu-1", "us-1"].into_iter().zip(&fronts).map(entry).collect::<String>());
    let group = format!(
        "resource \"nested_cluster_group\" \"dev\" {{\n  name = \"dev\"\n  vcluster_version = \"0.34.7\"\n  chart = {{ source = {:?} \
         }}\n  host_clusters = {{ \"eu-1\" = {{}}, \"us-1\" = {{}} }}\n}}\n",
        rig::tools::chart()
    );
    workspace.write(&group);
    workspace.apply().assert_success();

    println!(
        "Requests of one `terraform plan` of new virtual clusters of one group, the group's own refresh included\n"
    );
    println!("{:>16}{:>10}{:>10}{:>12}", "virtual clusters", "eu-1", "us-1", "plan");
    for count in [1, 100, 1000] {
        let members = format!(
            "resource \"nested_virtual_cluster\" \"team\" {{\n  count = {count}\n  name = \"team-${{count.index}}\"\n  \
             cluster_group = nested_cluster_group.dev.name\n}}\n"
        );
        workspace.write(&(group.clone() + &members));
        for (_, counted) in &fronts {
            counted.lock().unwrap().clear();
        }
        let start = Instant::now();
        workspace.start(&["plan"]).wait().assert_success();
        let took = start.elapsed();
        let total = |(_, counted): &(SocketAddr, Counted)| counted.lock().unwrap().values().sum::<usize>();
        println!("{count:>16}{:>10}{:>10}{:>10.1} s", total(&fronts[0]), total(&fronts[1]), took.as_secs_f64());
    }
    println!("\nThose to eu-1, the home, at the last:");
    for (request, count) in &*fronts[0].1.lock().unwrap() {
        println!("{count:>6}  {request}");
    }
    workspace.write("");
    workspace.apply().assert_success();
}

/// Starts a server that passes everything on to an API server, and counts it.
async fn front(client: Client) -> (SocketAddr, Counted) {
    let counted = Counted::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counter = Arc::clone(&counted);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (client, counter) = (client.clone(), Arc::clone(&counter));
            let service = service_fn(move |request| pass_on(client.clone(), Arc::clone(&counter), request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service),
            );
        }
    });
    (address, counted)
}

async fn pass_on(
    client: Client,
    counter: Counted,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut parts, body) = request.into_parts();
    *counter.lock().unwrap().entry(format!("{} {}", parts.method, parts.uri.path())).or_default() += 1;
    parts.headers.remove(http::header::HOST);
    let body = body.collect().await.unwrap().to_bytes();
    let answer = client.send(Request::from_parts(parts, Body::from(body.to_vec()))).await.unwrap();
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    for encoding in [http::header::TRANSFER_ENCODING, http::header::CONTENT_LENGTH] {
        parts.headers.remove(encoding);
    }
    Ok(Response::from_parts(parts, Full::new(body)))
}
