//! A Terraform directory of its own, with the provider under test and a CLI configuration that nobody else sees.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::running::Running;

/// The address of the resource that most configurations have.
pub const THIS: &str = "nested_virtual_cluster.this";

pub struct Workspace {
    directory: TempDir,
    /// Where the configuration is, below `directory`.
    within: PathBuf,
    tool: PathBuf,
    host: String,
    variables: Vec<(String, String)>,
    runs: AtomicUsize,
}

/// A test that fails leaves its directory, with what each run printed and the provider's log.
impl Drop for Workspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            println!(
                "The Terraform directory of this test is kept, with its runs and provider.log: {}",
                self.directory.path().display()
            );
        }
    }
}

impl Workspace {
    /// An empty directory whose provider block has the one host cluster `host`, run by Terraform.
    pub fn on(host: &Cluster) -> Self {
        Self::run_by(rig::tools::terraform().unwrap(), host)
    }

    /// The same, run by `tool`.
    pub fn run_by(tool: PathBuf, host: &Cluster) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let within = PathBuf::new();
        let workspace =
            Self { directory, within, tool, host: host.name.clone(), variables: Vec::new(), runs: AtomicUsize::new(0) };
        let binary = crate::provider();
        workspace.providers_in(binary.parent().unwrap(), &["nested-clusters/nested"]);
        workspace.require_provider();
        workspace.provider(&connection(&host.name, &host.kubeconfig));
        workspace
    }

    /// With an environment variable for every run.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the configuration in `directory`, a path in here that exists.
    pub fn within(mut self, directory: &Path) -> Self {
        self.within = directory.to_owned();
        self
    }

    /// Has Terraform find providers in `directory`, and nowhere else.
    pub fn providers_in(&self, directory: &Path, addresses: &[&str]) {
        let overrides: String = addresses.iter().map(|address| format!("    {address:?} = {directory:?}\n")).collect();
        let configuration =
            format!("provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n");
        std::fs::write(self.directory.path().join("cli.tfrc"), configuration).unwrap();
    }

    /// Says where the provider comes from.
    pub fn require_provider(&self) {
        self.require("nested", "nested-clusters/nested");
    }

    /// The only provider that there is, and where it comes from.
    pub fn require(&self, name: &str, source: &str) {
        let requirements =
            format!("terraform {{\n  required_providers {{\n    {name} = {{ source = {source:?} }}\n  }}\n}}\n");
        std::fs::write(self.path("versions.tf"), requirements).unwrap();
    }

    /// The entries of the provider block's `host_clusters`.
    pub fn provider(&self, entries: &str) {
        let block = format!("provider \"nested\" {{\n  host_clusters = {{\n    {entries}\n  }}\n}}\n");
        std::fs::write(self.path("provider.tf"), block).unwrap();
    }

    /// The rest of the configuration.
    pub fn write(&self, configuration: &str) {
        std::fs::write(self.path("main.tf"), configuration).unwrap();
    }

    /// The configuration becomes one virtual cluster, [`THIS`].
    pub fn virtual_cluster(&self, attributes: &str) {
        self.write(&self.resource("this", attributes));
    }

    /// A virtual cluster of the rig's chart on this directory's host, unless `attributes` say otherwise.
    pub fn resource(&self, label: &str, attributes: &str) -> String {
        let chart = rig::tools::chart();
        let defaults = [
            ("host_cluster", format!("{:?}", self.host)),
            ("vcluster_version", "\"0.34.7\"".to_owned()),
            ("chart", format!("{{ source = {chart:?} }}")),
        ];
        let is_set =
            |name: &str| attributes.lines().any(|line| line.trim_start().split([' ', '=']).next() == Some(name));
        let defaults = defaults.iter().filter(|(name, _)| !is_set(name));
        let defaults: String = defaults.map(|(name, value)| format!("  {name} = {value}\n")).collect();
        format!("resource \"nested_virtual_cluster\" \"{label}\" {{\n{defaults}{attributes}\n}}\n")
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(&self.within).join(file)
    }

    pub fn apply(&self) -> Run {
        self.start(&["apply", "-auto-approve"]).wait()
    }

    /// Applies the plan that was made last.
    pub fn apply_planned(&self) -> Run {
        let mut command = self.command();
        command.args(["apply", "-json", "-input=false", "planned"]);
        Running::start(command, self.record("apply-planned")).wait()
    }

    /// Applies without asking hosts for what they have.
    pub fn apply_unrefreshed(&self) -> Run {
        self.start(&["apply", "-auto-approve", "-refresh=false"]).wait()
    }

    pub fn refresh_only(&self) -> Run {
        self.start(&["apply", "-auto-approve", "-refresh-only"]).wait()
    }

    pub fn destroy(&self) -> Run {
        self.start(&["destroy", "-auto-approve"]).wait()
    }

    /// Starts a subcommand that can print JSON, and returns while it runs.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command.args(arguments).args(["-json", "-input=false"]);
        Running::start(command, self.record(arguments[0]))
    }

    /// Runs a subcommand that prints no JSON.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.command();
        command.args(arguments);
        Running::start(command, self.record(arguments[0])).wait()
    }

    /// Plans without applying; the plan is there only if it succeeded.
    pub fn try_plan(&self) -> (Run, Plan) {
        let run = self.start(&["plan", "-out=planned"]).wait();
        let plan = if run.succeeded { self.json(&["show", "-json", "planned"]) } else { Value::Null };
        (run, Plan(plan))
    }

    /// Plans, which must succeed.
    #[track_caller]
    pub fn plan(&self) -> Plan {
        let (run, plan) = self.try_plan();
        run.assert_success();
        plan
    }

    /// A resource of the root module in the state, if it is there: its `values`, and whether it is `tainted`. Read from the file,
    /// for which no program has to start.
    pub fn state(&self, address: &str) -> Option<Value> {
        let file = std::fs::read_to_string(self.path("terraform.tfstate")).ok()?;
        // A Terraform that was killed before it wrote leaves an empty one.
        if file.is_empty() {
            return None;
        }
        let mut state: Value = serde_json::from_str(&file).unwrap();
        let resources = state["resources"].as_array_mut().unwrap();
        let of_root = resources.iter_mut().filter(|resource| resource["module"].is_null());
        let mut instances = of_root.flat_map(|resource| {
            let base = address_of(resource);
            resource["instances"].as_array_mut().unwrap().iter_mut().map(move |instance| {
                let index = &instance["index_key"];
                let address = if index.is_null() { base.clone() } else { format!("{base}[{index}]") };
                (address, instance)
            })
        });
        let (_, instance) = instances.find(|(found, _)| found == address)?;
        Some(json!({ "values": instance["attributes"].take(), "tainted": instance["status"] == "tainted" }))
    }

    /// The attributes of [`THIS`] in the state.
    #[track_caller]
    pub fn this(&self) -> Value {
        self.state(THIS).expect("nothing in the state")["values"].take()
    }

    /// Where the output of the next run goes.
    fn record(&self, subcommand: &str) -> PathBuf {
        let number = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        self.directory.path().join(format!("run-{number:02}-{subcommand}.log"))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The provider's log goes to a file, unless the test itself looks at a log.
    fn logs(&self) -> Vec<(&'static str, PathBuf)> {
        match self.variables.iter().any(|(name, _)| name.starts_with("TF_LOG")) {
            true => Vec::new(),
            false => {
                vec![("TF_LOG_PROVIDER", "DEBUG".into()), ("TF_LOG_PATH", self.directory.path().join("provider.log"))]
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.tool);
        // Nothing of this machine's configuration may play a part.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TF_") || name.starts_with("KUBE")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.path(""))
            .env("HOME", self.directory.path())
            .env("TF_CLI_CONFIG_FILE", self.directory.path().join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            // It ends before collecting garbage pays.
            .env("GOGC", "off")
            .envs(self.logs())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }
}

/// The address of a resource in a state file, without an instance's index.
fn address_of(resource: &Value) -> String {
    let prefix = if resource["mode"] == "data" { "data." } else { "" };
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    format!("{prefix}{}.{}", text("type"), text("name"))
}

/// The entry of `host_clusters` for a kubeconfig.
pub fn connection(key: &str, kubeconfig: &Path) -> String {
    format!("{key:?} = {{ config_path = {kubeconfig:?} }}")
}

/// A run of Terraform that has ended.
pub struct Run {
    pub succeeded: bool,
    /// Everything it printed, a JSON object a line.
    pub output: String,
    /// What it logged, where `TF_LOG` is set.
    pub log: String,
}

impl Run {
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        assert!(self.succeeded, "{}", self.errors());
        self
    }

    /// What a user reads when it failed.
    #[track_caller]
    pub fn assert_failure(&self) -> String {
        assert!(!self.succeeded, "succeeded: {}", self.output);
        self.errors()
    }

    pub fn errors(&self) -> String {
        self.diagnostics("error")
    }

    pub fn warnings(&self) -> String {
        self.diagnostics("warning")
    }

    fn diagnostics(&self, severity: &str) -> String {
        let lines = self.output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let diagnostics = lines.map(|mut line| line["diagnostic"].take()).filter(|found| found["severity"] == severity);
        let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let read = diagnostics.map(|found| format!("{}\n{}\n", text(&found["summary"]), text(&found["detail"])));
        let all: String = read.collect();
        if all.is_empty() && severity == "error" && !self.succeeded { self.output.clone() + &self.log } else { all }
    }
}

/// A plan, as Terraform shows it.
pub struct Plan(pub Value);

impl Plan {
    /// The planned change of a resource.
    #[track_caller]
    pub fn change(&self, address: &str) -> &Value {
        let changes = self.0["resource_changes"].as_array().expect("no changes in the plan");
        let of_address = changes.iter().find(|change| change["address"] == address);
        &of_address.unwrap_or_else(|| panic!("{address} is not in the plan"))["change"]
    }

    /// What is to be done with [`THIS`]: `create`, `update`, `delete create` …
    #[track_caller]
    pub fn actions(&self) -> String {
        let actions = self.change(THIS)["actions"].as_array().unwrap();
        actions.iter().map(|action| action.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    /// The attributes of a resource that differ between before and after, those that become unknown included.
    #[track_caller]
    pub fn changed(&self, address: &str) -> Vec<String> {
        let change = self.change(address);
        let after = change["after"].as_object().expect("it is planned to be gone");
        let known =
            after.iter().filter(|(name, value)| change["before"][name] != **value).map(|(name, _)| name.clone());
        let unknown = change["after_unknown"].as_object().into_iter().flatten();
        let unknown = unknown.filter(|(_, unknown)| **unknown == true).map(|(name, _)| name.clone());
        let mut changed: Vec<_> = known.chain(unknown).collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// Fails unless nothing is to be done.
    #[track_caller]
    pub fn assert_empty(&self) {
        for change in self.0["resource_changes"].as_array().into_iter().flatten() {
            let (address, actions) = (change["address"].as_str().unwrap(), &change["change"]["actions"]);
            assert_eq!(actions[0], "no-op", "{address}: {:?}", self.changed(address));
        }
    }

    /// Fails unless nothing is to be done, and nothing was found changed.
    #[track_caller]
    pub fn assert_quiet(&self) {
        self.assert_empty();
        let changed = self.0["resource_drift"].as_array().into_iter().flatten().map(|found| {
            let (before, after) = (&found["change"]["before"], found["change"]["after"].as_object().unwrap());
            let names = after.iter().filter(|(name, value)| before[name] != **value).map(|(name, _)| name);
            format!("{}: {:?}", found["address"], names.collect::<Vec<_>>())
        });
        assert_eq!(changed.collect::<Vec<_>>(), [""; 0]);
    }
}
