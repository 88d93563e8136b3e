//! Objects as they were applied, as they are, and who owns what, in the form in which API servers keep it.

use serde_json::{Value, json};

use super::super::Difference;
use super::{Since, Snapshot};

const US: &str = "us";

/// An object with entries of `managedFields`: manager, subresource, set.
fn live(mut object: Value, managers: &[(&str, &str, Value)]) -> Value {
    let entry = |(manager, subresource, set): &(&str, &str, Value)| {
        let operation = if *manager == US { "Apply" } else { "Update" };
        json!({"manager": manager, "subresource": subresource, "operation": operation, "fieldsV1": set})
    };
    object["metadata"]["managedFields"] = managers.iter().map(entry).collect();
    object
}

/// An object right after we have applied the set `ours` of it.
fn applied(object: &Value, ours: Value) -> Snapshot {
    Snapshot::of(&live(object.clone(), &[(US, "", ours)]), US)
}

#[track_caller]
fn check(was: &Snapshot, live: &Value, expected: &[(&str, Value, Value)]) {
    let found: Vec<_> = was
        .differences(live, US, Since::Nothing)
        .into_iter()
        .map(|difference| match difference {
            Difference::Field { path, expected, actual, .. } => {
                (path.to_string(), expected.unwrap_or_default(), actual.unwrap_or_default())
            }
            Difference::Order { path, expected, actual } => (path.to_string(), expected, actual),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(path, a, b)| ((*path).to_owned(), a.clone(), b.clone())).collect();
    assert_eq!(found, expected);
}

fn quota(hard: Value) -> Value {
    json!({"kind": "ResourceQuota", "metadata": {"labels": {"team": "a"}}, "spec": {"hard": hard}})
}

/// What we own of a quota as it was applied.
fn ours() -> Value {
    json!({"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": {"f:hard": {"f:cpu": {}, "f:memory": {}}}})
}

fn quota_applied() -> Snapshot {
    applied(&quota(json!({"cpu": "4", "memory": "4Gi"})), ours())
}

#[test]
fn a_field_that_another_has_changed_is_drift() {
    let applied = quota_applied();
    let ours_left = json!({"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": {"f:hard": {"f:memory": {}}}});
    let theirs = json!({"f:spec": {"f:hard": {"f:cpu": {}, "f:pods": {}}}});
    let managers = [(US, "", ours_left.clone()), ("kubectl-edit", "", theirs)];
    let now = live(quota(json!({"cpu": "9", "memory": "4Gi", "pods": "3"})), &managers);
    check(&applied, &now, &[("spec.hard.cpu", json!("4"), json!("9")), ("spec.hard.pods", Value::Null, json!("3"))]);
    // Gone altogether.
    let now = live(quota(json!({"memory": "4Gi"})), &[(US, "", ours_left)]);
    check(&applied, &now, &[("spec.hard.cpu", json!("4"), Value::Null)]);
}

#[test]
fn what_means_the_same_or_is_still_ours_is_none() {
    let applied = quota_applied();
    // Another spelling, under another owner.
    let managers = [("kubectl-edit", "", ours())];
    check(&applied, &live(quota(json!({"cpu": "4000m", "memory": "4096Mi"})), &managers), &[]);
    // Changed by a webhook during our own apply: managedFields do not tell of it.
    check(&applied, &live(quota(json!({"cpu": "9", "memory": "4Gi", "pods": "1"})), &[(US, "", ours())]), &[]);
    // Written by the status's owner.
    let mut now = quota(json!({"cpu": "4", "memory": "4Gi", "pods": "1"}));
    now["status"] = json!({"used": {"cpu": "1"}});
    let status = json!({"f:status": {"f:used": {}}, "f:spec": {"f:hard": {"f:pods": {}}}});
    check(&applied, &live(now, &[(US, "", ours()), ("kube-controller-manager", "status", status)]), &[]);
}

#[test]
fn labels_and_annotations_that_were_applied_count_and_others_do_not() {
    let applied = quota_applied();
    let mut now = quota(json!({"cpu": "4", "memory": "4Gi"}));
    now["metadata"]["labels"] = json!({"team": "b", "more": "x"});
    now["metadata"]["annotations"] = json!({"note": "x"});
    let ours_left = json!({"f:spec": {"f:hard": {"f:cpu": {}, "f:memory": {}}}});
    let theirs =
        json!({"f:metadata": {"f:labels": {"f:team": {}, "f:more": {}}, "f:annotations": {".": {}, "f:note": {}}}});
    let now = live(now, &[(US, "", ours_left), ("kubectl-label", "", theirs)]);
    check(&applied, &now, &[("metadata.labels.team", json!("a"), json!("b"))]);
}

fn workload(pod: Value) -> Value {
    json!({"kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 1, "template": {"spec": pod}}})
}

fn of_pod(set: Value) -> Value {
    json!({"f:spec": {"f:template": {"f:spec": set}}})
}

#[test]
fn items_of_lists_are_known_by_their_keys() {
    let was = workload(json!({
        "containers": [{
            "name": "syncer", "image": "a", "imagePullPolicy": "Always", "args": ["--x"],
            "ports": [{"containerPort": 8443, "protocol": "TCP"}],
        }],
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
    }));
    let port = json!({"k:{\"containerPort\":8443,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}});
    let was = applied(
        &was,
        of_pod(json!({"f:securityContext": {}, "f:containers": {"k:{\"name\":\"syncer\"}": {
            ".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:ports": port,
        }}})),
    );
    let now = workload(json!({
        "containers": [
            {"name": "evil", "image": "e"},
            {
                "name": "syncer", "image": "b", "imagePullPolicy": "Always", "args": ["--y"],
                "ports": [{"containerPort": 8443, "protocol": "TCP"}, {"containerPort": 1, "protocol": "UDP"}],
                "env": [{"name": "X", "value": "1"}],
            },
        ],
        "dnsPolicy": "Default",
        "hostNetwork": true,
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {"runAsUser": 0},
    }));
    let ours = of_pod(json!({"f:securityContext": {}, "f:containers": {"k:{\"name\":\"syncer\"}": {
        ".": {}, "f:name": {}, "f:ports": port,
    }}}));
    let theirs = of_pod(json!({
        "f:containers": {
            "k:{\"name\":\"evil\"}": {".": {}, "f:name": {}, "f:image": {}},
            "k:{\"name\":\"syncer\"}": {
                "f:image": {}, "f:args": {},
                "f:ports": {"k:{\"containerPort\":1,\"protocol\":\"UDP\"}": {".": {}, "f:containerPort": {}}},
                "f:env": {".": {}, "k:{\"name\":\"X\"}": {".": {}, "f:name": {}, "f:value": {}}},
            },
        },
        "f:hostNetwork": {}, "f:dnsPolicy": {}, "f:tolerations": {}, "f:securityContext": {"f:runAsUser": {}},
    }));
    let syncer = "spec.template.spec.containers[name=syncer]";
    check(
        &was,
        &live(now, &[(US, "", ours), ("kubectl-edit", "", theirs)]),
        &[
            (&format!("{syncer}.args"), json!(["--x"]), json!(["--y"])),
            (&format!("{syncer}.image"), json!("a"), json!("b")),
            (
                &format!("{syncer}.ports[containerPort=1,protocol=UDP]"),
                Value::Null,
                json!({"containerPort": 1, "protocol": "UDP"}),
            ),
            (&format!("{syncer}.env"), Value::Null, json!([{"name": "X", "value": "1"}])),
            ("spec.template.spec.containers[name=evil]", Value::Null, json!({"name": "evil", "image": "e"})),
            ("spec.template.spec.dnsPolicy", json!("ClusterFirst"), json!("Default")),
            ("spec.template.spec.securityContext.runAsUser", Value::Null, json!(0)),
            ("spec.template.spec.hostNetwork", Value::Null, json!(true)),
            ("spec.template.spec.tolerations", Value::Null, json!([{"operator": "Exists"}])),
        ],
    );
}

#[test]
fn an_item_that_is_gone_is_drift() {
    let was = workload(json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y"}]}]}));
    let env = |name: &str| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}}));
    let all: Value = [env("X"), env("Y")].into_iter().collect();
    let was = applied(&was, of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:env": all}}})));
    let now = workload(json!({"containers": [{"name": "a", "env": [{"name": "Y"}]}]}));
    let ours = of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {
        ".": {}, "f:env": {".": {}, "k:{\"name\":\"Y\"}": {".": {}, "f:name": {}}},
    }}}));
    let path = "spec.template.spec.containers[name=a].env[name=X]";
    check(&was, &live(now, &[(US, "", ours)]), &[(path, json!({"name": "X", "value": "1"}), Value::Null)]);
}

