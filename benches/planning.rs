//! How many requests a plan sends to a host cluster for many virtual clusters of one cluster group.
//!
//! `cargo bench --profile dev --bench planning` (Linux). The real `terraform` plans 1, 100 and 1,000 new virtual clusters of a group over two
//! of the rig's host clusters. Before each of them stands a server that passes requests on and counts them. Only the counts
//! are of interest: they must not grow with the number of virtual clusters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[allow(dead_code, reason = "each benchmark uses a part")]
mod scale;

use std::time::Instant;

use scale::hosts::{Hosts, group, members};

fn main() {
    let hosts = Hosts::start(2);
    let workspace = hosts.workspace();
    workspace.write(&group());
    workspace.apply().assert_success();

    println!(
        "Requests of one `terraform plan` of new virtual clusters of one group, the group's own refresh included\n"
    );
    println!("{:>16}{:>10}{:>10}{:>12}", "virtual clusters", "eu-1", "us-1", "plan");
    let mut last = None;
    for count in [1, 100, 1000] {
        workspace.write(&(group() + &members(count, "")));
        hosts.take();
        let start = Instant::now();
        workspace.start(&["plan"]).wait().assert_success();
        let took = start.elapsed();
        let [home, other] = hosts.take();
        println!("{count:>16}{:>10}{:>10}{:>10.1} s", home.total(), other.total(), took.as_secs_f64());
        last = Some(home);
    }
    println!("\nThose to eu-1, the home, at the last:");
    for (request, count) in last.unwrap_or_default().requests {
        println!("{count:>6}  {request}");
    }
    workspace.write("");
    workspace.apply().assert_success();
}
