//! That there is no room, for who wanted it: a table of what there is, and the smallest change that would do.

use crate::domain::accounting::{Kind, Refused};
use crate::domain::size::Resource;
use crate::domain::table;
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// When a refusal is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Planned,
    Applied,
}

/// The refusal with its table, on `attribute`.
pub fn refusal(refused: &Refused, attribute: AttributePath, when: When) -> Diagnostic {
    let Refused { kind, request, rows, host, changes } = refused;
    let label = &request.label;
    let group = request.group.as_deref();
    let summary = match (kind, group) {
        (Kind::Quota, group) => {
            format!(
                "Virtual cluster {label:?} does not fit: the quota of cluster group {:?} is used up.",
                group.unwrap_or("")
            )
        }
        (Kind::Capacity, Some(group)) if request.hosts.len() > 1 => {
            format!("Virtual cluster {label:?} does not fit: no host of cluster group {group:?} has room for it.")
        }
        (Kind::Capacity, _) => {
            format!("Virtual cluster {label:?} does not fit on host cluster {:?}.", host.as_deref().unwrap_or(""))
        }
    };
    let table = indented(&table::render(rows));
    let show = |resource: Resource, amount| format!("{} {}", resource.attribute(), resource.say(amount));
    let requested: Vec<String> = Resource::ALL
        .into_iter()
        .map(|resource| {
            let size = if *kind == Kind::Quota { request.quota } else { request.size };
            (resource, size.get(resource))
        })
        .filter(|(_, amount)| *amount > 0)
        .map(|(resource, amount)| show(resource, amount))
        .collect();
    let place = match (kind, host) {
        (Kind::Quota, _) => " in the quota".to_owned(),
        (Kind::Capacity, Some(host)) => format!(" on \"{host}\""),
        (Kind::Capacity, None) => String::new(),
    };
    let missing: Vec<String> = changes
        .iter()
        .map(|change| {
            let (resource, show) = (change.resource.attribute(), |amount| change.resource.say(amount));
            format!(
                "  {resource}: {} requested, {} available, {} too many",
                show(change.requested),
                show(change.available),
                show(change.reduce_by)
            )
        })
        .collect();
    let smallest: Vec<String> = changes
        .iter()
        .map(|change| {
            let (resource, show) = (change.resource.attribute(), |amount| change.resource.say(amount));
            match kind {
                Kind::Quota => format!(
                    "ask for {} less {resource}, or raise `quota.{resource}` of the group to {}",
                    show(change.reduce_by),
                    show(change.raise_to)
                ),
                Kind::Capacity => {
                    format!("ask for {} less {resource}, or make room for as much", show(change.reduce_by))
                }
            }
        })
        .collect();
    let more = match (kind, when) {
        (Kind::Capacity, When::Planned) => {
            " Room is made by pausing or destroying virtual clusters in an apply before this one (Terraform decides the order \
             within one), by more nodes, by less `reserved`, or by a higher `oversubscription_percent`."
        }
        (Kind::Capacity, When::Applied) => {
            " Room is made by pausing or destroying virtual clusters, by more nodes, by less `reserved`, or by a higher \
             `oversubscription_percent`."
        }
        (Kind::Quota, _) => " Pausing gives no quota back; destroying does.",
    };
    let nothing = if when == When::Applied { "\nNothing was created or changed.\n" } else { "" };
    diagnostic(
        attribute,
        summary,
        format!(
            "Used is what is there, allocated what this {} has given away so far, available what is left.\n\n{table}\nRequested: \
             {}.\nMissing{place}:\n{}\n{nothing}\nNext step: {}.{more}",
            if when == When::Planned { "plan" } else { "apply" },
            requested.join(", "),
            missing.join("\n"),
            sentence(&smallest.join("; "))
        ),
    )
}

/// Terraform wraps the lines of a text, unless they begin with a space.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