/// A container `a` with these variables, and the set of them.
fn with_env(env: Value) -> (Value, Value) {
    let names = env.as_array().unwrap().iter().map(|item| format!("k:{{\"name\":{}}}", item["name"]));
    let set: Value = names.map(|key| (key, json!({".": {}, "f:name": {}, "f:value": {}}))).collect();
    let set = of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:env": set}}}));
    (workload(json!({"containers": [{"name": "a", "env": env}]})), set)
}

const ENV: &str = "spec.template.spec.containers[name=a].env";

#[test]
fn a_second_item_of_the_same_key_is_drift_wherever_it_stands() {
    let (was, ours) = with_env(json!([{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]));
    let was = applied(&was, ours);
    // The API server keeps of duplicates only that they are there, and whose they are.
    let theirs = of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {"f:env": {"k:{\"name\":\"X\"}": {}}}}}));
    let (_, left) = with_env(json!([{"name": "Y", "value": "2"}]));
    let owners = [(US, "", left), ("kubectl-edit", "", theirs)];
    let second = json!({"name": "X", "value": "9"});
    for (place, env) in [
        (2, json!([{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}, second])),
        (0, json!([second, {"name": "X", "value": "1"}, {"name": "Y", "value": "2"}])),
    ] {
        let (now, _) = with_env(env);
        check(&was, &live(now, &owners), &[(&format!("{ENV}[{place}]"), Value::Null, second.clone())]);
    }
    let (now, _) = with_env(json!([second, {"name": "Y", "value": "2"}, second]));
    let expected =
        [(&*format!("{ENV}[0].value"), json!("1"), json!("9")), (&*format!("{ENV}[2]"), Value::Null, second.clone())];
    check(&was, &live(now, &owners), &expected);
    // As it was.
    let twice = json!([second, {"name": "X", "value": "1"}]);
    let (was, ours) = with_env(twice.clone());
    check(&applied(&was, ours), &live(with_env(twice).0, &owners), &[]);
}

