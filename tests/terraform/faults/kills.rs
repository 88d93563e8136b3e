//! Every stop is safe: whenever the plugin or Terraform is killed, one more apply or destroy converges.
//!
//! The moment of a kill is the nth request of the operation, counted from the first one that may change something. That
//! request is held: the host knows nothing of it yet, or has done it and nobody has heard.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::Method;
use rig::faults::{Dice, Moment, Requests, Which};
use serde_json::json;

use super::SEED;
use super::subject::{Place, Step, Subject, acting, crew};
use crate::sharing::support::Hosts;
use support::left::{assert_counted_once, assert_nothing_left, clear};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Plugin,
    Terraform,
}

/// Who is killed when.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    pub subject: Subject,
    pub step: Step,
    pub victim: Victim,
    /// Counted from 1. Half of it where the operation has fewer.
    pub request: usize,
    pub moment: Moment,
    /// Whether the requests to `eu-1` are counted, and not those to `us-1`.
    pub first: bool,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, step, victim, request, moment, first } = self;
        let host = if *first { "eu-1" } else { "us-1" };
        write!(f, "{subject:?} {step:?}, {victim:?} killed at request {request} to {host}, {moment:?}")
    }
}

impl Kill {
    pub fn new(subject: Subject, step: Step, request: usize) -> Self {
        Self { subject, step, victim: Victim::Plugin, request, moment: Moment::BeforeEffect, first: true }
    }

    pub fn after_effect(self) -> Self {
        Self { moment: Moment::AfterEffect, ..self }
    }

    pub fn of_terraform(self) -> Self {
        Self { victim: Victim::Terraform, ..self }
    }

    pub fn on_us(self) -> Self {
        Self { first: false, ..self }
    }

    /// Anything that there is.
    pub fn draw(dice: &mut Dice) -> Self {
        let subjects = [Subject::Named, Subject::Named, Subject::Unnamed, Subject::Member, Subject::Group];
        let subject = *dice.pick(&subjects);
        let step = *dice.pick(subject.life());
        Self {
            subject,
            step,
            victim: *dice.pick(&[Victim::Plugin, Victim::Plugin, Victim::Terraform]),
            request: 1 + dice.below(most(subject, step)),
            moment: *dice.pick(&[Moment::BeforeEffect, Moment::AfterEffect]),
            first: *dice.pick(&[true, false]),
        }
    }
}

/// About as many requests as an operation makes to one host from its first change on.
fn most(subject: Subject, step: Step) -> usize {
    match (subject, step) {
        (Subject::Group, Step::Create) => 12,
        (Subject::Group, _) => 8,
        (_, Step::Create) => 70,
        (_, Step::Destroy) => 35,
        _ => 50,
    }
}

/// Kills once, and returns at which request.
fn kill(place: &Place, kill: &Kill) -> usize {
    let mut number = kill.request;
    loop {
        place.prepare(kill.step);
        place.write(kill.step);
        let hold = place.proxy.hold(Which::Nth(number), acting(), kill.moment);
        let mut running = place.start(kill.step);
        while !hold.is_reached() && !running.has_ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if hold.is_reached() {
            match kill.victim {
                Victim::Plugin => {
                    running.kill_plugin().assert_failure();
                    drop(hold);
                }
                Victim::Terraform => drop(running.kill_terraform(hold)),
            }
            place.proxy.heal();
            return number;
        }
        place.proxy.heal();
        running.wait().assert_success();
        assert!(number > 1, "{kill}: it makes no request that may change something");
        number /= 2;
    }
}

/// Makes all of these kills at once on hosts of their own. Returns what was wrong afterwards, and the kills as they were.
pub fn batch(name: &str, kills: &[Kill]) -> (Vec<String>, Vec<Kill>) {
    let hosts = Hosts::alone();
    let platform = kills.iter().any(|kill| kill.subject == Subject::Member).then(|| crew(&hosts));
    let mut wrong = Vec::new();
    let place = |(number, kill): (usize, &Kill)| {
        let place = Place::on(&hosts, kill.first, kill.subject, &format!("{name}-{number}"));
        (*kill, place)
    };
    let mut places: Vec<(Kill, Place)> = kills.iter().enumerate().map(place).collect();
    in_each(&mut places, &mut wrong, |(planned, place)| {
        planned.request = kill(place, planned);
        place.converge(planned.step);
    });
    note(&mut wrong, "after another apply", || assert_counted_once(&[hosts.eu, hosts.us]));
    in_each(&mut places, &mut wrong, |(_, place)| {
        place.take(Step::Destroy).assert_success();
    });
    if let Some(platform) = platform {
        note(&mut wrong, "the destroy of their group", || {
            platform.destroy().assert_success();
        });
    }
    for host in [hosts.eu, hosts.us] {
        note(&mut wrong, "after everything was destroyed", || assert_nothing_left(host));
    }
    let made = places.into_iter().map(|(made, _)| made).collect();
    if !wrong.is_empty() {
        [hosts.eu, hosts.us].into_iter().for_each(clear);
    }
    (wrong, made)
}

