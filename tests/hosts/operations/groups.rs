use serde_json::json;
use terraform_provider_nested::host::groups::{GroupPhase, GroupRecord, Groups};
use terraform_provider_nested::host::nodes;
use terraform_provider_nested::host::store::StoreError;

use super::fixture::host;

fn record(name: &str) -> GroupRecord {
    GroupRecord {
        name: name.to_owned(),
        id: "id".to_owned(),
        epoch: 1,
        generation: 1,
        home: "uid".to_owned(),
        hosts: [("uid".to_owned(), "eu-1".to_owned())].into(),
        phase: GroupPhase::Ready,
        chart_digest: "sha256:0".to_owned(),
        spec: json!({"description": "a test"}),
        more: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn a_groups_record_is_changed_only_as_it_was_read() {
    let groups = Groups::of(&host());
    assert!(groups.get("swapped").await.unwrap().is_none());
    let made = groups.create(&record("swapped")).await.unwrap().unwrap();
    assert!(groups.create(&record("swapped")).await.unwrap().is_none(), "there is one already");
    let next = GroupRecord { generation: 2, ..record("swapped") };
    let written = groups.replace(&made, &next).await.unwrap();
    assert_eq!(groups.get("swapped").await.unwrap().unwrap().record, next);
    let stale = groups.replace(&made, &record("swapped")).await;
    assert!(matches!(stale, Err(StoreError::Changed { .. })), "{stale:?}");
    let stale = groups.remove(&made).await;
    assert!(matches!(stale, Err(StoreError::Changed { .. })), "{stale:?}");
    assert!(groups.list().await.unwrap().readable.iter().any(|stored| stored.record == next));
    groups.remove(&written).await.unwrap();
    groups.remove(&written).await.unwrap();
    assert!(groups.get("swapped").await.unwrap().is_none());
}

#[tokio::test]
async fn nodes_are_read_with_what_they_can_carry() {
    let nodes = nodes::list(&host()).await.unwrap();
    assert!(
        !nodes.is_empty() && nodes.iter().all(|node| node.is_ready && node.cpu.0 > 0 && node.memory.0 > 0),
        "{nodes:?}"
    );
}
