use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use terraform_provider_nested::host::lease;
use terraform_provider_nested::host::record::{Phase, Record};
use terraform_provider_nested::host::records::claim::Claim;
use terraform_provider_nested::host::records::{Life, RecordError, Records, Reservation, Stored, Taken};
use terraform_provider_nested::host::store::{NAMESPACE, StoreError};
use tokio_util::sync::CancellationToken;

use super::fixture::{Tenant, host};

async fn stored(tenant: &Tenant) -> Stored {
    Records::of(&tenant.host).get(&tenant.namespace).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_namespace_holds_one_virtual_cluster() {
    let tenant = Tenant::reserved("one").await;
    let other = Record::new("other", &tenant.namespace, "uid", json!({}));
    let Reservation::Taken(found) = Records::of(&tenant.host).reserve(other).await.unwrap() else {
        panic!("two virtual clusters in {}", tenant.namespace)
    };
    assert_eq!(found.record, tenant.claim.record());
}

#[tokio::test]
async fn an_update_is_read_back_and_a_removed_record_is_gone() {
    let tenant = Tenant::reserved("updated").await;
    tenant.claim.update(|record| record.hand_over()).await.unwrap();
    assert_eq!(stored(&tenant).await.record.phase, Phase::HandedOver);
    let listed = Records::of(&tenant.host).list().await.unwrap();
    assert!(listed.readable.iter().any(|stored| stored.record == tenant.claim.record()));
    tenant.claim.remove().await.unwrap();
    assert!(Records::of(&tenant.host).get(&tenant.namespace).await.unwrap().is_none());
}

/// Takes the tenant's record over. A heartbeat of its owner that is due comes between reading and taking at most once.
async fn take_over(tenant: &Tenant) -> Claim {
    let records = Records::of(&tenant.host);
    match records.claim(stored(tenant).await).await {
        Err(RecordError::Store(StoreError::Changed { .. })) => records.claim(stored(tenant).await).await.unwrap(),
        taken => taken.unwrap(),
    }
}

#[tokio::test]
async fn a_process_that_was_thought_dead_can_write_nothing_more() {
    let tenant = Tenant::reserved("fenced").await;
    let successor = take_over(&tenant).await;
    let lost = |result: Result<(), RecordError>| assert!(matches!(result, Err(RecordError::Lost { .. })), "{result:?}");
    lost(tenant.claim.update(|record| record.phase = Phase::Deleting).await);
    lost(tenant.claim.confirm().await);
    assert!(tenant.claim.lost().is_cancelled());
    lost(tenant.claim.remove().await);
    successor.confirm().await.unwrap();
    assert_eq!(successor.record().phase, Phase::Reserved);
}

#[tokio::test]
async fn a_claim_is_written_again_before_anybody_can_have_taken_it_over() {
    let tenant = Tenant::reserved("confirmed").await;
    let before = stored(&tenant).await;
    tenant.claim.confirm().await.unwrap();
    assert_eq!(stored(&tenant).await.record, before.record, "it was written a moment ago");
    // As in a process that is suspended: no heartbeat, and no write for longer than a claim is certain.
    std::thread::sleep(lease::silence() / 2);
    tenant.claim.confirm().await.unwrap();
    assert_ne!(stored(&tenant).await.record, before.record);

    let successor = take_over(&tenant).await;
    std::thread::sleep(lease::silence() / 2);
    let late = tenant.claim.confirm().await;
    assert!(matches!(late, Err(RecordError::Lost { .. })), "{late:?}");
    successor.remove().await.unwrap();
}

#[tokio::test]
async fn a_record_that_moved_since_it_was_read_is_not_taken_over() {
    let tenant = Tenant::reserved("moved").await;
    let seen = stored(&tenant).await;
    tenant.claim.update(|_| {}).await.unwrap();
    let taken = Records::of(&tenant.host).claim(seen).await;
    assert!(matches!(taken, Err(RecordError::Store(StoreError::Changed { .. }))), "{taken:?}");
}

#[tokio::test]
async fn somebody_who_labels_a_record_does_not_stop_its_owner() {
    let tenant = Tenant::reserved("labelled").await;
    let secrets = Api::<Secret>::namespaced(tenant.host.client(), NAMESPACE);
    let label = Patch::Merge(json!({"metadata": {"labels": {"seen": "yes"}}}));
    secrets.patch("virtual-cluster.vcluster-labelled", &PatchParams::default(), &label).await.unwrap();
    tenant.claim.update(|record| record.phase = Phase::Creating).await.unwrap();
}

#[tokio::test]
async fn a_record_is_taken_from_who_has_let_go_of_it_and_not_from_who_works_on_it() {
    let (records, cancel) = (Records::of(&host()), CancellationToken::new());
    let tenant = Tenant::reserved("taken").await;
    let busy = records.take(stored(&tenant).await, &cancel).await.unwrap();
    assert!(matches!(busy, Taken::Busy(_)), "{busy:?}");
    tenant.claim.confirm().await.unwrap();

    let seen = stored(&tenant).await;
    let record = tenant.claim.finish(|record| record.hand_over()).await.unwrap();
    assert_eq!((record.phase, record.is_held()), (Phase::HandedOver, false));
    let started = Instant::now();
    // Also by who has last seen it while it was held.
    let Taken::Mine(claim) = records.take(seen, &cancel).await.unwrap() else { panic!("it was let go of") };
    assert!(started.elapsed() < lease::silence() / 2, "{:?}", started.elapsed());
    claim.finish(|_| {}).await.unwrap();

    let now = records.get("vcluster-taken").await.unwrap().unwrap();
    let Taken::Mine(cut_off) = records.take(now, &cancel).await.unwrap() else { panic!("nobody holds it") };
    drop(cut_off);
    let now = records.get("vcluster-taken").await.unwrap().unwrap();
    let Taken::Mine(claim) = records.take(now, &cancel).await.unwrap() else { panic!("its owner is silent") };
    let seen = records.get("vcluster-taken").await.unwrap().unwrap();
    claim.remove().await.unwrap();
    let gone = records.take(seen, &cancel).await;
    assert!(matches!(gone, Ok(Taken::Gone)), "{gone:?}");
}

#[tokio::test]
async fn unfinished_records_are_found_without_the_others_and_ones_own() {
    let records = Records::of(&host());
    let is_listed = async |namespace: &str| {
        let listed = records.abandoned().await.unwrap();
        listed.iter().any(|stored| stored.record.namespace == namespace)
    };
    let tenant = Tenant::reserved("unfinished-record").await;
    assert!(is_listed(&tenant.namespace).await);
    let own = Records::of(&tenant.host).abandoned().await.unwrap();
    assert!(!own.iter().any(|stored| stored.record.namespace == tenant.namespace), "this process works on it");
    tenant.claim.update(|record| record.phase = Phase::Deleting).await.unwrap();
    assert!(is_listed(&tenant.namespace).await);
    tenant.claim.update(|record| record.hand_over()).await.unwrap();
    assert!(!is_listed(&tenant.namespace).await);
    tenant.claim.update(|record| record.phase = Phase::Deleting).await.unwrap();
    assert!(!is_listed(&tenant.namespace).await, "a state has had it");
    tenant.claim.remove().await.unwrap();
}

#[tokio::test]
async fn life_is_judged_by_the_heartbeat() {
    let (records, cancel) = (Records::of(&host()), CancellationToken::new());
    let tenant = Tenant::reserved("alive").await;
    let seen = stored(&tenant).await;
    let life = records.watch_for_life(&seen, lease::silence(), &cancel).await.unwrap();
    assert!(matches!(life, Life::Alive(_)), "{life:?}");

    drop(tenant.claim);
    let seen = records.get(&tenant.namespace).await.unwrap().unwrap();
    let mut life = records.watch_for_life(&seen, lease::beat() * 2, &cancel).await.unwrap();
    if let Life::Alive(last) = &life {
        // The last beat was on its way already.
        life = records.watch_for_life(last, lease::beat() * 2, &cancel).await.unwrap();
    }
    let Life::Stopped(still) = life else { panic!("{life:?}") };
    let claim = records.claim(*still).await.unwrap();
    claim.remove().await.unwrap();

    let life = records.watch_for_life(&seen, lease::beat() * 2, &cancel).await.unwrap();
    assert!(matches!(life, Life::Gone), "{life:?}");
}

#[tokio::test]
async fn what_is_noted_goes_with_the_next_write() {
    let tenant = Tenant::reserved("noted").await;
    tenant.claim.note(|record| record.chart_digest = Some("sha256:1".to_owned()));
    assert_eq!(tenant.claim.record().chart_digest.as_deref(), Some("sha256:1"));
    assert_eq!(stored(&tenant).await.record.chart_digest, None);
    // Somebody labels the Secret: the write is made again, with what was noted.
    let labelled = json!({"metadata": {"labels": {"example.com/by": "somebody"}}});
    let secrets = Api::<Secret>::namespaced(tenant.host.client(), NAMESPACE);
    let name = format!("virtual-cluster.{}", tenant.namespace);
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(labelled)).await.unwrap();
    tenant.claim.update(|record| record.phase = Phase::Creating).await.unwrap();
    let now = stored(&tenant).await.record;
    assert_eq!((now.chart_digest.as_deref(), now.phase), (Some("sha256:1"), Phase::Creating));
    // It is written once, and a later change stays.
    tenant.claim.update(|record| record.chart_digest = None).await.unwrap();
    tenant.claim.update(|_| {}).await.unwrap();
    assert_eq!(stored(&tenant).await.record.chart_digest, None);
    tenant.claim.remove().await.unwrap();
}