/// Runs `check` in each place, all at once, and notes what panicked.
fn in_each(places: &mut [(Kill, Place)], wrong: &mut Vec<String>, check: impl Fn(&mut (Kill, Place)) + Sync) {
    let failures: Vec<_> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for place in places {
            let check = &check;
            threads.push(scope.spawn(move || {
                let failure = catch(|| check(&mut *place));
                failure.map(|failure| format!("{}: {failure}", place.0))
            }));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    wrong.extend(failures.into_iter().flatten());
}

fn note(wrong: &mut Vec<String>, when: &str, check: impl FnOnce()) {
    wrong.extend(catch(check).map(|failure| format!("{when}: {failure}")));
}

/// What a panic says, if there is one.
fn catch(check: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(check)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).or(Some("a panic".to_owned()))
}

#[track_caller]
fn check(name: &str, kills: &[Kill]) {
    let (wrong, made) = batch(name, kills);
    let made: Vec<String> = made.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}\n\nafter these kills:\n{}", wrong.join("\n"), made.join("\n"));
}

#[test]
fn whatever_is_killed_the_next_apply_or_destroy_converges() {
    let mut dice = Dice::about(SEED, "kills");
    let mut at = |step| Kill::new(Subject::Named, step, 1 + dice.below(14));
    let named = [
        at(Step::Create),
        at(Step::Create).after_effect().of_terraform().on_us(),
        at(Step::Update),
        at(Step::Pause).after_effect().on_us(),
        at(Step::Resume).of_terraform(),
        at(Step::Resize).on_us(),
        at(Step::Destroy).after_effect().on_us(),
    ];
    let unnamed = Kill::new(Subject::Unnamed, Step::Create, 12).after_effect();
    let member = Kill::new(Subject::Member, Step::Create, 18);
    let group =
        [Kill::new(Subject::Group, Step::Create, 2).on_us(), Kill::new(Subject::Group, Step::Update, 1).after_effect()];
    check("killed", &[&named[..], &[unnamed, member], &group].concat());
}

/// Kills the plugin when the first of these requests is held, and takes the step once more.
#[track_caller]
fn check_at(subject: Subject, step: Step, mark: &str, first: bool, requests: Requests) {
    let hosts = Hosts::alone();
    let place = Place::on(&hosts, first, subject, mark);
    place.prepare(step);
    let (running, hold) = place.start_until(step, requests, Moment::BeforeEffect);
    running.kill_plugin().assert_failure();
    drop(hold);
    place.proxy.heal();
    place.converge(step);
    assert_counted_once(&[hosts.eu, hosts.us]);
    place.converge(Step::Destroy);
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}

/// Whoever is killed after the hand-over has Terraform lose what is then nobody's. So there is nothing to wait for after it.
#[test]
fn nothing_is_asked_after_a_hand_over() {
    let hosts = Hosts::alone();
    for (subject, mark) in [(Subject::Named, "handed"), (Subject::Unnamed, "given"), (Subject::Group, "ready")] {
        let place = Place::on(&hosts, true, subject, mark);
        place.take(Step::Create).assert_success();
        let log = place.proxy.log();
        let last = log.last().unwrap();
        let record = if subject == Subject::Group { "/secrets/group." } else { "/secrets/virtual-cluster." };
        assert!(last.method == Method::PUT && last.path.contains(record), "{mark}: {last}");
        place.converge(Step::Destroy);
    }
}

/// The record of the other host says by then that the group is ready; that of its home, which decides, does not.
#[test]
fn a_creation_of_a_group_killed_before_its_home_is_ready_is_finished_by_the_next_apply() {
    let home = Requests::with(Method::PUT).to("/secrets/group.almost");
    check_at(Subject::Group, Step::Create, "almost", true, home);
}

/// The record says by then that less is taken.
#[test]
fn a_pause_killed_before_the_ledger_was_written_is_counted_after_the_next_apply() {
    let ledger = Requests::with(Method::PUT).to("/secrets/ledger");
    check_at(Subject::Named, Step::Pause, "overcounted", true, ledger);
}

/// Whoever finds a record that no state has had, and that nobody works on, removes what it names. After the kill Terraform has
/// forgotten the UID that what was made before carries.
#[test]
fn a_lost_record_that_is_written_again_is_never_that_of_an_unfinished_creation() {
    let hosts = Hosts::alone();
    let place = Place::on(&hosts, true, Subject::Named, "rewritten");
    place.take(Step::Create).assert_success();
    for step in [Step::Update, Step::Resize] {
        hosts.eu.delete("/api/v1/namespaces/nested-system/secrets/virtual-cluster.vcluster-rewritten");
        let record = Requests::with(Method::POST).to("/secrets");
        let (running, hold) = place.start_until(step, record, Moment::AfterEffect);
        running.kill_plugin().assert_failure();
        drop(hold);
        place.proxy.heal();
        let record = hosts.eu.record("vcluster-rewritten").unwrap();
        assert_eq!((&record["phase"], &record["was_handed_over"]), (&json!("handed_over"), &json!(true)));
        place.converge(step);
    }
    place.converge(Step::Destroy);
    for host in [hosts.eu, hosts.us] {
        assert_nothing_left(host);
    }
}

/// By then the namespace is gone.
#[test]
fn a_destroy_killed_before_its_record_went_is_finished_by_the_next() {
    let record = Requests::with(Method::DELETE).to("/secrets/virtual-cluster.vcluster-recorded");
    check_at(Subject::Named, Step::Destroy, "recorded", true, record);
}
