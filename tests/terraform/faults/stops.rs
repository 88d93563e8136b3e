//! Ctrl-C while a host is at its worst: the run ends at once, with what it knows in the state, and the next one converges.

use std::time::{Duration, Instant};

use rig::faults::{Fault, Rule, Which};

use super::subject::{Place, Step, Subject, acting};
use crate::interruption::at_once;
use crate::sharing::support::Hosts;
use support::eventually;
use support::left::assert_nothing_left;

/// A request that is under way gets a second. The rest is for Terraform, which saves the state, and for a machine that has other
/// things to do; without an end to what a host does it takes a minute and more.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_stop_ends_every_operation_whatever_the_host_does() {
    let hosts = Hosts::alone();
    let silence = || Fault::Silence(Duration::from_secs(120));
    let slow = || Fault::Slow { piece: 1, pause: Duration::from_secs(5) };
    let full = || Fault::TooManyRequests { retry_after: 10 };
    let cases = [
        (Subject::Named, Step::Create, 1, silence()),
        (Subject::Unnamed, Step::Create, 4, silence()),
        (Subject::Named, Step::Create, 9, full()),
        (Subject::Named, Step::Update, 3, slow()),
        (Subject::Unnamed, Step::Pause, 4, silence()),
        (Subject::Named, Step::Resize, 5, full()),
        (Subject::Named, Step::Destroy, 3, silence()),
        (Subject::Group, Step::Create, 2, silence()),
        (Subject::Group, Step::Update, 1, full()),
        (Subject::Group, Step::Destroy, 2, silence()),
    ];
    let place = |(number, case): (usize, &(Subject, Step, usize, Fault))| {
        (Place::on(&hosts, number % 2 == 0, case.0, &format!("stopped-{number}")), case.clone())
    };
    let places: Vec<_> = cases.iter().enumerate().map(place).collect();
    at_once(&places, |(place, (_, step, number, fault))| {
        place.prepare(*step);
        place.write(*step);
        place.proxy.add(Rule::new(Which::From(*number), acting(), fault.clone()));
        let running = place.start(*step);
        eventually("a request that meets the fault", || match place.proxy.met().len() {
            0 => Err("none has"),
            _ => Ok(()),
        });
        // Others may be on their way.
        std::thread::sleep(Duration::from_millis(500));
        let told = Instant::now();
        running.interrupt();
        let stopped = running.wait();
        let took = told.elapsed();
        println!("{} {step:?} {fault:?}: {took:?}", place.mark);
        assert!(took < SOON, "{} {step:?} {fault:?} went on for {took:?}: {}", place.mark, stopped.log);
        place.proxy.heal();
        place.converge(*step);
        if *step != Step::Destroy {
            place.take(Step::Destroy).assert_success();
        }
    });
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}
