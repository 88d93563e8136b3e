//! What a virtual cluster's status is, from what its host shows.

use std::fmt;

/// The status that users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The control plane is up and can be reached.
    Running,
    /// Scaled to zero, with the marks of a pause.
    Paused,
    /// On its way up; waiting helps.
    Pending,
    /// Something is wrong that waiting will hardly mend.
    Degraded,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Pending => "Pending",
            Self::Degraded => "Degraded",
        })
    }
}

/// What a status is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Something that belongs to it is missing, or is no longer ours.
    pub incomplete: bool,
    /// vCluster's own workload is paused.
    pub paused: bool,
    /// A workload has zero replicas without being paused.
    pub scaled_down: bool,
    /// Every workload is rolled out and ready.
    pub ready: bool,
    /// A pod fails, rather than takes its time.
    pub failing: bool,
    /// Credentials and endpoint are known.
    pub reachable: bool,
}

impl Status {
    /// Incompleteness outweighs everything, because a pause cannot explain it.
    pub fn of(signs: Signs) -> Self {
        match signs {
            Signs { incomplete: true, .. } => Self::Degraded,
            Signs { paused: true, .. } => Self::Paused,
            Signs { scaled_down: true, .. } | Signs { failing: true, .. } => Self::Degraded,
            Signs { ready: true, reachable: true, .. } => Self::Running,
            _ => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_follows_the_signs() {
        let up = Signs {
            incomplete: false,
            paused: false,
            scaled_down: false,
            ready: true,
            failing: false,
            reachable: true,
        };
        let starting = Signs { ready: false, ..up };
        for (signs, expected) in [
            (up, Status::Running),
            (starting, Status::Pending),
            (Signs { reachable: false, ..up }, Status::Pending),
            (Signs { failing: true, ..starting }, Status::Degraded),
            (Signs { paused: true, ..starting }, Status::Paused),
            (Signs { paused: true, reachable: false, ..starting }, Status::Paused),
            (Signs { scaled_down: true, ..starting }, Status::Degraded),
            (Signs { incomplete: true, ..up }, Status::Degraded),
            (Signs { incomplete: true, paused: true, ..up }, Status::Degraded),
        ] {
            assert_eq!(Status::of(signs), expected, "{signs:?}");
        }
    }
}
