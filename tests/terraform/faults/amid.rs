//! Faults at random: each request of every operation may meet one. Once they end, the next apply converges.

use rig::faults::{Chance, Fault};

use super::applies::every;
use super::subject::{Place, Subject, crew};
use crate::interruption::at_once;
use crate::sharing::support::Hosts;
use support::left::{assert_counted_once, assert_nothing_left};

/// Says the seed when a test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "The faults of this test came from the seed {}: TORMENT_SEED={} gives them again.",
                self.0, self.0
            );
        }
    }
}

/// Whole lives in which so many of a thousand requests meet a fault.
pub fn live(seed: u64, per_mille: usize) {
    let _seed = Seed(seed);
    let faults = [every(), vec![Fault::Expired]].concat();
    let hosts = Hosts::alone();
    let platform = crew(&hosts);
    let subjects = [Subject::Named, Subject::Unnamed, Subject::Member, Subject::Group];
    let place = |(number, subject): (usize, &Subject)| {
        Place::on(&hosts, number % 2 == 0, *subject, &format!("amid-{seed}-{number}"))
    };
    let places: Vec<Place> = subjects.iter().enumerate().map(place).collect();
    at_once(&places, |place| {
        for (number, step) in place.subject.life().iter().enumerate() {
            for (proxy, seed) in [(&place.proxy, seed), (&place.other, !seed)] {
                let seed = seed.wrapping_add(number as u64);
                proxy.risk(Chance { seed, per_mille, faults: faults.clone() });
            }
            let run = place.take(*step);
            place.proxy.heal();
            place.other.heal();
            if run.succeeded {
                place.assert_taken(*step);
                continue;
            }
            println!("{} {step:?}: {}", place.mark, run.errors());
            place.converge(*step);
        }
    });
    platform.destroy().assert_success();
    assert_counted_once(&[hosts.eu, hosts.us]);
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}
