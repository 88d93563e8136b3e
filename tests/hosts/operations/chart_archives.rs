use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use terraform_provider_nested::host::chart_archives::{ArchiveError, ChartArchives};

use super::fixture::{Tenant, host};

const DIGEST: &str = "sha256:0123456789ab";

/// Archives that begin with their digest.
fn archives() -> ChartArchives {
    ChartArchives::of(&host(), |archive| Some(String::from_utf8_lossy(archive.get(..DIGEST.len())?).into_owned()))
}

fn secrets() -> Api<Secret> {
    Api::namespaced(host().client(), "nested-system")
}

/// A digest, and an archive that has it.
fn archive(hex: &str, content: &str) -> (String, Vec<u8>) {
    let digest = format!("sha256:{hex}");
    assert_eq!(digest.len(), DIGEST.len());
    let bytes = format!("{digest}{content}").into_bytes();
    (digest, bytes)
}

/// Puts a Secret with other content under the name of an archive, as somebody with write access to the namespace can.
async fn replace(digest: &str, type_: &str, content: &[u8]) {
    use base64::Engine as _;
    let name = format!("chart-{}", digest.trim_start_matches("sha256:"));
    secrets().delete(&name, &DeleteParams::default()).await.unwrap();
    let forged = json!({
        "metadata": {"name": name, "annotations": {"nested-clusters.io/digest": digest}},
        "type": type_,
        "data": {"chart.tgz": base64::prelude::BASE64_STANDARD.encode(content)},
    });
    secrets().create(&PostParams::default(), &serde_json::from_value(forged).unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_archive_lives_as_long_as_a_record_names_it() {
    let (archives, (digest, bytes)) = (archives(), archive("0123456789ab", "archive"));
    let (first, second) = (Tenant::reserved("chart-1").await, Tenant::reserved("chart-2").await);
    for tenant in [&first, &second] {
        tenant.claim.update(|record| record.chart_digest = Some(digest.clone())).await.unwrap();
        archives.put(&digest, &bytes).await.unwrap();
    }
    first.claim.remove().await.unwrap();
    archives.release(&digest).await.unwrap();
    assert!(archives.holds(&digest).await.unwrap());
    assert_eq!(archives.get(&digest).await.unwrap(), Some(bytes));
    second.claim.remove().await.unwrap();
    archives.release(&digest).await.unwrap();
    assert_eq!(archives.get(&digest).await.unwrap(), None);
}

#[tokio::test]
async fn an_archive_with_other_content_is_none_and_is_replaced() {
    let tenant = Tenant::reserved("chart-forged").await;
    let (archives, (digest, bytes)) = (archives(), archive("111111111111", "archive"));
    for forged in ["sha256:222222222222other", "nothing", ""] {
        archives.put(&digest, &bytes).await.unwrap();
        replace(&digest, "nested-clusters.io/chart", forged.as_bytes()).await;
        assert_eq!(archives.get(&digest).await.unwrap(), None, "{forged}");
        assert!(!archives.holds(&digest).await.unwrap(), "{forged}");
        archives.put(&digest, &bytes).await.unwrap();
        assert_eq!(archives.get(&digest).await.unwrap().as_ref(), Some(&bytes), "{forged}");
    }
    archives.release(&digest).await.unwrap();
    tenant.claim.remove().await.unwrap();
}

#[tokio::test]
async fn what_is_no_archive_is_not_touched() {
    let tenant = Tenant::reserved("chart-foreign").await;
    let (archives, (digest, bytes)) = (archives(), archive("333333333333", "archive"));
    archives.put(&digest, &bytes).await.unwrap();
    replace(&digest, "Opaque", &bytes).await;
    for found in [archives.get(&digest).await.map(drop), archives.put(&digest, &bytes).await] {
        assert!(matches!(found, Err(ArchiveError::Foreign { .. })), "{found:?}");
    }
    assert!(!archives.holds(&digest).await.unwrap());
    secrets().delete("chart-333333333333", &DeleteParams::default()).await.unwrap();
    tenant.claim.remove().await.unwrap();
}

#[tokio::test]
async fn an_archive_may_be_as_large_as_a_secret_and_no_larger() {
    let (archives, (digest, mut bytes)) = (archives(), archive("444444444444", ""));
    bytes.resize(1024 * 1024, 0);
    // The archive needs the namespace that a record makes.
    let tenant = Tenant::reserved("chart-large").await;
    archives.put(&digest, &bytes).await.unwrap();
    archives.release(&digest).await.unwrap();
    tenant.claim.remove().await.unwrap();
    bytes.push(0);
    let refused = archives.put(&digest, &bytes).await.unwrap_err();
    assert!(refused.to_string().contains("1048577 bytes"), "{refused}");
}

#[tokio::test]
async fn an_archive_stays_as_long_as_another_claim_of_the_process_keeps_it() {
    let host = host();
    let claim = async |name: &str| Tenant::reserve(&host, name, &format!("vcluster-{name}")).await;
    let (first, second) = (claim("keeps-1").await, claim("keeps-2").await);
    let elsewhere = Tenant::reserved("keeps-3").await.claim;
    assert!(!second.is_kept_by_another(DIGEST));
    first.keeps(DIGEST);
    assert!(second.is_kept_by_another(DIGEST));
    assert!(!second.is_kept_by_another("sha256:another"));
    assert!(!first.is_kept_by_another(DIGEST), "it is its own");
    assert!(!elsewhere.is_kept_by_another(DIGEST), "another process's");
    first.finish(|_| {}).await.unwrap();
    assert!(!second.is_kept_by_another(DIGEST), "from now on the record may go");
}
