//! What is in a Secret stays there: not even drift shows it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::entries::{added, changed};
use super::table::assert_drift;
use super::target::{CONFIG, Target};
use support::roomy_host as host;
use support::workspace::Workspace;

#[test]
fn values_of_a_secret_are_in_no_plan_and_in_no_log() {
    let workspace = Workspace::on(host()).with_variable("TF_LOG", "TRACE");
    let vc = Target { cluster: host(), name: "discreet" };
    workspace.virtual_cluster("name = \"discreet\"");
    let created = workspace.apply();
    created.assert_success();
    let ours = vc.get(CONFIG)["data"]["config.yaml"].as_str().unwrap().to_owned();
    let text = String::from_utf8(BASE64_STANDARD.decode(&ours).unwrap()).unwrap();

    // Of others, in plain text and as it is stored.
    let theirs = ["password: theirs-4711", "token-of-theirs-4712"];
    let data = json!({"config.yaml": BASE64_STANDARD.encode(theirs[0]), "token": BASE64_STANDARD.encode(theirs[1])});
    vc.merge(CONFIG, "kubectl-edit", json!({ "data": data }));
    let (planned, plan) = workspace.try_plan();
    let sensitive = "(sensitive)";
    assert_drift(
        &plan,
        vc.name,
        &[changed(CONFIG, "data[\"config.yaml\"]", sensitive, sensitive), added(CONFIG, "data.token", sensitive)],
    );
    let shown = workspace.run(&["show", "-no-color", "planned"]);
    let refreshed = workspace.refresh_only();
    let applied = workspace.apply();
    assert_eq!(vc.get(CONFIG)["data"], json!({ "config.yaml": ours }));

    // Enough of each to be told apart from anything else.
    let mut secrets: Vec<String> = theirs.iter().map(|text| text.to_string()).collect();
    secrets.extend(theirs.iter().map(|text| BASE64_STANDARD.encode(text)));
    secrets.extend([ours[..80].to_owned(), text.lines().take(4).collect::<Vec<_>>().join("\n")]);
    // Line breaks are escaped in JSON.
    secrets.push(text.lines().take(4).collect::<Vec<_>>().join("\\n"));
    let state = std::fs::read_to_string(workspace.path("terraform.tfstate.backup")).unwrap();
    let mut places = vec![("the plan's JSON", plan.0.to_string()), ("the state", state)];
    for (name, run) in
        [("create", created), ("plan", planned), ("show", shown), ("refresh", refreshed), ("apply", applied)]
    {
        run.assert_success();
        if name != "show" {
            assert!(run.log.contains("TRACE"), "{name} logged nothing");
        }
        places.extend([(name, run.output), (name, run.log)]);
    }
    for (place, text) in places {
        for secret in &secrets {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{secret} is in {place}");
        }
    }
}
