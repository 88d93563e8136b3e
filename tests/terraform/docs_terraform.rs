//! Runs Terraform (or OpenTofu) on a directory as a user would who has this provider built: with `dev_overrides` in a
//! configuration of its own, and nothing of the machine's user.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A working directory and the program to run in it.
pub struct Terraform {
    program: PathBuf,
    directory: tempfile::TempDir,
}

impl Terraform {
    pub fn new() -> Self {
        let program = rig::tools::terraform().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let built = support::provider().parent().unwrap();
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"nested-clusters/nested\" = {built:?}\n  }}\n  direct {{}}\n}}\n"
        );
        fs::write(directory.path().join("cli.tfrc"), overrides).unwrap();
        Self { program, directory }
    }

    /// Adds a configuration file. What names no `required_providers` itself gets this provider's.
    pub fn write(&self, files: &[(String, String)]) {
        for (name, text) in files {
            fs::write(self.directory.path().join(name), text).unwrap();
        }
        if !files.iter().any(|(_, text)| text.contains("required_providers")) {
            let required =
                "terraform {\n  required_providers {\n    nested = { source = \"nested-clusters/nested\" }\n  }\n}\n";
            fs::write(self.directory.path().join("required.tf"), required).unwrap();
        }
    }

    /// Runs it, with `input` on standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.directory.path())
            .env("TF_CLI_CONFIG_FILE", self.directory.path().join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

/// What a failed run said.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
