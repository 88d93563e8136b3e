use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use terraform_provider_nested::domain::ledger::{Account, Holding, Ledger, Recorded, Refusal};
use terraform_provider_nested::domain::limit::Limit;
use terraform_provider_nested::domain::quantity::{Bytes, Millicores};
use terraform_provider_nested::domain::size::Size;
use terraform_provider_nested::domain::transition::Load;
use terraform_provider_nested::host::ledgers::{GroupRef, LedgerBook, LedgerError, recorded};
use terraform_provider_nested::host::record::{Phase, Share};
use terraform_provider_nested::host::store::StoreError;

use super::fixture::{Tenant, host};

fn group(id: &str) -> GroupRef {
    GroupRef { name: "ledgers".to_owned(), id: id.to_owned() }
}

fn holding(record: &str, cpu: u64) -> Holding {
    let size = Size { cpu: Millicores(cpu), memory: Bytes(0), storage: Bytes(0) };
    let (name, load) = (record.to_owned(), Load { size, ..Load::default() });
    Holding { name, load, record: record.to_owned(), ..Holding::default() }
}

fn admit(ledger: &mut Ledger, key: &str, most: u64) -> Result<(), Refusal> {
    let limit = Limit { cpu: Some(Millicores(most)), ..Limit::default() };
    ledger.admit(Account::Capacity, key, holding(key, 1000), &limit.into())
}

async fn empty() -> Result<Ledger, StoreError> {
    Ok(Ledger::default())
}

#[tokio::test]
async fn a_ledger_that_is_missing_is_said_to_be_and_is_written_once() {
    let book = LedgerBook::quota(&host(), group("first"));
    let missing = book.change(|ledger| admit(ledger, "a", 1000)).await;
    assert!(matches!(missing, Err(LedgerError::Missing { .. })), "{missing:?}");
    book.create(empty()).await.unwrap();
    book.change(|ledger| admit(ledger, "a", 1000)).await.unwrap().unwrap();
    book.create(empty()).await.unwrap();
    let read = book.read().await.unwrap().unwrap();
    assert_eq!(read.entries.keys().collect::<Vec<_>>(), ["a"], "a second rebuilding changes nothing");

    let later = LedgerBook::quota(&host(), group("second"));
    assert_eq!(later.read().await.unwrap(), None, "another group's of the same name");
    later.create(empty()).await.unwrap();
    assert_eq!(later.read().await.unwrap(), Some(Ledger::default()));
    book.remove().await.unwrap();
    assert!(later.read().await.unwrap().is_some(), "removed is only one's own");
    later.remove().await.unwrap();
    assert_eq!(later.read().await.unwrap(), None);

    later.create(empty()).await.unwrap();
    later.change(|ledger| admit(ledger, "a", 1000)).await.unwrap().unwrap();
    let last = later.change(|ledger| {
        ledger.release("a", "a");
        Ok::<(), Refusal>(())
    });
    last.await.unwrap().unwrap();
    assert_eq!(later.read().await.unwrap(), None, "the last one takes the ledger along");
}

#[tokio::test]
async fn of_many_that_want_the_same_room_as_many_get_it_as_there_is_room_for() {
    let book = LedgerBook::quota(&host(), GroupRef { name: "contested".to_owned(), id: "x".to_owned() });
    book.create(empty()).await.unwrap();
    let tries = (0..20).map(|number| {
        let book = book.clone();
        tokio::spawn(async move {
            let key = format!("tenant-{number}");
            book.change(|ledger| admit(ledger, &key, 7000)).await.unwrap().map(|()| key)
        })
    });
    let mut admitted = BTreeSet::new();
    for tried in tries.collect::<Vec<_>>() {
        admitted.extend(tried.await.unwrap().ok());
    }
    let ledger = book.read().await.unwrap().unwrap();
    assert_eq!(admitted.len(), 7);
    assert_eq!(ledger.entries.keys().cloned().collect::<BTreeSet<_>>(), admitted);
}

#[tokio::test]
async fn records_say_who_holds_what() {
    let tenant = Tenant::reserved("share").await;
    let share = Share {
        group: Some("dev".to_owned()),
        labels: [("team".to_owned(), "web".to_owned())].into(),
        load: Load { paused: true, extended: [("nvidia.com/gpu".into(), 2)].into(), ..holding("", 3000).load },
    };
    tenant.claim.update(|record| record.share = Some(share.clone())).await.unwrap();
    let said = async || {
        let said = recorded(&tenant.host).await.unwrap().remove(&tenant.namespace).unwrap();
        let Recorded::Known { holding, counts } = said else { panic!("{said:?}") };
        (holding, counts)
    };
    let (entry, counts) = said().await;
    assert!(!counts, "what is only reserved has no share yet that is not in the ledger");
    assert_eq!((&entry.load, &entry.labels), (&share.load, &share.labels));
    assert_eq!(entry.record, tenant.claim.record_uid());
    tenant.claim.update(|record| record.phase = Phase::Creating).await.unwrap();
    assert!(said().await.1);
}

#[tokio::test]
async fn changes_of_one_process_take_turns() {
    let book = LedgerBook::quota(&host(), GroupRef { name: "turns".to_owned(), id: "x".to_owned() });
    book.create(empty()).await.unwrap();
    let looks = AtomicUsize::new(0);
    let changes = (0..30).map(|number| {
        let (book, looks) = (&book, &looks);
        async move {
            let changed = book.change(|ledger| {
                looks.fetch_add(1, Ordering::Relaxed);
                admit(ledger, &number.to_string(), 100_000)
            });
            changed.await.unwrap().unwrap();
        }
    });
    futures::future::join_all(changes).await;
    assert_eq!(looks.into_inner(), 30, "nobody had to look again");
    book.remove().await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_another_process_has_written_since_is_read_again() {
    let group = || GroupRef { name: "written-since".to_owned(), id: "x".to_owned() };
    let (ours, theirs) = (LedgerBook::quota(&host(), group()), LedgerBook::quota(&host(), group()));
    ours.create(empty()).await.unwrap();
    theirs.change(|ledger| admit(ledger, "a", 2000)).await.unwrap().unwrap();
    ours.change(|ledger| admit(ledger, "b", 2000)).await.unwrap().unwrap();
    assert_eq!(ours.read().await.unwrap().unwrap().entries.len(), 2, "nobody's entry is lost");

    let release = |ledger: &mut Ledger| {
        ledger.release("a", "a");
        Ok::<(), Refusal>(())
    };
    theirs.change(release).await.unwrap().unwrap();
    ours.change(|ledger| admit(ledger, "c", 2000)).await.unwrap().expect("there is room again");
    theirs.change(release).await.unwrap().unwrap();
    theirs.change(|ledger| admit(ledger, "c", 2000)).await.unwrap().unwrap();
    let keys: Vec<String> = theirs.read().await.unwrap().unwrap().entries.into_keys().collect();
    assert_eq!(keys, ["b", "c"]);

    let last = |key: &'static str| {
        move |ledger: &mut Ledger| {
            ledger.release(key, key);
            Ok::<(), Refusal>(())
        }
    };
    theirs.change(last("b")).await.unwrap().unwrap();
    theirs.change(last("c")).await.unwrap().unwrap();
    let missing = ours.change(|ledger| admit(ledger, "d", 2000)).await;
    assert!(matches!(missing, Err(LedgerError::Missing { .. })), "{missing:?}");
}
