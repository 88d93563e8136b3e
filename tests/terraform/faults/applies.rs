//! An apply that meets a fault ends in success or with the host's own words, and the next one converges.

use std::time::Duration;

use http::Method;
use rig::faults::{Dice, Fault, Requests, Rule, Which};

use super::SEED;
use super::subject::{Place, Step, Subject, nth};
use crate::interruption::at_once;
use crate::sharing::support::Hosts;
use support::left::{assert_counted_once, assert_nothing_left};

/// How far into an operation its fault may be, in requests. Every operation makes more.
fn most(subject: Subject, step: Step) -> usize {
    match (subject, step) {
        (Subject::Group, Step::Create) => 3,
        (Subject::Group, _) => 1,
        (_, Step::Create) => 20,
        _ => 8,
    }
}

/// The fault of one operation.
fn rule(seed: u64, subject: Subject, step: Step, fault: &Fault) -> Rule {
    if *fault == Fault::Conflict {
        return Rule::new(Which::Nth(1), Requests::with(Method::PUT).to("/secrets/"), fault.clone());
    }
    let mut dice = Dice::about(seed, &format!("{subject:?} {step:?} {fault:?}"));
    nth(1 + dice.below(most(subject, step)), fault.clone())
}

/// What an error has to say: which host it was, and what that has said. A conflict is told as what it means.
fn assert_says(errors: &str, place: &Place, fault: &Fault) {
    let words = match fault {
        Fault::Conflict => "nother",
        fault => fault.words().map_or(place.host, |(_, _, message)| message),
    };
    assert!(errors.contains(words) && errors.contains(place.host), "{fault:?} is explained so: {errors}");
}

/// Lives a life with each of the faults, all at once: in each operation one request meets it.
pub fn live(seed: u64, name: &str, subject: Subject, faults: &[Fault]) {
    let hosts = Hosts::alone();
    let place = |(number, fault): (usize, &Fault)| {
        (fault.clone(), Place::on(&hosts, number % 2 == 0, subject, &format!("{name}-{number}")))
    };
    let places: Vec<(Fault, Place)> = faults.iter().enumerate().map(place).collect();
    for step in subject.life() {
        at_once(&places, |(fault, place)| {
            let (run, met) = place.suffer(*step, rule(seed, subject, *step, fault));
            assert_eq!(met, 1, "{step:?} {fault:?}: the fault comes too late");
            if run.succeeded {
                return place.assert_taken(*step);
            }
            let met = place.proxy.met().pop().map(|met| met.request.to_string()).unwrap_or_default();
            println!("{subject:?} {step:?} fails: {met} met {fault:?}");
            assert_says(&run.errors(), place, fault);
            place.converge(*step);
        });
        assert_counted_once(&[hosts.eu, hosts.us]);
    }
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}

/// All that there are, but [`Fault::Expired`], which has no place in an apply of one thing.
pub fn every() -> Vec<Fault> {
    vec![
        Fault::InternalError,
        Fault::ResetAfterEffect,
        Fault::Conflict,
        Fault::Silence(Duration::from_secs(2)),
        Fault::Reset,
        Fault::ResetInBody,
        Fault::NoLeader,
        Fault::Unavailable,
        Fault::TooManyRequests { retry_after: 1 },
        Fault::Slow { piece: 256, pause: Duration::from_millis(20) },
    ]
}

#[test]
fn a_virtual_cluster_survives_a_fault_in_every_operation() {
    live(SEED, "faulty", Subject::Named, &every()[..4]);
}

#[test]
fn a_group_survives_a_fault_in_every_operation() {
    live(SEED, "grouped", Subject::Group, &every()[..4]);
}

#[test]
fn a_record_that_cannot_be_written_after_the_namespace_was_made_keeps_its_namespace() {
    let hosts = Hosts::alone();
    let faults = [Fault::InternalError, Fault::ResetAfterEffect, Fault::Reset];
    let place = |(number, fault): (usize, &Fault)| {
        (fault.clone(), Place::on(&hosts, true, Subject::Named, &format!("unwritten-{number}")))
    };
    let places: Vec<(Fault, Place)> = faults.iter().enumerate().map(place).collect();
    at_once(&places, |(fault, place)| {
        let made = Requests::with(Method::POST).to("/api/v1/namespaces?");
        let record = Requests::with(Method::PUT).to("/secrets/virtual-cluster.").since(made);
        let (run, met) = place.suffer(Step::Create, Rule::new(Which::Nth(1), record, fault.clone()));
        assert_eq!(met, 1, "{fault:?}");
        if !run.succeeded {
            assert_says(&run.errors(), place, fault);
        }
        place.converge(Step::Create);
        place.converge(Step::Destroy);
    });
    assert_nothing_left(hosts.eu);
}
