//! Sums, refusals and placements of what is planned; the search is compared with trying everything.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::domain::amounts::tests::gpus;
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::Size;
use crate::domain::transition::Load;

fn cpu(cpu: u64) -> Amounts {
    Size { cpu: Millicores(cpu), ..Size::ZERO }.into()
}

fn limit(cpu: u64) -> Limit {
    Limit { cpu: Some(Millicores(cpu)), ..Limit::UNLIMITED }
}

fn holding(group: &str, record: &str, amount: u64) -> Holding {
    let name = record.to_owned();
    let (load, record) = (Load { size: cpu(amount).size, ..Load::default() }, record.to_owned());
    Holding { name, group: Some(group.to_owned()), load, record, ..Holding::default() }
}

fn ledger(entries: &[(&str, u64)]) -> Ledger {
    let entries = entries.iter().map(|(key, amount)| (key.to_string(), holding("dev", key, *amount)));
    Ledger { entries: entries.collect() }
}

/// Of group `dev`, on hosts with 10 m each.
fn request(amount: u64, hosts: &[&str]) -> Request {
    Request {
        group: Some("dev".to_owned()),
        label: "team-a".to_owned(),
        size: cpu(amount),
        quota: cpu(amount),
        owner: None,
        share: cpu(amount),
        whole: cpu(amount),
        minimum: Amounts::ZERO,
        hosts: hosts.iter().map(|host| Choice { host: host.to_string(), limit: limit(10) }).collect(),
        replaces: None,
    }
}

fn replacing(amount: u64, hosts: &[&str], host: &str, namespace: &str) -> Request {
    let replaces = Some(Replaced { host: host.to_owned(), namespace: namespace.to_owned() });
    Request { replaces, ..request(amount, hosts) }
}

/// Hosts `h0`, `h1` …, called `host-0`, `host-1` …, with what runs there.
fn accounting(hosts: &[&[(&str, u64)]]) -> Accounting {
    let mut accounting = Accounting::default();
    for (index, entries) in hosts.iter().enumerate() {
        accounting.set_host(&format!("h{index}"), &format!("host-{index}"), Ok(ledger(entries)));
    }
    accounting
}

#[track_caller]
fn check(accounting: &mut Accounting, key: &str, request: Request, expected: Result<(), &str>) {
    match (accounting.plan(key.to_owned(), request), expected) {
        (Ok(()), Ok(())) => {}
        (Err(refused), Err(part)) => {
            let changes: Vec<String> = refused.changes.iter().map(Change::to_string).collect();
            let host = refused.host.as_deref().unwrap_or("-");
            let text = format!("{:?} {host} {}", refused.kind, changes.join("; "));
            assert!(text.contains(part), "{text} does not say {part:?}");
        }
        (actual, _) => panic!("{actual:#?} instead of {expected:?}"),
    }
}

#[track_caller]
fn check_numbers(accounting: &Accounting, group: Option<&str>, hosts: &[&str], expected: &[(&str, u64, u64)]) {
    let rows = accounting.rows(group, &request(0, hosts).hosts, []);
    let rows: Vec<_> = rows.iter().map(|row| (&*row.name, row.used.size.cpu.0, row.allocated.size.cpu.0)).collect();
    assert_eq!(rows, expected);
}

#[test]
fn requests_add_up_until_a_host_is_full() {
    let mut accounting = accounting(&[&[("a", 3)]]);
    check(&mut accounting, "1", request(4, &["h0"]), Ok(()));
    check(
        &mut accounting,
        "2",
        request(4, &["h0"]),
        Err("Capacity host-0 cpu: 4m requested, 3m available, 1m missing"),
    );
    check(&mut accounting, "3", request(3, &["h0"]), Ok(()));
    check(&mut accounting, "4", request(0, &["h0"]), Ok(()));
    check_numbers(&accounting, None, &["h0"], &[("host-0", 3, 7)]);
}

#[test]
fn planning_again_replaces_what_was_planned() {
    let mut accounting = accounting(&[&[]]);
    check(&mut accounting, "1", request(8, &["h0"]), Ok(()));
    check(&mut accounting, "1", request(8, &["h0"]), Ok(()));
    check(&mut accounting, "1", request(10, &["h0"]), Ok(()));
    check(&mut accounting, "1", request(11, &["h0"]), Err("1m missing"));
    check(&mut accounting, "2", request(10, &["h0"]), Ok(()));
}

