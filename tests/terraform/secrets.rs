//! Secrets stay where they belong: in no log, in no text of a plan, and passwords in no state.

use serde_json::json;

use support::host;
use support::workspace::Workspace;

#[test]
fn secrets_are_in_no_log_and_in_no_text() {
    let anything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let token = host().token("secretive", anything);
    let workspace = Workspace::on(host())
        .with_variable("TF_LOG", "TRACE")
        .with_variable("TF_VAR_token", &token)
        .with_variable("TF_VAR_password", "chart-password-4711");
    workspace.provider(&format!("\"eu-1\" = {{ config_path = {:?}, token = var.token }}", host().kubeconfig));
    let write = |more: &str| {
        let variables = "variable \"token\" {\n  sensitive = true\n}\nvariable \"password\" {\n  ephemeral = true\n}\n";
        let chart = format!("{{ source = {:?}, username = \"reader\", password = var.password }}", rig::tools::chart());
        workspace.write(&format!(
            "{variables}{}",
            workspace.resource("this", &format!("name = \"secretive\"\nchart = {chart}\n{more}"))
        ));
    };
    write("");
    let created = workspace.apply();
    created.assert_success();
    let kubeconfig = workspace.this()["kubeconfig"].clone();
    write("labels = { team = \"a\" }");
    let (planned, plan) = workspace.try_plan();
    let updated = workspace.apply();
    let destroyed = workspace.destroy();

    let key = kubeconfig["client_key"].as_str().unwrap();
    let raw = kubeconfig["raw"].as_str().unwrap();
    let encoded = raw.lines().find_map(|line| line.trim().strip_prefix("client-key-data: ")).unwrap();
    let secrets = [key.lines().nth(1).unwrap(), &encoded[..60], &token, "chart-password-4711"];
    for run in [created, planned, updated, destroyed] {
        run.assert_success();
        for secret in secrets {
            assert!(!run.output.contains(secret), "in the output: {}", around(&run.output, secret));
            assert!(!run.log.contains(secret), "in the log: {}", around(&run.log, secret));
        }
        assert!(run.log.contains("TRACE"), "nothing was logged");
    }
    assert!(!plan.0.to_string().contains("chart-password-4711"));
    assert!(
        !std::fs::read_to_string(workspace.path("terraform.tfstate.backup")).unwrap().contains("chart-password-4711")
    );
}

fn around<'a>(text: &'a str, secret: &str) -> &'a str {
    text.lines().find(|line| line.contains(secret)).unwrap_or_default()
}
