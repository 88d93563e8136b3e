//! A refresh takes no fault for absence: a plan during which requests fail once is the plan without that.

use std::time::Duration;

use rig::faults::{Fault, Requests, Rule, Which};
use serde_json::{Value, json};

use super::subject::{Place, Subject};
use crate::sharing::support::{Hosts, group, member, referring};
use support::left::assert_nothing_left;
use support::workspace::Plan;

/// What a plan says, without when it was made.
fn shown(plan: &Plan) -> Value {
    let of = |part: &str| plan.0[part].clone();
    json!({
        "changes": of("resource_changes"), "drift": of("resource_drift"), "values": of("planned_values"),
        "prior": of("prior_state"),
    })
}

/// A group with some virtual clusters on `eu-1`, of which one is to change.
struct Watched {
    hosts: Hosts,
    place: Place,
}

impl Watched {
    fn with(members: usize) -> Self {
        let hosts = Hosts::alone();
        let place = Place::on(&hosts, true, Subject::Member, "watched");
        let watched = Self { hosts, place };
        watched.write(members, "");
        watched.place.workspace.apply().assert_success();
        watched.write(members, "labels = { v = \"2\" }");
        watched
    }

    fn write(&self, members: usize, change: &str) {
        let small = "resources = { cpu = \"3\", memory = \"3Gi\" }\nhost_cluster = \"eu-1\"";
        let one = |number: usize| {
            let more = if number == 0 { change } else { "" };
            member(&format!("watched_{number}"), "watch", &format!("{}\n{small}\n{more}", referring("watch")))
        };
        self.place.workspace.write(&(group("watch", "") + &(0..members).map(one).collect::<String>()));
    }

    /// Plans while requests that read fail so.
    fn check(&self, which: Which, requests: &Requests, faults: &[Fault]) {
        let undisturbed = shown(&self.place.workspace.plan());
        for fault in faults {
            let proxies = [&self.place.proxy, &self.place.other];
            for proxy in proxies {
                proxy.add(Rule::new(which, requests.clone(), fault.clone()));
            }
            let before = self.place.proxy.met().len();
            let (run, plan) = self.place.workspace.try_plan();
            proxies.into_iter().for_each(rig::faults::Proxy::heal);
            assert!(self.place.proxy.met().len() > before, "no request met {fault:?}");
            assert!(run.succeeded, "{fault:?}: {}", run.errors());
            assert_eq!(shown(&plan), undisturbed, "{fault:?}");
        }
    }

    /// Plans while the first host is away, and comes back.
    fn check_restart(&self) {
        let (workspace, proxy) = (&self.place.workspace, &self.place.proxy);
        let undisturbed = shown(&workspace.plan());
        proxy.go_away();
        let (run, plan) = std::thread::scope(|scope| {
            scope.spawn(|| {
                // It is away when the first request comes, and back before the last attempt.
                std::thread::sleep(Duration::from_millis(1500));
                proxy.come_back().unwrap();
            });
            workspace.try_plan()
        });
        run.assert_success();
        assert_eq!(shown(&plan), undisturbed);
    }

    fn destroy(self) {
        self.place.workspace.destroy().assert_success();
        for host in [self.hosts.eu, self.hosts.us] {
            assert_nothing_left(host);
        }
    }
}

#[test]
fn a_host_that_fails_for_a_moment_changes_no_plan() {
    let watched = Watched::with(2);
    let every_request_at_first = [
        Fault::Unavailable,
        Fault::InternalError,
        Fault::NoLeader,
        Fault::Reset,
        Fault::ResetAfterEffect,
        Fault::ResetInBody,
        Fault::Slow { piece: 512, pause: Duration::from_millis(5) },
    ];
    watched.check(Which::FirstOfEach, &Requests::reads(), &every_request_at_first);
    // Those that make all others wait.
    let one_request = [Fault::TooManyRequests { retry_after: 1 }, Fault::Silence(Duration::from_secs(3))];
    watched.check(Which::Nth(4), &Requests::reads(), &one_request);
    watched.check_restart();
    watched.destroy();
}

#[test]
fn a_list_whose_rest_has_expired_changes_no_plan() {
    // More than are looked at one by one.
    let watched = Watched::with(6);
    for proxy in [&watched.place.proxy, &watched.place.other] {
        proxy.page(2);
    }
    watched.check(Which::Nth(1), &Requests::continued(), &[Fault::Expired]);
    watched.destroy();
}
