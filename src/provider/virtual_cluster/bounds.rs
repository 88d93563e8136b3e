//! What of a size is less than its group's minimum, or more than its maximum, and what to do about it.

use crate::domain::hard::{Hard, out_of_bounds};
use crate::domain::size::{Resource, Size};
use crate::fleet::group::spec::GroupSpec;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// A part of a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// CPU, memory or storage.
    Resource(Resource),
    /// An entry of `hard`.
    Hard(String),
}

/// A part that is beyond a bound.
#[derive(Debug)]
pub struct Beyond {
    /// Which.
    pub part: Part,
    is_less: bool,
    /// Both numbers.
    problem: String,
    next: String,
}

impl Beyond {
    /// Says so on the part of the size at `path`.
    pub fn say(&self, diags: &mut Diagnostics, path: &AttributePath, group: &str) {
        let path = match &self.part {
            Part::Resource(resource) => path.clone().attribute(resource.attribute()),
            Part::Hard(name) => path.clone().attribute("hard").key(name.clone()),
        };
        let bound = if self.is_less {
            "is below the minimum of cluster group"
        } else {
            "is above the maximum of cluster group"
        };
        let summary = format!("`{path}` {bound} \"{group}\".");
        diags.fail(path, summary, format!("{}. {}.", self.problem, self.next));
    }
}

/// Everything of the size that is beyond a bound of the group.
pub fn beyond(spec: &GroupSpec, size: Size, hard: &Hard) -> Vec<Beyond> {
    let minimum = spec.minimum_size().unwrap_or(Size::ZERO);
    let less = size.shortfalls(&minimum).into_iter().map(|shortfall| Beyond {
        part: Part::Resource(shortfall.resource),
        is_less: true,
        problem: shortfall.to_string(),
        next: format!("Raise it to {} or more, or leave it out to get the default", shortfall.minimum),
    });
    let more = spec.maximum().exceeded(size).into_iter().map(|exceeded| Beyond {
        part: Part::Resource(exceeded.resource),
        is_less: false,
        problem: exceeded.to_string(),
        next: format!("Lower it to {} or less", exceeded.resource.show(exceeded.maximum)),
    });
    let others = out_of_bounds(hard, &spec.minimums.hard, &spec.maximum_hard()).into_iter().map(|out| Beyond {
        problem: out.to_string(),
        next: format!("Set it to {}, or leave it out to get what the group gives", out.bound),
        is_less: out.is_less,
        part: Part::Hard(out.name),
    });
    less.chain(more).chain(others).collect()
}
