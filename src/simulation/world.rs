//! The world of a simulation: hosts, processes that send them requests, everything that can go wrong on the way, and the
//! invariants that hold after each write. All of it is drawn from one seed, and time passes only when everybody waits.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use kube::client::Body;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tower::BoxError;

use super::api_server::{ApiServer, Call, Key, NAMESPACES, Write};
use super::invariants::{Invariants, summary};
use crate::host::Host;
use crate::host::connection::Endpoint;

/// A plugin process.
pub type Process = usize;

/// What may happen to one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// It is killed when it has sent so many requests.
    pub killed_after: Option<u32>,
    /// It stands still for a while when it has sent so many.
    pub frozen: Option<(u32, Duration)>,
}

/// How often requests go wrong, of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub faults: u32,
    pub slow: u32,
}

#[derive(Default)]
struct Running {
    alive: bool,
    sent: u32,
    fate: Fate,
    frozen_until: Option<Instant>,
    killed: Arc<Notify>,
}

pub struct Cluster {
    pub name: String,
    pub server: ApiServer,
    down_until: Option<Instant>,
    settling: bool,
}

pub struct State {
    pub clusters: Vec<Cluster>,
    pub weather: Weather,
    pub invariants: Invariants,
    pub requests: u64,
    dice: StdRng,
    processes: Vec<Running>,
    trace: DefaultHasher,
    pub log: Option<Vec<String>>,
    began: Instant,
}

#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

