//! Says whether a control plane can run within its size, and what it leaves. The sums are [`crate::domain::values::need`]'s.

use super::guard::{Given, Whose};
use crate::domain::values::need::{Taken, Verdict};
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// The attribute behind what a control plane takes.
pub(super) fn blamed(given: &[Given]) -> AttributePath {
    let is = |whose: Whose| given.iter().any(|given| given.whose == whose);
    AttributePath::new(match (is(Whose::Own), is(Whose::Group)) {
        (true, _) => "values",
        (false, true) => "cluster_group",
        (false, false) => "resources",
    })
}

/// Refuses what cannot run, and warns in a plan of what leaves little. None if it is refused.
pub(super) fn say(
    diags: &mut Diagnostics,
    name: &str,
    attribute: AttributePath,
    verdict: &Verdict,
    is_plan: bool,
) -> Option<()> {
    if !verdict.runs() {
        diags.fail(
            attribute,
            format!("The control plane of virtual cluster {name:?} cannot run within its size."),
            format!(
                "Its own pods and claims, with what a rollout runs beside them, take:\n\n{}\nThe host would refuse them.\n\nNext step: \
                 Raise `resources`, or lower replicas, requests or limits in the `values` that set them.",
                lines(verdict)
            ),
        );
        return None;
    }
    if is_plan && !verdict.scarce.is_empty() {
        let scarce: String = verdict.scarce.iter().map(left).collect();
        diags.warn(
            attribute,
            format!("The control plane of virtual cluster {name:?} leaves little of its size."),
            format!(
                "Its own pods, with what a rollout runs beside them, take:\n\n{scarce}\nThe rest is for workloads."
            ),
        );
    }
    Some(())
}

/// Everything that cannot run, a line each.
pub(super) fn lines(verdict: &Verdict) -> String {
    let beyond = verdict.beyond.iter().map(|beyond| {
        let [given, size] = [beyond.given, beyond.size].map(|amount| beyond.resource.say(amount));
        let (object, container) = (&beyond.object, &beyond.container);
        format!(
            "  - {object}, container {container}: {given} of {}, and the size has {size}\n",
            beyond.resource.attribute()
        )
    });
    verdict.lacking.iter().map(lacking).chain(beyond).collect()
}

fn lacking(taken: &Taken) -> String {
    let [needed, size] = [taken.needed, taken.size].map(|amount| taken.resource.say(amount));
    format!("  - {}: {needed}, and the size has {size} ({})\n", taken.counted_as, taken.by.join(", "))
}

fn left(taken: &Taken) -> String {
    let [needed, size, left] =
        [taken.needed, taken.size, taken.size - taken.needed].map(|amount| taken.resource.say(amount));
    format!("  - {}: {needed} of {size}, which leaves {left} ({})\n", taken.counted_as, taken.by.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::size::Resource;
    use crate::domain::values::need::Beyond;

    fn taken(needed: u64) -> Taken {
        let by = vec!["3 pods of StatefulSet a: 3".to_owned()];
        Taken { counted_as: "limits.cpu", resource: Resource::Cpu, needed, size: 3000, by }
    }

    fn said(verdict: &Verdict, is_plan: bool) -> (bool, Vec<String>, Vec<String>) {
        let mut diags = Diagnostics::default();
        let fine = say(&mut diags, "a", blamed(&[]), verdict, is_plan).is_some();
        let text = |list: &[terraform_plugin::Diagnostic]| list.iter().map(|said| said.detail.to_string()).collect();
        (fine, text(&diags.errors), text(&diags.warnings))
    }

    #[test]
    fn what_cannot_run_is_refused_with_its_numbers() {
        let beyond = Beyond {
            object: "StatefulSet a".into(),
            container: "syncer".into(),
            resource: Resource::Memory,
            given: 8 << 30,
            size: 4 << 30,
        };
        let verdict = Verdict { lacking: vec![taken(3200)], beyond: vec![beyond], scarce: vec![taken(2900)] };
        let (fine, errors, warnings) = said(&verdict, true);
        assert!(!fine && warnings.is_empty());
        assert!(errors[0].contains("limits.cpu: 3.2, and the size has 3 (3 pods of StatefulSet a: 3)"), "{errors:?}");
        assert!(
            errors[0].contains("StatefulSet a, container syncer: 8Gi of memory, and the size has 4Gi"),
            "{errors:?}"
        );
    }

    #[test]
    fn little_left_is_a_warning_of_the_plan() {
        let verdict = Verdict { scarce: vec![taken(2900)], ..Verdict::default() };
        let (fine, errors, warnings) = said(&verdict, true);
        assert!(fine && errors.is_empty());
        assert!(warnings[0].contains("limits.cpu: 2.9 of 3, which leaves 100m"), "{warnings:?}");
        assert_eq!(said(&verdict, false), (true, vec![], vec![]));
    }
}
