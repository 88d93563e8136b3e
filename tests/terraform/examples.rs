//! Everything in `examples/` is applied, imported and destroyed as it stands. Override files replace only what a rig does
//! not have: the kubeconfigs, and the Internet that charts come from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rig::Rig;
use serde_json::json;

use support::cluster::Cluster;
use support::workspace::{Workspace, connection};

/// What an example that only looks, or only imports, finds there.
const EXISTING: &str = "
resource \"nested_cluster_group\" \"dev\" {
  name             = \"dev\"
  vcluster_version = \"0.34.7\"
  host_clusters    = { \"eu-1\" = {}, \"us-1\" = {} }
  quota            = { cpu = \"64\", memory = \"256Gi\" }
}

resource \"nested_virtual_cluster\" \"team_a\" {
  name          = \"team-a\"
  cluster_group = nested_cluster_group.dev.name
  host_cluster  = \"eu-1\"
  labels        = { team = \"a\" }
}
";

/// Hosts of their own: examples want names that other tests may want, too. They are called as in the examples.
fn hosts() -> &'static [Cluster; 2] {
    static RIG: OnceLock<Rig> = OnceLock::new();
    static HOSTS: OnceLock<[Cluster; 2]> = OnceLock::new();
    HOSTS.get_or_init(|| {
        let names = ["eu-1", "us-1"];
        let rig =
            RIG.get_or_init(|| Rig::builder().names(names).node_size("512", "2Ti").without_nested().start().unwrap());
        [Cluster::of(rig.host(1)), Cluster::of(rig.host(2))]
    })
}

/// An example in a copy of `examples/`, so that the modules it uses are where it looks for them.
struct Example {
    /// Its directory below `examples/`.
    name: String,
    workspace: Workspace,
}

impl Example {
    /// The example called `name`, made ready to be applied.
    fn of(name: &str) -> Self {
        let workspace = Workspace::on(&hosts()[0]).with_variable("TF_VAR_registry_password", "unused");
        copy(&examples(), &workspace.path("examples"));
        let example = Self { name: name.to_owned(), workspace: workspace.within(&Path::new("examples").join(name)) };
        let _ = fs::remove_file(example.workspace.path("import.tf"));
        example.complete(&text_of(&examples().join(name)));
        example
    }

    /// Something that the examples expect to be there.
    fn existing() -> Self {
        let example = Self { name: "what exists".to_owned(), workspace: Workspace::on(&hosts()[0]) };
        example.workspace.write(EXISTING);
        example.complete(EXISTING);
        example
    }