#[test]
fn what_failed_is_forgotten() {
    let mut accounting = accounting(&[&[]]);
    check(&mut accounting, "1", request(8, &["h0"]), Ok(()));
    accounting.free("1");
    accounting.free("unknown");
    check(&mut accounting, "2", request(10, &["h0"]), Ok(()));
}

#[test]
fn open_placements_make_room_for_pinned_ones() {
    let mut accounting = accounting(&[&[], &[("a", 1)]]);
    check(&mut accounting, "open", request(5, &["h0", "h1"]), Ok(()));
    check_numbers(&accounting, None, &["h0", "h1"], &[("host-0", 0, 5), ("host-1", 1, 0)]);
    check(&mut accounting, "pinned", request(10, &["h0"]), Ok(()));
    check_numbers(&accounting, None, &["h0", "h1"], &[("host-0", 0, 10), ("host-1", 1, 5)]);
    check(
        &mut accounting,
        "more",
        request(5, &["h1", "h0"]),
        Err("host-1 cpu: 5m requested, 4m available, 1m missing"),
    );
}

#[test]
fn what_is_planned_on_other_hosts_keeps_its_place() {
    let mut accounting = accounting(&[&[], &[], &[]]);
    check(&mut accounting, "elsewhere", request(9, &["h2"]), Ok(()));
    check(&mut accounting, "open", request(6, &["h0", "h1"]), Ok(()));
    check(&mut accounting, "pinned", request(6, &["h0"]), Ok(()));
    check_numbers(&accounting, None, &["h0", "h1", "h2"], &[("host-0", 0, 6), ("host-1", 0, 6), ("host-2", 0, 9)]);
}

#[test]
fn quota_and_capacity_are_told_apart() {
    let mut accounting = accounting(&[&[("a", 3)], &[]]);
    accounting.set_quota("dev", limit(12).into(), Ok(ledger(&[("h0/a", 3)])));
    let hosts = &["h0", "h1"];
    check(&mut accounting, "1", request(8, hosts), Ok(()));
    let refused = accounting.plan("2".to_owned(), request(4, hosts)).unwrap_err();
    assert_eq!((refused.kind, &refused.host, refused.rows.len()), (Kind::Quota, &None, 3));
    let change = &refused.changes[0];
    assert_eq!((change.available, change.reduce_by, change.raise_by, change.raise_to), (1, 3, 3, 15));
    check_numbers(&accounting, Some("dev"), &["h1"], &[("host-1", 0, 8), ("quota", 3, 8)]);
    check(&mut accounting, "3", Request { quota: Amounts::ZERO, ..request(8, hosts) }, Err("Capacity host-0"));
    let other = Request { group: Some("other".to_owned()), ..request(7, hosts) };
    check(&mut accounting, "4", other, Ok(()));
}

#[test]
fn an_exceeded_quota_must_be_raised_by_more_than_the_request() {
    let mut accounting = accounting(&[&[]]);
    accounting.set_quota("dev", limit(5).into(), Ok(ledger(&[("h9/a", 8)])));
    let refused = accounting.plan("1".to_owned(), request(2, &["h0"])).unwrap_err();
    let change = &refused.changes[0];
    assert_eq!((change.available, change.reduce_by, change.raise_by, change.raise_to), (0, 2, 5, 10));
}

#[test]
fn a_paused_one_takes_quota_without_a_host() {
    let mut accounting = accounting(&[&[("a", 10)]]);
    accounting.set_quota("dev", limit(12).into(), Ok(ledger(&[("h0/a", 10)])));
    let resized = |quota| Request { size: Amounts::ZERO, quota: cpu(quota), ..request(0, &["h0"]) };
    check(&mut accounting, "1", resized(1), Ok(()));
    check(&mut accounting, "2", resized(2), Err("Quota - cpu: 2m requested, 1m available"));
}

#[test]
fn missing_numbers_refuse_nobody_and_are_named() {
    let mut accounting = accounting(&[&[("a", 10)]]);
    accounting.set_host("h1", "host-1", Err("it does not answer".to_owned()));
    accounting.set_quota("dev", limit(0).into(), Err("host-1 does not answer".to_owned()));
    let open = request(1000, &["h0", "h1"]);
    check(&mut accounting, "1", open.clone(), Ok(()));
    check(&mut accounting, "2", request(1000, &["h1"]), Ok(()));
    check(&mut accounting, "3", request(1000, &["nobody told of it"]), Ok(()));
    check(&mut accounting, "4", request(1, &["h0"]), Err("host-0 cpu: 1m requested, 0 available"));
    let missing = accounting.missing(&open);
    let names: Vec<_> = missing.iter().map(|missing| (&*missing.name, &*missing.why)).collect();
    assert_eq!(names, [("host-1", "it does not answer"), ("quota of dev", "host-1 does not answer")]);
    assert_eq!(accounting.missing(&request(1, &["h0"])).len(), 1);
}

