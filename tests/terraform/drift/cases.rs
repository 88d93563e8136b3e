//! What somebody can do to the objects of a virtual cluster, and what a plan says of it. A table per subject.

mod chart;
mod network;
mod ownership;
mod pods;
mod rights;
mod sizes;
mod workloads;

use super::table::check;

#[test]
fn every_kind_of_tampering_shows_in_a_plan_and_is_repaired_by_its_apply() {
    let tables = [
        sizes::cases(),
        workloads::cases(),
        pods::cases(),
        network::cases(),
        rights::cases(),
        ownership::cases(),
        chart::cases(),
    ];
    let cases: Vec<_> = tables.into_iter().flatten().collect();
    assert!(cases.len() >= 45, "only {}", cases.len());
    check(&cases);
}