#[test]
fn another_order_is_drift_where_it_has_an_effect() {
    let env = |name: &str, value: &str| json!({"name": name, "value": value});
    let [x, y, z] = [env("X", "1"), env("Y", "$(X)"), env("Z", "2")];
    let (object, ours) = with_env(json!([x, y, z]));
    let was = applied(&object, ours);
    let now = |env: Value| {
        let (object, set) = with_env(env);
        live(object, &[(US, "", set)])
    };
    check(&was, &now(json!([z, x, y])), &[(ENV, json!(["X", "Y", "Z"]), json!(["Z", "X", "Y"]))]);
    let removed = format!("{ENV}[name=Y]");
    check(
        &was,
        &now(json!([z, x])),
        &[(ENV, json!(["X", "Z"]), json!(["Z", "X"])), (&removed, y.clone(), Value::Null)],
    );
    // Cut off, it may have been us.
    assert_eq!(was.differences(&now(json!([z, x, y])), US, Since::OurApply), []);
    // What a webhook has put in between has no place of its own.
    let (_, ours) = with_env(json!([x, y, z]));
    let w = env("W", "");
    let (before, _) = with_env(json!([w, x, y, z]));
    let (after, _) = with_env(json!([x, w, y, z]));
    check(&applied(&before, ours.clone()), &live(after, &[(US, "", ours)]), &[]);
    // No variable refers to another one.
    let (object, ours) = with_env(json!([x, z]));
    check(&applied(&object, ours), &now(json!([z, x])), &[]);

    let pod = |names: [&str; 2]| workload(json!({"initContainers": names.map(|name| json!({ "name": name }))}));
    let set = of_pod(json!({"f:initContainers": {
        "k:{\"name\":\"a\"}": {".": {}, "f:name": {}}, "k:{\"name\":\"b\"}": {".": {}, "f:name": {}},
    }}));
    let expected = ("spec.template.spec.initContainers", json!(["a", "b"]), json!(["b", "a"]));
    check(&applied(&pod(["a", "b"]), set.clone()), &live(pod(["b", "a"]), &[(US, "", set)]), &[expected]);
}