#[test]
fn nothing_goes_on_no_host() {
    let mut accounting = accounting(&[]);
    check(&mut accounting, "1", request(1, &[]), Err("Capacity - "));
    check(&mut accounting, "2", request(0, &[]), Ok(()));
}

#[test]
fn what_is_settled_is_counted_once_whenever_the_host_is_looked_at() {
    let mut accounting = accounting(&[&[("a", 2)], &[]]);
    accounting.set_quota("dev", limit(20).into(), Ok(ledger(&[("h0/a", 2)])));
    check(&mut accounting, "1", request(5, &["h0", "h1"]), Ok(()));
    check_numbers(&accounting, Some("dev"), &["h0", "h1"], &[("host-0", 2, 0), ("host-1", 0, 5), ("quota", 2, 5)]);
    accounting.settle("1", "h0", "b", &holding("dev", "b", 5));
    let after = [("host-0", 7, 0), ("host-1", 0, 0), ("quota", 7, 0)];
    check_numbers(&accounting, Some("dev"), &["h0", "h1"], &after);
    accounting.set_host("h0", "host-0", Ok(ledger(&[("a", 2)])));
    accounting.set_quota("dev", limit(20).into(), Ok(ledger(&[("h0/a", 2)])));
    check_numbers(&accounting, Some("dev"), &["h0", "h1"], &after);
    accounting.set_host("h0", "host-0", Ok(ledger(&[("a", 2), ("b", 5)])));
    check_numbers(&accounting, Some("dev"), &["h0", "h1"], &after);
    check(&mut accounting, "2", request(4, &["h0"]), Err("4m requested, 3m available"));
}

#[test]
fn what_grew_is_counted_once() {
    let mut accounting = accounting(&[&[("a", 2)]]);
    check(&mut accounting, "h0/a", request(3, &["h0"]), Ok(()));
    accounting.settle("h0/a", "h0", "a", &holding("dev", "a", 5));
    check_numbers(&accounting, None, &["h0"], &[("host-0", 5, 0)]);
}

#[test]
fn what_settles_elsewhere_moves_the_others() {
    let mut accounting = accounting(&[&[], &[]]);
    let hosts = &["h0", "h1"];
    check(&mut accounting, "1", request(7, hosts), Ok(()));
    check(&mut accounting, "2", request(7, hosts), Ok(()));
    check_numbers(&accounting, None, hosts, &[("host-0", 0, 7), ("host-1", 0, 7)]);
    accounting.settle("1", "h1", "a", &holding("dev", "a", 7));
    check_numbers(&accounting, None, hosts, &[("host-0", 0, 7), ("host-1", 7, 0)]);
    check(&mut accounting, "3", request(4, hosts), Err("3m available"));
}

#[test]
fn the_share_of_a_replaced_one_is_its_own_and_nobody_elses() {
    let mut accounting = accounting(&[&[("old", 8)]]);
    accounting.set_quota("dev", limit(10).into(), Ok(ledger(&[("h0/old", 8)])));
    check(&mut accounting, "1", replacing(4, &["h0"], "h0", "old"), Ok(()));
    check(&mut accounting, "2", request(3, &["h0"]), Err("Quota - cpu: 3m requested, 2m available"));
    check(&mut accounting, "1", replacing(10, &["h0"], "h0", "old"), Ok(()));
    check_numbers(&accounting, Some("dev"), &["h0"], &[("host-0", 8, 2), ("quota", 8, 2)]);
    check(&mut accounting, "1", replacing(11, &["h0"], "h0", "old"), Err("11m requested, 10m available"));
    check(&mut accounting, "2", replacing(9, &["h0"], "h0", "unknown"), Err("9m requested, 2m available"));
}

