//! Plans: what fits passes, what does not is refused with one table, and nothing is counted twice.

use serde_json::json;

use super::support::{Hosts, group, member, referring};
use support::workspace::{Run, Workspace, connection};

/// Applies `before`, and says how a plan of `after` ends.
fn planned(workspace: &Workspace, before: &str, after: &str) -> Run {
    workspace.write(before);
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    workspace.write(after);
    workspace.try_plan().0
}

#[test]
fn a_refusal_shows_one_table_and_the_smallest_change() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let quota = group("dev", "quota = { cpu = \"12\" }");
    let [one, two, three] = ["one", "two", "three"].map(|label| member(label, "dev", &referring("dev")));
    // A group that is only planned counts, too.
    workspace.write(&(quota.clone() + &one + &two + &three));
    workspace.plan();
    workspace.write(&(quota.clone() + &one));
    workspace.apply().assert_success();
    let large = member("large", "dev", &format!("{}\nresources = {{ cpu = \"6\" }}", referring("dev")));
    workspace.write(&(quota.clone() + &one + &two + &large));
    let refused = workspace.try_plan().0.assert_failure();
    for expected in [
        "the quota of cluster group \"dev\" is used up",
        "quota  cpu",
        "unlimited",
        "[#",
        // Before it comes what else helps, which depends on whose turn it was first.
        "`quota.cpu` of the group to 14",
    ] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    assert_eq!(refused.matches("Next step").count(), 1, "{refused}");

    workspace.write(
        &(group("dev", "")
            + &one
            + &member("huge", "dev", &format!("{}\nresources = {{ cpu = \"29\" }}", referring("dev")))),
    );
    let refused = workspace.try_plan().0.assert_failure();
    for expected in
        ["no host of cluster group \"dev\" has room", "cpu: 29 requested, 28 available, 1 too many", "eu-1", "us-1"]
    {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    workspace.write(&(quota + &one));
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn everything_is_counted_once() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    // Room for exactly two of 10 CPU, one on each host; and quota for exactly these.
    let full = "quota = { cpu = \"20\" }\nhost_clusters = { \"eu-1\" = { reserved = { cpu = \"18\" } }, \"us-1\" = { reserved = { cpu = \"18\" } } }";
    platform.write(&group("dev", full));
    platform.apply().assert_success();
    let sized = |label: &str, more: &str| member(label, "dev", &format!("resources = {{ cpu = \"10\" }}\n{more}"));
    let (one, two) = (sized("one", ""), sized("two", ""));
    let both = one.clone() + &two;

    let workspace = hosts.workspace();
    // A third is one too many; apply's own second planning of the first two is not.
    workspace.write(&(both.clone() + &sized("three", "")));
    workspace.try_plan().0.assert_failure();
    let refused = planned(&workspace, &both, &(both.clone() + &sized("three", ""))).assert_failure();
    assert!(refused.contains("the quota of cluster group"), "{refused}");

    // A rename by Terraform's address, and a name that replaces.
    let moved = "moved {\n  from = nested_virtual_cluster.one\n  to = nested_virtual_cluster.uno\n}\n";
    let run = planned(&workspace, &both, &(sized("uno", "name = \"one\"") + &two + moved));
    run.assert_success();
    let run = planned(&workspace, &both, &(sized("one", "name = \"other\"") + &two));
    run.assert_success();
    workspace.apply().assert_success();
    assert_eq!(hosts.quota(hosts.eu, "dev").into_keys().collect::<Vec<_>>(), ["vcluster-other", "vcluster-two"]);
    workspace.plan().assert_quiet();

    // A replacement that grows is counted by what it adds.
    workspace.write(&(member("one", "dev", "name = \"another\"\nresources = { cpu = \"11\" }") + &two));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("1 too many"), "{refused}");

    // -replace, -target, and a host cluster's other key.
    workspace.write(&(sized("one", "name = \"other\"") + &two));
    workspace.start(&["plan", "-replace=nested_virtual_cluster.two"]).wait().assert_success();
    workspace.start(&["apply", "-auto-approve", "-replace=nested_virtual_cluster.two"]).wait().assert_success();
    workspace.start(&["plan", "-target=nested_virtual_cluster.two"]).wait().assert_success();
    let renamed = format!("{}\n{}", connection("eu", &hosts.eu.kubeconfig), connection("us", &hosts.us.kubeconfig));
    workspace.provider(&renamed);
    workspace.try_plan().0.assert_success();
    workspace.provider(&hosts.connections());

    // Paused ones give their CPU back, and none of the quota.
    workspace.write(&(sized("one", "name = \"other\"\npaused = true") + &two));
    workspace.apply().assert_success();
    assert_eq!(hosts.quota(hosts.eu, "dev").len(), 2);
    workspace.write(&(sized("one", "name = \"other\"\npaused = true") + &two + &sized("three", "")));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("the quota of cluster group"), "{refused}");
    platform.write(&group("dev", &full.replace("\"20\"", "\"30\"")));
    platform.apply().assert_success();
    workspace.apply().assert_success();
    // Now the room of the paused one is taken: it cannot be resumed.
    workspace.write(&(sized("one", "name = \"other\"") + &two + &sized("three", "")));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("does not fit on host cluster"), "{refused}");
    workspace.write(&(sized("one", "name = \"other\"\npaused = true") + &two + &sized("three", "")));
    workspace.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn generated_names_and_two_aliases_are_counted_once() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group("dev", "quota = { cpu = \"16\" }"));
    platform.apply().assert_success();
    let workspace = hosts.workspace();
    let alias = format!(
        "provider \"nested\" {{\n  alias = \"second\"\n  host_clusters = {{\n{}\n  }}\n}}\n",
        hosts.connections()
    );
    let nameless = |label: &str, count: u32, more: &str| {
        format!(
            "resource \"nested_virtual_cluster\" {label:?} {{\n  count = {count}\n  cluster_group = \"dev\"\n{more}\n}}\n"
        )
    };
    let split = nameless("first", 2, "") + &nameless("second", 2, "provider = nested.second") + &alias;
    workspace.write(&split);
    workspace.apply().assert_success();
    assert_eq!(hosts.quota(hosts.eu, "dev").into_values().collect::<Vec<_>>(), ["4"; 4]);
    workspace.plan().assert_quiet();
    workspace.write(&(nameless("first", 3, "") + &nameless("second", 2, "provider = nested.second") + &alias));
    workspace.try_plan().0.assert_failure();

    // What two aliases plan at once neither of them sees; the ledgers do.
    workspace.write(&split);
    workspace.destroy().assert_success();
    let five = nameless("first", 3, "") + &nameless("second", 2, "provider = nested.second") + &alias;
    workspace.write(&five);
    workspace.try_plan().0.assert_success();
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("the quota of cluster group \"dev\" is used up"), "{refused}");
    assert_eq!(hosts.quota(hosts.eu, "dev").len(), 4);
    workspace.write(&alias);
    workspace.apply().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_plan_is_refused_only_if_no_placement_can_work() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group("dev", ""));
    platform.apply().assert_success();
    let workspace = hosts.workspace();
    let sized = |label: &str, cpu: u32| member(label, "dev", &format!("resources = {{ cpu = \"{cpu}\" }}"));
    // 56 CPU in two times 28: 15 + 13 and 14 + 14, however they come.
    let fits = sized("a", 14) + &sized("b", 15) + &sized("c", 14) + &sized("d", 13);
    workspace.write(&fits);
    workspace.try_plan().0.assert_success();
    // As much in sum, and no way to divide it.
    workspace.write(&(sized("a", 15) + &sized("b", 15) + &sized("c", 15) + &sized("d", 11)));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("no host of cluster group \"dev\" has room"), "{refused}");
    let missing = "cluster_group = \"nowhere\"";
    workspace.write(&member("lost", "dev", missing));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("There is no cluster group \"nowhere\"") && refused.contains("eu-1"), "{refused}");
    workspace.write(&member("unclear", "dev", "vcluster_version = \"0.34.7\""));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("`vcluster_version` comes from the cluster group"), "{refused}");
    workspace.write("");
    workspace.apply().assert_success();
    platform.destroy().assert_success();
    assert_eq!(json!(hosts.ledger(hosts.eu)), json!({}));
    hosts.assert_empty();
}

#[test]
fn opentofu_counts_as_terraform_does() {
    let hosts = Hosts::alone();
    let workspace = hosts.tofu_workspace();
    let full = group("dev", "quota = { cpu = \"8\" }");
    let sized = |label: &str, more: &str| member(label, "dev", &format!("{}\n{more}", referring("dev")));
    let both = sized("one", "") + &sized("two", "");
    let run = planned(&workspace, &(full.clone() + &both), &(full.clone() + &both + &sized("three", "")));
    let refused = run.assert_failure();
    assert!(refused.contains("the quota of cluster group \"dev\" is used up"), "{refused}");
    // A replacement is planned with what was planned before it.
    workspace.write(&(full.clone() + &sized("one", "name = \"uno\"") + &sized("two", "")));
    workspace.apply().assert_success();
    workspace.start(&["apply", "-auto-approve", "-replace=nested_virtual_cluster.two"]).wait().assert_success();
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}