    /// Adds what the example leaves to its reader, and replaces what a rig does not have.
    fn complete(&self, text: &str) {
        let entries: Vec<String> = hosts().iter().map(|host| connection(&host.name, &host.kubeconfig)).collect();
        let mut overrides = String::new();
        if text.contains("\nprovider \"nested\"") {
            overrides =
                format!("provider \"nested\" {{\n  host_clusters = {{\n    {}\n  }}\n}}\n", entries.join("\n    "));
        } else {
            self.workspace.provider(&entries.join("\n    "));
        }
        if !text.contains("required_providers") {
            self.workspace.require_provider();
        }
        for (address, _) in resources(text)
            .iter()
            .filter(|(address, body)| address.0 == "nested_cluster_group" || !body.contains("cluster_group"))
        {
            overrides += &format!("{}  chart = {{ source = {:?} }}\n}}\n", header(address), rig::tools::chart());
        }
        self.write("rig_override.tf", &overrides);
        if text.contains("\nmodule ") {
            self.workspace.run(&["get"]).assert_success();
        }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.workspace.path(file), text).unwrap();
    }

    #[track_caller]
    fn apply(&self) {
        let run = self.workspace.apply();
        assert!(run.succeeded, "{}: {}", self.name, run.errors());
        self.workspace.plan().assert_quiet();
    }

    /// Forgets what the example imports, and takes it in again: by the block, and by the command.
    fn import(&self) {
        let file = |name: &str| fs::read_to_string(examples().join(&self.name).join(name)).ok();
        let (Some(block), Some(command)) = (file("import.tf"), file("import.sh")) else { return };
        let words: Vec<&str> = command.lines().last().unwrap().split(' ').collect();
        let ["terraform", "import", address, id] = words[..] else { panic!("{}: {command}", self.name) };
        assert!(block.contains(&format!("to = {address}\n")) && block.contains(&format!("id = {id:?}")), "{block}");

        let before = self.workspace.state(address).unwrap()["values"].take();
        self.workspace.run(&["state", "rm", address]).assert_success();
        self.write("import.tf", &block);
        let plan = self.workspace.plan();
        assert_eq!(plan.change(address)["actions"], json!(["no-op"]), "{}: {:?}", self.name, plan.changed(address));
        self.workspace.apply().assert_success();
        assert_eq!(self.workspace.state(address).unwrap()["values"], before, "{}", self.name);
        fs::remove_file(self.workspace.path("import.tf")).unwrap();

        self.workspace.run(&["state", "rm", address]).assert_success();
        self.workspace.run(&["import", "-input=false", address, id]).assert_success();
        self.workspace.plan().assert_empty();
    }

    /// What is protected has to be let go first, as the example's reader would have to.
    #[track_caller]
    fn destroy(&self) {
        let protected: String = resources(&text_of(&examples().join(&self.name)))
            .iter()
            .filter(|(_, body)| body.contains("deletion_protection = true"))
            .map(|(address, _)| format!("{}  deletion_protection = false\n}}\n", header(address)))
            .collect();
        if !protected.is_empty() {
            let refused = self.workspace.destroy().assert_failure();
            assert!(refused.contains("is protected"), "{}: {refused}", self.name);
            self.write("protection_override.tf", &protected);
            self.workspace.apply().assert_success();
        }
        let run = self.workspace.destroy();
        assert!(run.succeeded, "{}: {}", self.name, run.errors());
    }
}

#[test]
fn every_example_can_be_applied_imported_and_destroyed() {
    let mut names = directories("resources");
    assert!(names.len() >= 2, "{names:?}");
    names.push("complete".to_owned());
    for name in names {
        let example = Example::of(&name);
        example.apply();
        example.import();
        example.destroy();
        assert_nothing_remains(&name);
    }
    let existing = Example::existing();
    existing.apply();
    for name in ["data-sources", "ephemeral-resources", "functions"].into_iter().flat_map(directories) {
        // Other providers would have to be downloaded.
        if text_of(&examples().join(&name)).contains("\nprovider \"kubernetes\"") {
            continue;
        }
        let example = Example::of(&name);
        example.apply();
        example.destroy();
    }
    existing.workspace.plan().assert_quiet();
    existing.destroy();
    assert_nothing_remains("what exists");
}

#[track_caller]
fn assert_nothing_remains(name: &str) {
    for host in hosts() {
        let secrets = host.names("/api/v1/namespaces/nested-system/secrets");
        assert_eq!(secrets, [""; 0], "{name} on {}", host.name);
        let namespaces = host.names("/api/v1/namespaces").into_iter().filter(|name| name.starts_with("vcluster-"));
        for namespace in namespaces.collect::<Vec<_>>() {
            host.assert_nothing_remains(&namespace);
        }
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The directories in one of `examples/`, by their paths below it.
fn directories(parent: &str) -> Vec<String> {
    let entries = fs::read_dir(examples().join(parent)).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| format!("{parent}/{}", entry.unwrap().file_name().to_str().unwrap())).collect();
    names.sort();
    names
}

/// The configuration in `directory`.
fn text_of(directory: &Path) -> String {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "tf"));
    files.map(|file| format!("\n{}", fs::read_to_string(file).unwrap())).collect()
}

/// The managed resources of a formatted configuration: type and label, and all that is said of each.
fn resources(text: &str) -> Vec<((&str, &str), &str)> {
    let blocks = text.split("\nresource \"").skip(1).filter_map(|rest| rest.split_once("\n}"));
    let parts = blocks.filter_map(|(block, _)| {
        let (kind, rest) = block.split_once("\" \"")?;
        let (label, body) = rest.split_once('"')?;
        Some(((kind, label), body))
    });
    parts.collect()
}

/// The first line of a block that adds to a resource.
fn header((kind, label): &(&str, &str)) -> String {
    format!("resource {kind:?} {label:?} {{\n")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}