#[test]
fn a_replacement_that_settles_ends_what_it_replaced() {
    let mut accounting = accounting(&[&[("old", 8)], &[]]);
    accounting.set_quota("dev", limit(20).into(), Ok(ledger(&[("h0/old", 8)])));
    check(&mut accounting, "1", replacing(9, &["h0", "h1"], "h0", "old"), Ok(()));
    accounting.settle("1", "h1", "new", &holding("dev", "new", 9));
    check_numbers(&accounting, Some("dev"), &["h0", "h1"], &[("host-0", 0, 0), ("host-1", 9, 0), ("quota", 9, 0)]);
    check(&mut accounting, "2", replacing(9, &["h1"], "h1", "new"), Ok(()));
    accounting.settle("2", "h1", "new", &holding("dev", "newer", 7));
    check_numbers(&accounting, Some("dev"), &["h1"], &[("host-1", 7, 0), ("quota", 7, 0)]);
}

#[test]
fn the_least_is_missing_where_the_worst_resource_misses_least_of_the_request() {
    let mut accounting = accounting(&[&[], &[]]);
    let both = |cpu, memory| Limit { cpu: Some(Millicores(cpu)), memory: Some(Bytes(memory)), ..Limit::UNLIMITED };
    let mut request = Request { size: Size { memory: Bytes(100), ..cpu(10).size }.into(), ..request(0, &["h0", "h1"]) };
    request.hosts[0].limit = both(9, 50);
    request.hosts[1].limit = both(6, 90);
    check(
        &mut accounting,
        "1",
        request,
        Err("host-1 cpu: 10m requested, 6m available, 4m missing; memory: 100 requested"),
    );
}

#[test]
fn a_thousand_requests_are_counted_at_once() {
    let uids: Vec<String> = (0..20).map(|host| format!("h{host}")).collect();
    let mut accounting = accounting(&[&[] as &[_]; 20]);
    let hosts: Vec<Choice> = uids.iter().map(|host| Choice { host: host.clone(), limit: limit(5000) }).collect();
    let wanted = Request { hosts, ..request(100, &[]) };
    let started = std::time::Instant::now();
    for key in 0..1000 {
        check(&mut accounting, &key.to_string(), wanted.clone(), Ok(()));
    }
    check(&mut accounting, "one too many", wanted.clone(), Err("0 available"));
    for key in 0..1000 {
        let name = format!("n{key}");
        accounting.settle(&key.to_string(), &uids[key % 20], &name, &holding("dev", &name, 100));
    }
    check(&mut accounting, "one too many", wanted, Err("0 available"));
    // A second or two; a search that grows with the number of placements would take for ever.
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}

/// Whether any placement of all requests in this order works, tried one by one.
fn some_placement_works(
    held: &[Vec<(String, u64, u64)>],
    placed: &mut Vec<(usize, Size)>,
    requests: &[Request],
) -> bool {
    let Some((request, rest)) = requests.split_first() else { return true };
    if request.size.is_zero() {
        return some_placement_works(held, placed, rest);
    }
    request.hosts.iter().any(|choice| {
        let host: usize = choice.host[1..].parse().unwrap();
        let total = |of: fn(&Size) -> u64| -> u64 {
            placed.iter().filter(|(other, _)| *other == host).map(|(_, size)| of(size)).sum()
        };
        let old = request.replaces.as_ref().filter(|old| old.host == choice.host);
        let own = old.and_then(|old| held[host].iter().find(|(name, _, _)| *name == old.namespace));
        let own = own.map_or((0, 0), |(_, cpu, memory)| (*cpu, *memory));
        let used: (u64, u64) = held[host].iter().fold((0, 0), |sum, entry| (sum.0 + entry.1, sum.1 + entry.2));
        let fits =
            |used: u64, size: u64, limit: Option<u64>| size == 0 || limit.is_none_or(|limit| used + size <= limit);
        let (cpu, memory) = (request.size.size.cpu.0, request.size.size.memory.0);
        if !fits(used.0 - own.0 + total(|size| size.cpu.0), cpu, choice.limit.cpu.map(|cpu| cpu.0))
            || !fits(used.1 - own.1 + total(|size| size.memory.0), memory, choice.limit.memory.map(|memory| memory.0))
        {
            return false;
        }
        let growth = Size {
            cpu: Millicores(cpu.saturating_sub(own.0)),
            memory: Bytes(memory.saturating_sub(own.1)),
            storage: Bytes(0),
        };
        placed.push((host, growth));
        let works = some_placement_works(held, placed, rest);
        placed.pop();
        works
    })
}

