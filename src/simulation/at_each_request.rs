//! One process is frozen or killed at each of its requests in turn, while others go on: what a random life meets by chance is met
//! here at every point.

use std::time::Duration;

use futures::join;
use tokio::time::sleep;

use super::terraform::{Kept, apply};
use super::world::{Fate, World};
use super::{End, group, in_a_world, member};
use crate::provider::cluster_group::ClusterGroupModel;
use crate::provider::virtual_cluster::VirtualClusterModel;

/// More requests than an apply has.
const REQUESTS: u32 = 70;

/// What the process does that is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Create,
    /// With nobody beside it.
    CreateAlone,
    Destroy,
}

/// Others create and destroy on the same host, from the first second on until the cut off one is counted as dead, and after it
/// has woken up. In the end nothing is left.
async fn live(world: &World, work: Work, fate: Fate) -> Vec<String> {
    world.state().invariants.percent = 100;
    let wanted = group(&["eu-1"], 100, "first");
    let mut platform: Option<Kept<ClusterGroupModel>> = None;
    let made = apply(world, &mut platform, Some(&wanted), Default::default()).await;
    let mut wrong = Vec::new();
    if made != End::Done {
        return vec![format!("the group cannot be made: {made:?}")];
    }
    let (team, other) = (member(Some("team-a"), 3, false), member(None, 3, false));
    let mut kept: Option<Kept<VirtualClusterModel>> = None;
    let mut neighbour: Option<Kept<VirtualClusterModel>> = None;
    if work == Work::Destroy {
        apply(world, &mut kept, Some(&team), Default::default()).await;
    }
    let wanted = (work != Work::Destroy).then_some(&team);
    let cut_off = apply(world, &mut kept, wanted, (Fate::default(), fate));
    let others = async {
        let wishes = [Some(&other), None, Some(&other)];
        for wanted in wishes.into_iter().filter(|_| work != Work::CreateAlone) {
            sleep(Duration::from_secs(1)).await;
            let end = apply(world, &mut neighbour, wanted, Default::default()).await;
            if let End::Failed(errors) = end {
                world.note(|| format!("the neighbour fails: {errors:?}"));
            }
        }
    };
    let (end, ()) = join!(cut_off, others);
    world.note(|| format!("{work:?} {fate:?}: {end:?}"));
    sleep(Duration::from_secs(200)).await;
    for (kept, who) in [(&mut kept, "the team"), (&mut neighbour, "the neighbour")] {
        for _ in 0..3 {
            let end = apply(world, kept, None, Default::default()).await;
            if let End::Failed(errors) = end {
                wrong.push(format!("{who} cannot destroy: {errors:?}"));
            }
        }
    }
    super::clean(world, true, &mut wrong).await;
    let end = apply::<ClusterGroupModel>(world, &mut platform, None, Default::default()).await;
    if end != End::Done {
        wrong.push(format!("the group cannot be destroyed: {end:?}"));
    }
    sleep(Duration::from_secs(10)).await;
    wrong.extend(world.state().leftovers());
    wrong.extend(world.state().invariants.violations.clone());
    wrong
}

/// Runs the work with each fate at each request. What went wrong.
fn at_each_request(work: Work, fate: impl Fn(u32) -> Fate) {
    let mut all = Vec::new();
    for request in 1..REQUESTS {
        let fate = fate(request);
        let (wrong, ..) = in_a_world(1, &[("eu-1", 20)], false, async |world| live(world, work, fate).await);
        if !wrong.is_empty() {
            all.push(format!("{work:?} {fate:?}:\n  {}", wrong.join("\n  ")));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

fn frozen(request: u32) -> Fate {
    Fate { killed_after: None, frozen: Some((request, Duration::from_secs(100))) }
}

fn killed(request: u32) -> Fate {
    Fate { killed_after: Some(request), frozen: None }
}

#[test]
fn a_creation_that_sleeps_past_its_silence_leaves_nothing() {
    at_each_request(Work::Create, frozen);
}

#[test]
fn a_killed_creation_leaves_nothing() {
    at_each_request(Work::Create, killed);
}

#[test]
fn a_killed_creation_that_is_alone_leaves_nothing() {
    at_each_request(Work::CreateAlone, killed);
}

#[test]
fn a_destroy_that_sleeps_past_its_silence_leaves_nothing() {
    at_each_request(Work::Destroy, frozen);
}

#[test]
fn a_killed_destroy_leaves_nothing() {
    at_each_request(Work::Destroy, killed);
}
