//! The example with the real Terraform, where there is one on `PATH`. It refuses schemas, plans and states that break its
//! rules.

use std::path::Path;
use std::process::{Command, Output};

use super::process::binary;

/// A directory with a configuration and a CLI configuration that names the example.
struct Workspace(tempfile::TempDir);

impl Workspace {
    fn new(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins = binary().parent().unwrap();
        let overrides = format!("dev_overrides {{\n \"example/notes\" = {plugins:?}\n }}");
        let cli = format!("provider_installation {{\n {overrides}\n direct {{}}\n}}\n");
        std::fs::write(directory.path().join("cli.tfrc"), cli).unwrap();
        let workspace = Self(directory);
        workspace.configure(configuration);
        workspace
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn configure(&self, configuration: &str) {
        std::fs::write(self.path().join("main.tf"), configuration).unwrap();
    }

    /// Runs Terraform; nothing where there is none.
    fn run(&self, arguments: &[&str]) -> Option<Output> {
        let mut command = Command::new("terraform");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TF_")) {
            command.env_remove(name);
        }
        let command = command.args(arguments).current_dir(self.path()).env("CHECKPOINT_DISABLE", "1");
        match command.env("TF_CLI_CONFIG_FILE", self.path().join("cli.tfrc")).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("SKIPPED: there is no terraform on PATH");
                None
            }
            output => Some(output.unwrap()),
        }
    }

    /// What a command prints that succeeds.
    fn succeed(&self, arguments: &[&str]) -> Option<String> {
        let output = self.run(arguments)?;
        let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {printed}{said}");
        Some(printed.into_owned())
    }

    /// What a command complains of that fails, in one line: Terraform breaks lines where it likes.
    fn fail(&self, arguments: &[&str]) -> Option<String> {
        let output = self.run(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}: {said}");
        Some(said.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// The configuration in the README.
fn readme() -> String {
    let text = include_str!("../../README.md");
    let block = text.split("```").find_map(|block| block.strip_prefix("terraform\n"));
    block.expect("the README has a configuration").to_owned()
}

const APPLY: [&str; 4] = ["apply", "-auto-approve", "-input=false", "-no-color"];

#[test]
fn terraform_reads_the_schema() {
    let workspace = Workspace::new(&readme());
    let Some(schema) = workspace.succeed(&["providers", "schema", "-json"]) else { return };
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let provider = &schema["provider_schemas"]["registry.terraform.io/example/notes"];
    assert!(provider["provider"]["block"].is_object(), "{schema}");
    assert!(provider["resource_schemas"]["notes_note"]["block"]["attributes"]["file"].is_object(), "{schema}");
}

#[test]
fn notes_of_the_readme_live_from_creation_to_destruction() {
    let configuration = readme();
    let workspace = Workspace::new(&configuration);
    let file = workspace.path().join("shopping.txt");
    if workspace.succeed(&APPLY).is_none() {
        return;
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "milk\n");
    let unchanged = ["plan", "-detailed-exitcode", "-input=false"];
    workspace.succeed(&unchanged);

    // Changed by others, it becomes what the configuration says.
    std::fs::write(&file, "beer\n").unwrap();
    workspace.succeed(&APPLY);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "milk\n");

    // Renamed, it is replaced.
    workspace.configure(&configuration.replace("\"shopping\"\n", "\"groceries\"\n"));
    workspace.succeed(&APPLY);
    assert!(!file.exists());
    workspace.succeed(&unchanged);

    // Forgotten, it is in the way of a new one, and is taken over.
    workspace.succeed(&["state", "rm", "notes_note.shopping"]);
    assert!(workspace.fail(&APPLY).unwrap().contains("Take it over with terraform import"));
    workspace.succeed(&["import", "-input=false", "notes_note.shopping", "groceries"]);
    workspace.succeed(&unchanged);

    workspace.succeed(&["destroy", "-auto-approve", "-input=false"]);
    assert!(!workspace.path().join("groceries.txt").exists());
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let workspace = Workspace::new(&readme().replace("\"shopping\"\n", "\"../shopping\"\n"));
    let Some(said) = workspace.fail(&["validate", "-no-color"]) else { return };
    assert!(said.contains("The name has to name a file"), "{said}");
}