#[test]
fn of_items_with_one_key_each_is_compared_with_itself() {
    let (was, _) = with_env(json!([{"name": "H", "value": "1"}, {"name": "H", "value": "2"}]));
    let webhooks = of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}}}}));
    let was = applied(&was, webhooks.clone());
    let theirs = of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {"f:env": {"k:{\"name\":\"H\"}": {}}}}}));
    let owners = [(US, "", webhooks), ("kubectl-edit", "", theirs)];
    let third = json!({"name": "H", "value": "3"});
    let (now, _) = with_env(json!([{"name": "H", "value": "1"}, third]));
    let expected = (&*format!("{ENV}[1]"), json!({"name": "H", "value": "2"}), third);
    check(&was, &live(now, &owners), &[expected]);
    // A webhook may take back what it has added.
    let (now, _) = with_env(json!([{"name": "H", "value": "2"}]));
    check(&was, &live(now, &owners), &[]);
}

#[test]
fn a_list_with_one_owner_is_one_field() {
    let role = |rules: Value| json!({"kind": "Role", "metadata": {}, "rules": rules});
    let rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
    let applied = applied(&role(json!([rule])), json!({"f:rules": {}}));
    let widened = json!([rule, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let theirs = [("kubectl-edit", "", json!({"f:rules": {}}))];
    check(&applied, &live(role(widened.clone()), &theirs), &[("rules", json!([rule]), widened)]);
    check(&applied, &live(role(json!([rule])), &theirs), &[]);
}

#[test]
fn ordinary_life_is_none() {
    let mut now = workload(json!({"containers": []}));
    now["spec"]["replicas"] = json!(0);
    now["spec"]["template"]["metadata"] = json!({"annotations": {
        "kubectl.kubernetes.io/restartedAt": "now", "vcluster.loft.sh/cert-rotation-at": "now",
    }});
    let restarted = json!({"f:spec": {
        "f:replicas": {},
        "f:template": {"f:metadata": {"f:annotations": {
            ".": {}, "f:kubectl.kubernetes.io/restartedAt": {}, "f:vcluster.loft.sh/cert-rotation-at": {},
        }}},
    }});
    let was = json!({
        "kind": "StatefulSet", "metadata": {},
        "spec": {"replicas": 1, "template": {"metadata": {"annotations": {"hash": "1"}}, "spec": {"containers": []}}},
    });
    let ours = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:metadata": {"f:annotations": {"f:hash": {}}}}}});
    now["spec"]["template"]["metadata"]["annotations"]["hash"] = json!("1");
    check(&applied(&was, ours), &live(now, &[("kubectl-rollout", "", restarted)]), &[]);
}

#[test]
fn what_a_webhook_has_made_of_our_apply_is_as_it_was_and_may_go() {
    let was = workload(json!({"containers": [{"name": "a", "image": "mirror/x"}, {"name": "sidecar"}]}));
    let ours = || of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}}}}));
    let was = applied(&was, ours());
    let theirs =
        of_pod(json!({"f:containers": {"k:{\"name\":\"sidecar\"}": {".": {}, "f:name": {}}, "k:{\"name\":\"a\"}": {
            ".": {}, "f:name": {}, "f:image": {},
        }}}));
    // Another manager has taken all of it over.
    let now = workload(json!({"containers": [{"name": "a", "image": "mirror/x"}, {"name": "sidecar"}]}));
    check(&was, &live(now, &[("argocd", "", theirs.clone())]), &[]);
    let now = workload(json!({"containers": [{"name": "a", "image": "mirror/x"}]}));
    check(&was, &live(now, &[(US, "", ours())]), &[]);
    let now = workload(json!({"containers": [{"name": "a", "image": "other/x"}]}));
    let image = "spec.template.spec.containers[name=a].image";
    check(&was, &live(now, &[("argocd", "", theirs)]), &[(image, json!("mirror/x"), json!("other/x"))]);
}

