//! What is created, changed and destroyed while there are faults: a virtual cluster with a name or with a generated one, one
//! of a group, a group.

use rig::faults::{Hold, Moment, Proxy, Requests, Rule, Which};

use crate::sharing::support::{Hosts, group};
use support::cluster::Cluster;
use support::eventually;
use support::running::Running;
use support::workspace::{Run, THIS, Workspace, connection};

/// The group that members are of.
pub const CREW: &str = "crew";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A virtual cluster whose configuration names it.
    Named,
    /// One with a generated name.
    Unnamed,
    /// One with a generated name, of the group [`CREW`].
    Member,
    /// A cluster group on both hosts.
    Group,
}

/// An operation, and the configuration that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Create,
    Update,
    Pause,
    Resume,
    Resize,
    Destroy,
}

impl Subject {
    /// A whole life, in order.
    pub fn life(self) -> &'static [Step] {
        match self {
            Self::Group => &[Step::Create, Step::Update, Step::Destroy],
            _ => &[Step::Create, Step::Update, Step::Pause, Step::Resume, Step::Resize, Step::Destroy],
        }
    }
}

impl Step {
    /// What has to be there before.
    pub fn before(self) -> Option<Self> {
        match self {
            Self::Create => None,
            Self::Resume => Some(Self::Pause),
            Self::Update | Self::Pause | Self::Resize | Self::Destroy => Some(Self::Create),
        }
    }
}

/// A subject in a Terraform directory of its own, which reaches the hosts through proxies of its own.
pub struct Place {
    pub subject: Subject,
    pub workspace: Workspace,
    /// Names what is made here.
    pub mark: String,
    /// The key of the host whose requests are looked at: that of a virtual cluster, and any of a group's.
    pub host: &'static str,
    /// Before that host.
    pub proxy: Proxy,
    /// Before the other one.
    pub other: Proxy,
}

/// What a test that fails has to know beside its own words.
impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for proxy in [&self.proxy, &self.other] {
                let met = proxy.met();
                let met: Vec<String> = met.iter().map(|met| format!("{} met {:?}", met.request, met.fault)).collect();
                println!("{}: {met:?}, and the host has not answered {:?}", self.mark, proxy.unanswered());
            }
        }
    }
}

impl Place {
    /// On `eu-1` where `first`, else on `us-1`.
    pub fn on(hosts: &Hosts, first: bool, subject: Subject, mark: &str) -> Self {
        let workspace = hosts.workspace();
        let [eu, us] = [hosts.eu, hosts.us].map(Cluster::faults);
        let of = |key: &str, proxy: &Proxy| connection(key, proxy.kubeconfig());
        workspace.provider(&format!("{}\n{}", of("eu-1", &eu), of("us-1", &us)));
        let (host, proxy, other) = if first { ("eu-1", eu, us) } else { ("us-1", us, eu) };
        Self { subject, workspace, mark: mark.to_owned(), host, proxy, other }
    }

    /// The address of the resource.
    pub fn address(&self) -> String {
        match self.subject {
            Subject::Group => format!("nested_cluster_group.{}", self.mark.replace('-', "_")),
            _ => THIS.to_owned(),
        }
    }

    /// Writes the configuration that a step leads to; a destroy leads to none.
    pub fn write(&self, step: Step) {
        match self.subject {
            Subject::Group => self.write_group(step),
            _ => self.write_virtual_cluster(step),
        }
    }

    fn write_group(&self, step: Step) {
        let attributes = match step {
            Step::Update => {
                "oversubscription_percent = 150\nvalues = yamlencode({ controlPlane = { statefulSet = { labels = { v = \"2\" } } } })"
            }
            _ => "",
        };
        self.workspace.write(&group(&self.mark, attributes));
    }