impl World {
    pub fn new(seed: u64, clusters: &[(&str, u32)], log: bool) -> Self {
        let cluster = |(name, cpu): &(&str, u32)| Cluster {
            name: (*name).to_owned(),
            server: ApiServer::new(name, *cpu),
            down_until: None,
            settling: false,
        };
        Self(Arc::new(Mutex::new(State {
            clusters: clusters.iter().map(cluster).collect(),
            weather: Weather::default(),
            invariants: Invariants::default(),
            requests: 0,
            dice: StdRng::seed_from_u64(seed),
            processes: Vec::new(),
            trace: DefaultHasher::new(),
            log: log.then(Vec::new),
            began: Instant::now(),
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws a number below `limit`.
    pub fn draw(&self, limit: u32) -> u32 {
        self.state().dice.random_range(0..limit)
    }

    /// Stands for everything that happened: two runs of a seed have the same.
    pub fn fingerprint(&self) -> u64 {
        self.state().trace.finish()
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        self.state().note(line);
    }

    /// Starts a process.
    pub fn start(&self, fate: Fate) -> Process {
        let mut state = self.state();
        state.processes.push(Running { alive: true, fate, ..Running::default() });
        state.processes.len() - 1
    }

    /// The process ends by itself.
    pub fn end(&self, process: Process) {
        self.state().processes[process].alive = false;
    }

    /// The host clusters as a process sees them.
    pub fn hosts(&self, process: Process) -> Vec<Host> {
        let names: Vec<String> = self.state().clusters.iter().map(|cluster| cluster.name.clone()).collect();
        let host = |(cluster, name): (usize, String)| {
            let world = self.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let world = world.clone();
                async move { world.send(process, cluster, request).await }
            });
            let client = kube::Client::new(service, "default");
            Host::new(&name, Endpoint::simulated(client), terraform_plugin::stop_token)
        };
        names.into_iter().enumerate().map(host).collect()
    }

    /// Runs a call of a process. None if it is killed in it.
    pub async fn run<T>(&self, process: Process, call: impl Future<Output = T>) -> Option<T> {
        let killed = Arc::clone(&self.state().processes[process].killed);
        let call = pin!(call);
        tokio::select! {
            biased;
            () = killed.notified() => None,
            result = call => Some(result),
        }
    }

    /// A host does not answer for a while.
    pub fn take_down(&self, cluster: usize, duration: Duration) {
        let mut state = self.state();
        state.clusters[cluster].down_until = Some(Instant::now() + duration);
        state.note(|| format!("host {cluster} is down for {duration:?}"));
    }

    /// Somebody deletes an object by hand.
    pub fn delete(&self, cluster: usize, key: &Key) {
        self.note(|| format!("somebody deletes {key:?} on {cluster}"));
        let path = match (key.is_namespace(), key.collection.split_once('/')) {
            (true, _) => format!("/api/v1/namespaces/{}", key.name),
            (false, Some(("v1", plural))) => format!("/api/v1/namespaces/{}/{plural}/{}", key.namespace, key.name),
            _ => return,
        };
        let (method, query, content_type) = (http::Method::DELETE, BTreeMap::new(), String::new());
        let call = Call { method, path, query, content_type, body: Value::Null };
        self.state().clusters[cluster].server.answer(&call);
        self.settle(cluster);
    }

    /// Has the controllers of a host do their work in a while.
    fn settle(&self, cluster: usize) {
        let mut state = self.state();
        if !state.clusters[cluster].server.is_unsettled() || state.clusters[cluster].settling {
            return;
        }
        state.clusters[cluster].settling = true;
        let pause = Duration::from_millis(state.dice.random_range(5..1_500));
        let world = self.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            let mut state = world.state();
            state.clusters[cluster].settling = false;
            state.clusters[cluster].server.reconcile();
        });
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        let mut state = self.state();
        state.weather = Weather::default();
        state.clusters.iter_mut().for_each(|cluster| cluster.down_until = None);
        state.note(|| "calm".to_owned());
    }

    async fn send(&self, process: Process, cluster: usize, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let call = read(request).await?;
        self.thaw(process).await;
        if !self.departs(process) {
            return std::future::pending().await;
        }
        let (sender, answer) = oneshot::channel();
        let world = self.clone();
        // What was sent arrives, whatever becomes of the sender.
        tokio::spawn(async move {
            let (latency, fault) = world.way();
            sleep(latency).await;
            let _ = sender.send(world.arrive(process, cluster, &call, fault));
        });
        let answer = answer.await?;
        self.thaw(process).await;
        if !self.state().processes[process].alive {
            return std::future::pending().await;
        }
        answer
    }

    async fn thaw(&self, process: Process) {
        loop {
            let until = self.state().processes[process].frozen_until;
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// Counts a request. False if the process is dead before it has sent it.
    fn departs(&self, process: Process) -> bool {
        let mut state = self.state();
        let coin = state.dice.random_bool(0.5);
        let running = &mut state.processes[process];
        if !running.alive {
            return false;
        }
        running.sent += 1;
        let (sent, fate) = (running.sent, running.fate);
        if fate.frozen.is_some_and(|(after, _)| after == sent) {
            running.frozen_until = fate.frozen.map(|(_, duration)| Instant::now() + duration);
            state.note(|| format!("process {process} freezes: {fate:?}"));
            return true;
        }
        if fate.killed_after == Some(sent) {
            running.alive = false;
            running.killed.notify_one();
            state.note(|| format!("process {process} is killed at request {sent}"));
            return coin;
        }
        true
    }

    fn way(&self) -> (Duration, Option<Fault>) {
        let mut state = self.state();
        state.requests += 1;
        let (faults, slow) = (state.weather.faults, state.weather.slow);
        let dice = &mut state.dice;
        let latency = match dice.random_range(0..1000) < slow {
            true => dice.random_range(1_000..40_000),
            false => dice.random_range(1..20),
        };
        let fault = (dice.random_range(0..1000) < faults).then(|| Fault::ALL[dice.random_range(0..Fault::ALL.len())]);
        (Duration::from_millis(latency), fault)
    }

    fn arrive(
        &self,
        process: Process,
        cluster: usize,
        call: &Call,
        fault: Option<Fault>,
    ) -> Result<Response<Body>, BoxError> {
        let mut state = self.state();
        if state.clusters[cluster].down_until.is_some_and(|until| until > Instant::now()) {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        }
        if let Some(fault) = fault.filter(|fault| !fault.has_effect()) {
            state.note(|| format!("{process} {cluster} {} {} {fault:?}", call.method, call.path));
            return fault.answer();
        }
        let ((status, body), write) = state.clusters[cluster].server.answer(call);
        state.note(|| {
            let text = body.to_string();
            let said = if status < 300 { "" } else { text.as_str() };
            let written = match &write {
                Some(write) => format!(" wrote {}", summary(write)),
                None => String::new(),
            };
            format!("{process} {cluster} {} {} {status}{written} {said}", call.method, call.path)
        });
        (process, cluster, call.method.as_str(), &call.path, status).hash(&mut state.trace);
        if let Some(write) = &write {
            state.wrote(process, cluster, write);
        }
        drop(state);
        if write.is_some() {
            self.settle(cluster);
        }
        match fault {
            Some(fault) => fault.answer(),
            None => respond(status, &body),
        }
    }
}

impl State {
    fn note(&mut self, line: impl FnOnce() -> String) {
        let passed = self.began.elapsed().as_millis();
        if let Some(log) = &mut self.log {
            log.push(format!("{passed:>8} {}", line()));
        }
    }

    fn wrote(&mut self, process: Process, cluster: usize, write: &Write) {
        let found = self.invariants.after(process, cluster, write, &self.clusters);
        for violation in found {
            self.note(|| format!("VIOLATION {violation}"));
            self.invariants.violations.push(violation);
        }
    }

    /// All namespaces, cluster-scoped objects and documents that are on hosts beside what was there at the beginning.
    pub fn leftovers(&self) -> Vec<String> {
        let is_ours = |key: &&Key| {
            let of_the_host = ["default", "kube-system", "nested-system"].contains(&key.name.as_str());
            !(key.collection == NAMESPACES && of_the_host || key.collection == "v1/nodes")
        };
        let left = |cluster: &Cluster| {
            let keys = cluster.server.objects.keys().filter(is_ours);
            let text = |key: &Key| format!("{}: {} {}/{}", cluster.name, key.collection, key.namespace, key.name);
            keys.map(text).collect::<Vec<_>>()
        };
        self.clusters.iter().flat_map(left).collect()
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy)]
enum Fault {
    InternalError,
    InternalErrorAfterwards,
    Unavailable,
    TooManyRequests,
    Reset,
    ResetAfterwards,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::InternalError,
        Self::InternalErrorAfterwards,
        Self::Unavailable,
        Self::TooManyRequests,
        Self::Reset,
        Self::ResetAfterwards,
    ];

    fn has_effect(self) -> bool {
        matches!(self, Self::InternalErrorAfterwards | Self::ResetAfterwards)
    }

    fn answer(self) -> Result<Response<Body>, BoxError> {
        let status = match self {
            Self::InternalError | Self::InternalErrorAfterwards => 500,
            Self::Unavailable => 503,
            Self::TooManyRequests => 429,
            Self::Reset | Self::ResetAfterwards => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
        };
        let said = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError",
            "message": "simulated", "code": status,
        });
        respond(status, &said)
    }
}

fn respond(status: u16, body: &Value) -> Result<Response<Body>, BoxError> {
    Ok(Response::builder().status(status).body(Body::from(serde_json::to_vec(body)?))?)
}

async fn read(request: Request<Body>) -> Result<Call, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().await?;
    let query = head.uri.query().unwrap_or_default();
    let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query,
        content_type: content_type.unwrap_or_default().to_owned(),
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? },
    })
}

/// UIDs, by whom.
pub type Held = BTreeMap<Process, BTreeSet<String>>;
