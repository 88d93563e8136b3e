//! What takes long: hundreds of kills, every fault in every operation, lives amid random faults. `make torment` runs it.
//! Everything is drawn from a seed, which each failure names.

use std::time::Instant;

use rig::faults::Dice;

use super::kills::{Kill, batch};
use super::subject::{Place, Subject, crew};
use super::{amid, applies};
use crate::sharing::support::Hosts;

/// As many kills at once.
const BATCH: usize = 8;

fn number(variable: &str, otherwise: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        _ => otherwise,
    }
}

fn seed() -> u64 {
    number("TORMENT_SEED", 1) as u64
}

#[test]
#[ignore = "long; make torment runs it"]
fn whatever_is_killed_one_more_apply_converges() {
    let (seed, kills) = (seed(), number("TORMENT_KILLS", 200));
    let mut dice = Dice::of(seed);
    let drawn: Vec<Kill> = (0..kills).map(|_| Kill::draw(&mut dice)).collect();
    println!("SEED={seed}, {kills} kills");
    let start = Instant::now();
    let mut wrong = Vec::new();
    for (number, some) in drawn.chunks(BATCH).enumerate() {
        let (failures, made) = batch(&format!("t{number}"), some);
        made.iter().for_each(|kill| println!("batch {number}: {kill}"));
        failures.iter().for_each(|failure| println!("batch {number} went wrong: {failure}"));
        wrong.extend(failures.into_iter().map(|failure| format!("batch {number}: {failure}")));
    }
    println!("{kills} kills in {} s", start.elapsed().as_secs());
    assert!(wrong.is_empty(), "SEED={seed}: {} things went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
#[ignore = "long; make torment runs it"]
fn every_fault_in_every_operation_ends_well() {
    for (subject, name) in [(Subject::Named, "named"), (Subject::Unnamed, "unnamed"), (Subject::Group, "group")] {
        for (number, faults) in applies::every().chunks(5).enumerate() {
            applies::live(seed(), &format!("{name}-{number}"), subject, faults);
        }
    }
}

#[test]
#[ignore = "long; make torment runs it"]
fn lives_amid_random_faults_end_well() {
    for (number, per_mille) in [20, 60, 150].into_iter().enumerate() {
        amid::live(seed().wrapping_add(number as u64), per_mille);
    }
}

/// No fault at all: what each operation asks of the host, from the first request on.
#[test]
#[ignore = "it measures; make torment runs it"]
fn requests_of_each_operation() {
    let hosts = Hosts::alone();
    let platform = crew(&hosts);
    for subject in [Subject::Named, Subject::Unnamed, Subject::Member, Subject::Group] {
        let place = Place::on(&hosts, true, subject, "counted");
        for step in subject.life() {
            place.write(*step);
            place.workspace.plan();
            let _ = (place.proxy.take(), place.other.take());
            place.take(*step).assert_success();
            let (here, there) = (place.proxy.take(), place.other.take());
            let writes = ["POST", "PUT", "PATCH", "DELETE"].map(|method| here.of(method, ""));
            println!(
                "{subject:?} {step:?}: {} requests to {}, of these {writes:?} POST, PUT, PATCH, DELETE; {} to the other",
                here.total(),
                place.host,
                there.total()
            );
        }
    }
    platform.destroy().assert_success();
}