    fn write_virtual_cluster(&self, step: Step) {
        let place = match self.subject {
            Subject::Member => format!("cluster_group = {CREW:?}\n  host_cluster = {:?}", self.host),
            _ => {
                let chart = rig::tools::chart();
                format!(
                    "host_cluster = {:?}\n  vcluster_version = \"0.34.7\"\n  chart = {{ source = {chart:?} }}",
                    self.host
                )
            }
        };
        let name = match self.subject {
            Subject::Named => format!("name = {:?}", self.mark),
            _ => String::new(),
        };
        let (cpu, version) =
            (if step == Step::Resize { "4" } else { "3" }, if step == Step::Update { "2" } else { "1" });
        let values = "values = yamlencode({ controlPlane = { statefulSet = { labels = { v = \"2\" } } } })";
        let more = match step {
            Step::Update => values,
            Step::Pause => "paused = true",
            _ => "",
        };
        self.workspace.write(&format!(
            "resource \"nested_virtual_cluster\" \"this\" {{\n  {place}\n  {name}\n  {more}\n  \
             labels = {{ mark = {:?}, v = {version:?} }}\n  resources = {{ cpu = {cpu:?}, memory = \"3Gi\" }}\n}}\n",
            self.mark
        ));
    }

    /// Starts a step, whose configuration is written.
    pub fn start(&self, step: Step) -> Running {
        let subcommand = if step == Step::Destroy { "destroy" } else { "apply" };
        self.workspace.start(&[subcommand, "-auto-approve"])
    }

    /// Starts a step, and returns when the first of these requests is held.
    #[track_caller]
    pub fn start_until(&self, step: Step, requests: Requests, moment: Moment) -> (Running, Hold) {
        self.write(step);
        let hold = self.proxy.hold(Which::Nth(1), requests, moment);
        let running = self.start(step);
        eventually("the request to be held", || if hold.is_reached() { Ok(()) } else { Err("it has not come") });
        (running, hold)
    }

    /// Takes a step without any fault.
    pub fn take(&self, step: Step) -> Run {
        self.write(step);
        self.start(step).wait()
    }

    /// Brings about what has to be there before a step.
    #[track_caller]
    pub fn prepare(&self, step: Step) {
        let before = step.before().unwrap_or(Step::Destroy);
        if step == Step::Create && self.workspace.state(&self.address()).is_none() {
            return;
        }
        self.take(before).assert_success();
    }

    /// Takes a step during which a rule holds. Returns how it ended, and the requests that met the fault.
    pub fn suffer(&self, step: Step, rule: Rule) -> (Run, usize) {
        let before = self.proxy.met().len();
        self.proxy.add(rule);
        let run = self.take(step);
        self.proxy.heal();
        (run, self.proxy.met().len() - before)
    }

    /// Once more without a fault: it succeeds, and nothing is left to do.
    #[track_caller]
    pub fn converge(&self, step: Step) {
        self.take(step).assert_success();
        self.assert_taken(step);
    }

    /// The step has led to what the configuration says.
    #[track_caller]
    pub fn assert_taken(&self, step: Step) {
        let Some(resource) = self.workspace.state(&self.address()) else {
            assert_eq!(step, Step::Destroy, "{}: nothing is in the state", self.mark);
            return;
        };
        assert_ne!(step, Step::Destroy, "{}: it is in the state", self.mark);
        if self.subject != Subject::Group {
            let expected = if step == Step::Pause { "Paused" } else { "Running" };
            assert_eq!(resource["values"]["status"], expected, "{}", self.mark);
        }
        self.workspace.plan().assert_empty();
    }
}

/// The requests of an operation that come when it changes something for the first time, and after.
pub fn acting() -> Requests {
    Requests::any().since(Requests::writes())
}

/// The nth of [`acting`].
pub fn nth(number: usize, fault: rig::faults::Fault) -> Rule {
    Rule::new(Which::Nth(number), acting(), fault)
}

/// The group [`CREW`] for members, in a directory of its own.
#[track_caller]
pub fn crew(hosts: &Hosts) -> Workspace {
    let platform = hosts.workspace();
    platform.write(&group(CREW, "quota = { cpu = \"40\" }"));
    platform.apply().assert_success();
    platform
}
