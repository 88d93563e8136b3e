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

/// A token that a sensitive variable brings into `values`.
const TOKEN: &str = "token-from-a-vault-4711";

#[test]
fn what_values_gave_is_shown_nowhere() {
    let workspace = Workspace::on(host()).with_variable("TF_LOG", "TRACE").with_variable("TF_VAR_token", TOKEN);
    let chart = workspace.path("chart");
    let copied =
        std::process::Command::new("cp").arg("-r").args([rig::tools::chart(), chart.clone()]).status().unwrap();
    assert!(copied.success());
    let schema = json!({ "properties": { "telemetry": { "properties": { "creator": { "pattern": "^[a-z]$" } } } } });
    std::fs::write(chart.join("values.schema.json"), schema.to_string()).unwrap();
    let write = |values: &str| {
        let variable = "variable \"token\" {\n  sensitive = true\n}\n";
        let attributes =
            format!("name = \"vaulted\"\nchart = {{ source = {chart:?} }}\nvalues = yamlencode({{ {values} }})");
        workspace.write(&format!("{variable}{}", workspace.resource("this", &attributes)));
    };
    let env = "controlPlane = { statefulSet = { env = [{ name = \"TOKEN\", value = var.token }] } }";
    write(env);
    workspace.apply().assert_success();
    let rotated = "rotated-by-hand-1147";
    let path = "/apis/apps/v1/namespaces/vcluster-vaulted/statefulsets/vaulted";
    let mut edited = host().get(path).unwrap();
    let containers = edited["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    let all = containers.iter_mut().flat_map(|container| container["env"].as_array_mut().into_iter().flatten());
    for variable in all.filter(|variable| variable["name"] == "TOKEN") {
        variable["value"] = json!(rotated);
    }
    assert!(host().put("kubectl-edit", path, edited));
    let (drifted, plan) = workspace.try_plan();
    let drift = plan.change("nested_virtual_cluster.this")["before"]["drift"].clone();
    let of_env = |entry: &&serde_json::Value| entry["field"].as_str().is_some_and(|field| field.contains("TOKEN"));
    let entry = drift.as_array().unwrap().iter().find(of_env).unwrap_or_else(|| panic!("{drift}"));
    assert_eq!([&entry["expected"], &entry["actual"]], ["(sensitive)", "(sensitive)"], "{drift}");
    let mut runs = vec![drifted];
    for (values, path) in [
        ("controlPlane = { service = { spec = { type = var.token } } }", "controlPlane.service.spec.type"),
        ("telemetry = { creator = var.token }", "/telemetry/creator"),
        ("exportKubeConfig = { server = var.token }", "exportKubeConfig.server"),
    ] {
        write(values);
        let refused = workspace.try_plan().0;
        let said = refused.assert_failure();
        assert!(said.contains(path), "{said}");
        runs.push(refused);
    }
    write(env);
    runs.push(workspace.apply());
    runs.push(workspace.destroy());
    for run in runs {
        for secret in [TOKEN, rotated] {
            assert!(!run.output.contains(secret), "in the output: {}", around(&run.output, secret));
            let provider: String =
                run.log.lines().filter(|line| line.contains("provider.terraform-provider-nested")).collect();
            assert!(!provider.contains(secret), "in the log: {}", around(&run.log, secret));
        }
    }
}