#[test]
fn exactly_what_no_placement_allows_is_refused() {
    let (mut refusals, mut rearrangements) = (0, 0);
    for seed in 0..3000 {
        let mut random = StdRng::seed_from_u64(seed);
        let hosts = random.random_range(1..=4);
        let held: Vec<Vec<(String, u64, u64)>> = (0..hosts)
            .map(|_| {
                let entry = |index| (format!("n{index}"), random.random_range(0..4), random.random_range(0..4));
                (0..2).map(entry).collect()
            })
            .collect();
        let mut accounting = Accounting::default();
        for (index, entries) in held.iter().enumerate() {
            let entries = entries.iter().map(|(name, cpu, memory)| {
                let size = Size { cpu: Millicores(*cpu), memory: Bytes(*memory), storage: Bytes(0) };
                (name.clone(), Holding { load: Load { size, ..Load::default() }, ..holding("dev", name, 0) })
            });
            let uid = format!("h{index}");
            accounting.set_host(&uid, &uid, Ok(Ledger { entries: entries.collect() }));
        }
        // Two groups whose limits differ.
        let limits: Vec<Vec<Limit>> = (0..2)
            .map(|_| {
                let mut amount = || random.random_bool(0.9).then(|| random.random_range(2..13));
                (0..hosts)
                    .map(|_| Limit { cpu: amount().map(Millicores), memory: amount().map(Bytes), ..Limit::UNLIMITED })
                    .collect()
            })
            .collect();
        let mut kept: Vec<Request> = Vec::new();
        for key in 0..7 {
            let limits = &limits[random.random_range(0..2)];
            let mut choices: Vec<Choice> = (0..hosts)
                .filter(|_| random.random_bool(0.75))
                .map(|host| Choice { host: format!("h{host}"), limit: limits[host].clone() })
                .collect();
            if random.random_bool(0.5) {
                choices.reverse();
            }
            let replaces = random.random_bool(0.2).then(|| Replaced {
                host: format!("h{}", random.random_range(0..hosts)),
                namespace: format!("n{}", random.random_range(0..3)),
            });
            let size = Size {
                cpu: Millicores(random.random_range(0..7)),
                memory: Bytes(random.random_range(0..7)),
                storage: Bytes(0),
            };
            let wanted = Request { size: size.into(), hosts: choices, replaces, ..request(0, &[]) };
            kept.push(wanted.clone());
            let before: Vec<_> = accounting.planned.values().map(|planned| planned.placed).collect();
            let works = some_placement_works(&held, &mut Vec::new(), &kept);
            let planned = accounting.plan(key.to_string(), wanted);
            assert_eq!(planned.is_ok(), works, "seed {seed}, request {key}: {kept:#?}\n{accounting:#?}");
            if let Err(refused) = planned {
                refusals += 1;
                assert_eq!(refused.changes.is_empty(), refused.request.hosts.is_empty(), "seed {seed}: {refused:#?}");
                kept.pop();
            }
            rearrangements +=
                usize::from(!accounting.planned.values().map(|planned| planned.placed).take(before.len()).eq(before));
        }
    }
    assert!(refusals > 500 && rearrangements > 100, "{refusals} refusals and {rearrangements} rearrangements");
}

/// Of group `dev`, whose label `team` says whose it is.
fn of(owner: &str, amount: u64) -> Request {
    Request { owner: Some(owner.to_owned()), size: Amounts::ZERO, ..request(amount, &[]) }
}

fn owned(owner: &str, record: &str, amount: u64) -> Holding {
    Holding { labels: [("team".to_owned(), owner.to_owned())].into(), ..holding("dev", record, amount) }
}

/// Ten in all, four for each team and six for `big`.
fn bounds() -> Bounds {
    Bounds { total: limit(10), shares: Some(Shares::new("team", limit(4), [("big".to_owned(), limit(6))])) }
}

