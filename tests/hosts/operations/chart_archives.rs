use terraform_provider_nested::host::chart_archives::{ArchiveError, ChartArchives};

use super::fixture::{Tenant, host};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn an_archive_lives_as_long_as_a_record_names_it() {
    let archives = ChartArchives::of(&host());
    let (first, second) = (Tenant::reserved("chart-1").await, Tenant::reserved("chart-2").await);
    for tenant in [&first, &second] {
        tenant.claim.update(|record| record.chart_digest = Some(DIGEST.into())).await.unwrap();
        archives.put(DIGEST, b"archive").await.unwrap();
    }
    first.claim.remove().await.unwrap();
    archives.release(DIGEST).await.unwrap();
    assert!(archives.holds(DIGEST).await.unwrap());
    assert_eq!(archives.get(DIGEST).await.unwrap().as_deref(), Some(&b"archive"[..]));
    second.claim.remove().await.unwrap();
    archives.release(DIGEST).await.unwrap();
    assert_eq!(archives.get(DIGEST).await.unwrap(), None);
}

#[tokio::test]
async fn an_archive_of_another_digest_is_not_taken_for_ours() {
    let archives = ChartArchives::of(&host());
    let tenant = Tenant::reserved("chart-foreign").await;
    archives.put("sha256:111111111111aaaa", b"archive").await.unwrap();
    let found = archives.get("sha256:111111111111bbbb").await;
    assert!(matches!(found, Err(ArchiveError::Foreign { .. })), "{found:?}");
    archives.release("sha256:111111111111aaaa").await.unwrap();
    tenant.claim.remove().await.unwrap();
}

#[tokio::test]
async fn an_archive_may_be_as_large_as_a_secret_and_no_larger() {
    let (archives, digest) = (ChartArchives::of(&host()), "sha256:222222222222");
    // The archive needs the namespace that a record makes.
    let tenant = Tenant::reserved("chart-large").await;
    archives.put(digest, &vec![0; 1024 * 1024]).await.unwrap();
    archives.release(digest).await.unwrap();
    tenant.claim.remove().await.unwrap();
    let refused = archives.put(digest, &vec![0; 1024 * 1024 + 1]).await.unwrap_err();
    assert!(refused.to_string().contains("1048577 bytes"), "{refused}");
}
