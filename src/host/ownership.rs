//! What makes an object on a host ours.
//!
//! Labels prove nothing: vCluster copies most labels of tenants' objects to the host. An object is ours by namespace,
//! exact name and our field manager's entry in `managedFields`, or by the UID that our record holds.

use kube::api::ObjectMeta;

/// The field manager under which this provider writes, by server-side apply and by patch.
pub const FIELD_MANAGER: &str = "terraform-provider-nested";

/// The label that says which tool manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Whether an object found under a name of ours is ours: the one with the UID that we recorded, or one that our field
/// manager wrote.
pub fn is_ours(live: &ObjectMeta, recorded_uid: Option<&str>) -> bool {
    let recorded = recorded_uid.is_some() && recorded_uid == live.uid.as_deref();
    recorded || managers(live).iter().any(|manager| manager == FIELD_MANAGER)
}

/// Who wrote the object, each manager once, without writers of subresources such as status.
pub fn managers(live: &ObjectMeta) -> Vec<String> {
    let entries = live.managed_fields.iter().flatten();
    let main = entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let mut managers: Vec<String> = main.filter_map(|entry| entry.manager.clone()).collect();
    managers.sort();
    managers.dedup();
    managers
}

/// Who wrote the object, for a person.
pub(super) fn writers(live: &ObjectMeta) -> String {
    let managers = managers(live);
    if managers.is_empty() {
        "written by nobody known".to_owned()
    } else {
        format!("written by {}", managers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ours_is_what_our_field_manager_wrote_or_our_record_knows() {
        let entry = |manager: &str, subresource: &str| json!({"manager": manager, "subresource": subresource});
        let cases = [
            (json!([entry(FIELD_MANAGER, "")]), None, true),
            (json!([entry("kubectl", ""), entry(FIELD_MANAGER, "")]), None, true),
            (json!([entry("kubectl", "")]), None, false),
            (json!([entry(FIELD_MANAGER, "status")]), None, false),
            (json!([entry("kubectl", "")]), Some("uid-1"), true),
            (json!([entry("kubectl", "")]), Some("uid-2"), false),
            (json!([]), None, false),
        ];
        for (managed_fields, recorded, expected) in cases {
            let live: ObjectMeta = serde_json::from_value(json!({
                "name": "a",
                "uid": "uid-1",
                "labels": {MANAGED_BY_LABEL: FIELD_MANAGER},
                "managedFields": managed_fields,
            }))
            .unwrap();
            assert_eq!(is_ours(&live, recorded), expected, "{managed_fields} {recorded:?}");
        }
    }
}