#[test]
fn without_owners_everything_that_is_not_as_it_was_counts() {
    let was = workload(json!({"containers": [{"name": "a", "image": "x", "imagePullPolicy": "Always"}]}));
    let ours = of_pod(json!({"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}}}}));
    let was = applied(&was, ours);
    let same = workload(json!({"containers": [{"name": "a", "image": "x", "imagePullPolicy": "Always"}]}));
    check(&was, &live(same, &[]), &[]);
    let now =
        workload(json!({"containers": [{"name": "a", "image": "x", "imagePullPolicy": "Never"}, {"name": "evil"}]}));
    let path = |rest: &str| format!("spec.template.spec.containers{rest}");
    check(
        &was,
        &live(now, &[]),
        &[
            (&path("[name=a].imagePullPolicy"), json!("Always"), json!("Never")),
            (&path("[name=evil]"), Value::Null, json!({"name": "evil"})),
        ],
    );
}

#[test]
fn an_object_on_its_way_out_is_drift() {
    let mut now = quota(json!({"cpu": "4", "memory": "4Gi"}));
    now["metadata"]["deletionTimestamp"] = json!("2026-11-27T12:00:00Z");
    let expected = ("metadata.deletionTimestamp", Value::Null, json!("2026-11-27T12:00:00Z"));
    check(&quota_applied(), &live(now, &[(US, "", ours())]), &[expected]);
}

#[test]
fn writes_of_others_in_our_name_are_not_ours() {
    let with_time = |mut object: Value, time: &str, operation: &str| {
        object["metadata"]["managedFields"][0]["time"] = json!(time);
        object["metadata"]["managedFields"][0]["operation"] = json!(operation);
        object
    };
    let at = |cpu: &str, time: &str, operation: &str| {
        with_time(live(quota(json!({"cpu": cpu, "memory": "4Gi"})), &[(US, "", ours())]), time, operation)
    };
    let was = Snapshot::of(&at("4", "1", "Apply"), US);
    let changed = [("spec.hard.cpu", json!("4"), json!("9"))];
    // What a webhook did to the field in the course of somebody else's write.
    check(&was, &at("9", "1", "Apply"), &[]);
    check(&was, &at("9", "2", "Apply"), &changed);
    check(&was, &at("9", "1", "Update"), &changed);
    // Cut off, it may have been us.
    assert_eq!(was.differences(&at("9", "2", "Apply"), US, Since::OurApply), []);
}

#[test]
fn nothing_is_no_value() {
    let role = |rules: Value| json!({"kind": "Role", "metadata": {}, "rules": rules});
    let was = applied(&role(json!([{"verbs": ["get"]}])), json!({"f:rules": {}}));
    let theirs = [("kubectl-edit", "", json!({"f:rules": {}}))];
    check(&was, &live(role(Value::Null), &theirs), &[("rules", json!([{"verbs": ["get"]}]), Value::Null)]);
}
