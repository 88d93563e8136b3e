//! What a virtual cluster is charged with while it becomes another one. Plan and apply ask the same here.

use crate::domain::size::{Resource, Size};

/// A size, and whether it is paused.
pub type Load = (Size, bool);

/// What is held while `before` becomes `after`: the larger of each resource. Who resumes has nothing running until the quota on the
/// host has the new size, so a smaller size to come back with is all that is needed.
pub fn during(before: Load, after: Load) -> Load {
    let resumes = before.1 && !after.1;
    let larger = |resource: Resource| match resource {
        Resource::Cpu | Resource::Memory if resumes => after.0.get(resource),
        _ => before.0.get(resource).max(after.0.get(resource)),
    };
    (Size::from_amounts(larger), before.1 && after.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    fn size(cpu: u64, memory: u64, storage: u64) -> Size {
        Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(storage) }
    }

    #[test]
    fn the_larger_of_each_is_held_unless_nothing_runs_before() {
        let (small, large, mixed) = (size(3, 3, 1), size(4, 4, 2), size(3, 4, 1));
        for (before, after, expected) in [
            ((small, false), (large, false), (large, false)),
            ((large, false), (small, false), (large, false)),
            ((large, false), (mixed, false), (size(4, 4, 2), false)),
            ((large, true), (small, true), (large, true)),
            ((large, true), (small, false), (size(3, 3, 2), false)),
            ((small, true), (large, false), (large, false)),
            // It runs until the quota on the host has the new size.
            ((small, false), (large, true), (large, false)),
        ] {
            assert_eq!(during(before, after), expected, "{before:?} {after:?}");
        }
    }
}