#[test]
fn an_owner_is_refused_beyond_its_share_and_others_are_not() {
    let mut accounting = Accounting::default();
    let held = [("h0/a", owned("web", "ra", 3)), ("h0/n", holding("dev", "rn", 1))];
    let entries = held.map(|(key, holding)| (key.to_owned(), holding)).into();
    accounting.set_quota("dev", bounds(), Ok(Ledger { entries }));
    check(&mut accounting, "1", of("web", 2), Err("Share - cpu: 2m requested, 1m available, 1m missing"));
    check(&mut accounting, "2", of("web", 1), Ok(()));
    check(&mut accounting, "3", of("web", 1), Err("Share - cpu: 1m requested, 0 available"));
    check(&mut accounting, "4", of("big", 6), Err("Quota - cpu: 6m requested, 5m available"));
    check(&mut accounting, "4", of("big", 5), Ok(()));
    check(&mut accounting, "5", Request { owner: None, ..of("", 1) }, Err("Quota - cpu: 1m requested, 0 available"));
    accounting.free("2");
    check(&mut accounting, "5", Request { owner: None, ..of("", 1) }, Ok(()));
    accounting.free("5");
    let refused = accounting.plan("4".to_owned(), of("big", 7)).unwrap_err();
    assert_eq!(refused.kind, Kind::Quota, "both are short, and the quota is everybody's");
    let refused = accounting.plan("6".to_owned(), of("web", 4)).unwrap_err();
    let rows: Vec<_> =
        refused.rows.iter().map(|row| (&*row.name, row.used.size.cpu.0, row.allocated.size.cpu.0)).collect();
    assert_eq!(rows, [("quota", 4, 0), ("share of web", 3, 0)]);
    let rows = accounting.rows(Some("dev"), &[], ["big", "web", "nobody"]);
    let left: Vec<_> = rows.iter().map(|row| (&*row.name, row.available().cpu.unwrap().0)).collect();
    assert_eq!(left, [("quota", 6), ("share of big", 6), ("share of web", 1), ("share of nobody", 4)]);
}

#[test]
fn what_comes_from_another_owner_needs_room_for_all_of_it() {
    let mut accounting = Accounting::default();
    let entries = [("h0/a".to_owned(), owned("big", "ra", 5)), ("h0/b".to_owned(), owned("web", "rb", 9))].into();
    accounting.set_quota("dev", bounds(), Ok(Ledger { entries }));
    let moved = |owner: &str, share| Request { quota: Amounts::ZERO, share: cpu(share), ..of(owner, 0) };
    check(&mut accounting, "h0/a", moved("web", 5), Err("Share - cpu: 5m requested, 0 available"));
    check(&mut accounting, "h0/a", moved("other", 5), Err("Share - cpu: 5m requested, 4m available"));
    check(&mut accounting, "h0/a", moved("big", 0), Ok(()));
    check(&mut accounting, "h0/b", moved("web", 0), Ok(()));
}

#[test]
fn a_replacement_uses_the_share_of_what_it_replaces_where_the_owner_is_the_same() {
    let mut accounting = Accounting::default();
    let entries = [("h0/a".to_owned(), owned("web", "ra", 4)), ("h0/b".to_owned(), owned("other", "rb", 4))].into();
    accounting.set_quota("dev", bounds(), Ok(Ledger { entries }));
    let replaces = |owner: &str| Request { replaces: replacing(4, &[], "h0", "a").replaces, ..of(owner, 4) };
    check(&mut accounting, "1", replaces("web"), Ok(()));
    check(&mut accounting, "1", replaces("other"), Err("Share - cpu: 4m requested, 0 available"));
    check(&mut accounting, "1", replaces("big"), Ok(()));
    accounting.settle("1", "h1", "new", &owned("big", "new", 4));
    check(&mut accounting, "2", of("web", 2), Ok(()));
}

#[test]
fn virtual_clusters_and_extended_resources_are_counted_like_cpu() {
    let mut accounting = accounting(&[&[], &[]]);
    let bounds = Limit { virtual_clusters: Some(2), extended: gpus(6), ..Limit::UNLIMITED };
    accounting.set_quota("dev", bounds.into(), Ok(Ledger::default()));
    let with_gpus = |amount, hosts: &[&str]| {
        let asked = Amounts { extended: gpus(amount), ..cpu(1) };
        let mut request = Request {
            size: asked.clone(),
            quota: Amounts { virtual_clusters: 1, ..asked.clone() },
            whole: asked,
            ..request(1, hosts)
        };
        request.hosts.iter_mut().for_each(|choice| choice.limit.extended = gpus(4));
        request.hosts.iter_mut().for_each(|choice| choice.limit.unnamed = Some(0));
        request
    };
    check(&mut accounting, "1", with_gpus(3, &["h0", "h1"]), Ok(()));
    check(
        &mut accounting,
        "2",
        with_gpus(4, &["h0"]),
        Err("Quota - nvidia.com/gpu: 4 requested, 3 available, 1 missing"),
    );
    check(&mut accounting, "2", with_gpus(3, &["h0"]), Ok(()));
    check(&mut accounting, "3", with_gpus(0, &["h1"]), Err("Quota - virtual_clusters: 1 requested, 0 available"));
    let without = Request { group: None, ..with_gpus(3, &["h0", "h1"]) };
    check(&mut accounting, "4", without, Err("Capacity host-0 nvidia.com/gpu: 3 requested, 1 available, 2 missing"));
}
