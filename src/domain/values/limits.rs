//! How a size is divided between the control plane and the tenant.
//!
//! Owns the arithmetic. Integers only; every function grows with its argument, and so does what it leaves to the tenant. The
//! objects by which a host enforces the size are [`super::enforced`]'s.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::Size;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Limits of a container. Serializes to `{cpu, memory}` as Kubernetes writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU.
    pub cpu: Millicores,
    /// Memory.
    pub memory: Bytes,
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut limits = serializer.serialize_struct("Limits", 2)?;
        limits.serialize_field("cpu", &self.cpu.to_string())?;
        limits.serialize_field("memory", &self.memory.to_string())?;
        limits.end()
    }
}

/// CoreDNS inside the virtual cluster. The chart's own CPU limit, a whole core, would be a third of the smallest one.
pub const COREDNS: Limits = Limits { cpu: Millicores(200), memory: Bytes(170 * MIB) };

/// What the control plane requests: what it uses, for the host's scheduler.
pub const CONTROL_PLANE_REQUESTS: Limits = Limits { cpu: Millicores(200), memory: Bytes(512 * MIB) };

/// Below this a virtual cluster does not come up, whatever minimum a group allows: its control plane, CoreDNS and a few
/// small pods.
pub const SMALLEST: Size = Size { cpu: Millicores(1000), memory: Bytes(1536 * MIB), storage: Bytes(0) };

/// The control plane's limits: an eighth of the size, from 1 CPU and 1Gi (which carry a small one well) to 4 CPU and
/// 4Gi (the chart's own memory limit). Up to 8 CPU and 8Gi it is the same for all sizes, so that a resize there needs
/// no restart. In sizes below the usual minimum it is at most a third of the CPU.
pub fn control_plane(size: &Size) -> Limits {
    let cpu = (size.cpu.0 / 8).clamp(1000, 4000).min(size.cpu.0 / 3);
    let memory = (size.memory.0 / 8).clamp(GIB, 4 * GIB) / MIB * MIB;
    Limits { cpu: Millicores(cpu), memory: Bytes(memory) }
}

/// The control plane's volume in a virtual cluster that is created with `storage`: a quarter of it, from 256Mi (four
/// times what 12,000 objects take) to the chart's own 5Gi, and never more than half. None for no storage. Recorded at
/// creation and not asked again.
pub fn control_plane_volume(storage: Bytes) -> Option<Bytes> {
    let volume = (storage.0 / 4).clamp(256 * MIB, 5 * GIB).min(storage.0 / 2);
    (volume > 0).then_some(Bytes(volume))
}

/// The most storage for which [`control_plane_volume`] gives no more than `volume`; none: any will do.
pub fn storage_for_volume(volume: Bytes) -> Option<Bytes> {
    match volume.0 {
        volume if volume >= 5 * GIB => None,
        volume if volume >= 256 * MIB => Some(Bytes(volume * 4)),
        volume => Some(Bytes(volume * 2)),
    }
}

/// What limits leave to the tenant's own pods beside those of the control plane and CoreDNS.
pub fn room(size: &Size) -> Limits {
    let control_plane = control_plane(size);
    Limits {
        cpu: Millicores(size.cpu.0.saturating_sub(control_plane.cpu.0 + COREDNS.cpu.0)),
        memory: Bytes(size.memory.0.saturating_sub(control_plane.memory.0 + COREDNS.memory.0)),
    }
}

/// What a container without limits of its own gets where limits count: a twelfth of the room, so that ten fit and a rollout has space for
/// two more; at most the chart's own 1 CPU and 512Mi.
pub fn container_default(size: &Size) -> Limits {
    let room = room(size);
    let cpu = (room.cpu.0 / 12).clamp(1, 1000);
    let memory = (room.memory.0 / 12 / MIB).clamp(1, 512) * MIB;
    Limits { cpu: Millicores(cpu), memory: Bytes(memory) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(cpu: u64, memory: u64) -> Size {
        Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(0) }
    }

    #[test]
    fn ten_ordinary_pods_run_in_the_smallest_virtual_cluster_and_in_every_larger_one() {
        for gib in 3..300 {
            let size = size(gib * 1000, gib * GIB);
            let (room, pod) = (room(&size), container_default(&size));
            assert!(10 * pod.cpu.0 <= room.cpu.0 && 10 * pod.memory.0 <= room.memory.0, "{size:?}: {pod:?}");
        }
        let expected = Limits { cpu: Millicores(150), memory: Bytes(156 * MIB) };
        assert_eq!(container_default(&Size::MINIMUM), expected);
    }

    #[test]
    fn two_gibibytes_of_workloads_run_in_the_default_virtual_cluster() {
        assert!(room(&Size::DEFAULT).memory >= Bytes(2 * GIB));
    }

    #[test]
    fn the_tenant_has_most_of_every_size_from_the_minimum_on() {
        for gib in 3..300 {
            let size = size(gib * 1000, gib * GIB);
            let room = room(&size);
            assert!(2 * room.cpu.0 > size.cpu.0 && 2 * room.memory.0 > size.memory.0, "{size:?}: {room:?}");
        }
    }

    #[test]
    fn a_larger_size_is_never_worse() {
        let grown = |a: Limits, b: Limits| a.cpu <= b.cpu && a.memory <= b.memory;
        for step in 12..600 {
            let (smaller, larger) =
                (size(step * 250, step * 256 * MIB), size((step + 1) * 250, (step + 1) * 256 * MIB));
            assert!(grown(control_plane(&smaller), control_plane(&larger)), "{smaller:?}");
            assert!(grown(room(&smaller), room(&larger)), "{smaller:?}");
            assert!(grown(container_default(&smaller), container_default(&larger)), "{smaller:?}");
        }
    }

    #[test]
    fn small_resizes_leave_the_control_plane_as_it_is() {
        assert_eq!(control_plane(&Size::MINIMUM), control_plane(&size(8000, 8 * GIB)));
        assert_ne!(control_plane(&Size::MINIMUM), control_plane(&size(16000, 16 * GIB)));
    }

    #[test]
    fn the_smallest_size_of_all_still_has_room() {
        let room = room(&SMALLEST);
        assert!(room.cpu >= Millicores(400) && room.memory >= Bytes(256 * MIB), "{room:?}");
    }

    #[test]
    fn the_control_planes_volume_is_a_quarter_of_the_storage() {
        let cases = [
            (0, None),
            (100 * MIB, Some(50 * MIB)),
            (GIB, Some(256 * MIB)),
            (2 * GIB, Some(512 * MIB)),
            (1 << 40, Some(5 * GIB)),
        ];
        for (storage, volume) in cases {
            assert_eq!(control_plane_volume(Bytes(storage)), volume.map(Bytes), "{storage}");
        }
    }

    #[test]
    fn a_volume_is_large_enough_up_to_a_storage_and_no_further() {
        for volume in [1, 50 * MIB, 256 * MIB - 1, 256 * MIB, 512 * MIB, 5 * GIB - 1] {
            let most = storage_for_volume(Bytes(volume)).unwrap();
            assert!(control_plane_volume(most) <= Some(Bytes(volume)), "{volume}");
            assert!(control_plane_volume(Bytes(most.0 + 4)) > Some(Bytes(volume)), "{volume}");
        }
        assert_eq!(storage_for_volume(Bytes(512 * MIB)), Some(Bytes(2 * GIB)));
        assert_eq!(storage_for_volume(Bytes(5 * GIB)), None);
    }
}
