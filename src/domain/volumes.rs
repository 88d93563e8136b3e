//! The volumes in a virtual cluster's namespace: which of them are its control plane's own, and whether those can grow with
//! the storage.

use crate::domain::quantity::Bytes;

/// A persistent volume claim on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The claim's name.
    pub claim: String,
    /// What it asks for.
    pub size: Bytes,
    /// Its storage class, if it has one.
    pub class: Option<String>,
    /// Whether there is a volume behind it. Kubernetes lets no other claim grow.
    pub bound: bool,
}

/// Why storage cannot grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A volume of the control plane would have to grow, and its class does not let it.
    Fixed(Volume),
    /// With the grown volumes of the control plane all of them together would take more than there is.
    Full {
        /// What all of them would take.
        needed: Bytes,
    },
}

/// Whether a claim is one of those that the StatefulSet `name` makes for its replicas: `data-<name>-<ordinal>`. No synced
/// claim of a tenant has such a name: vCluster puts `-x-` into them.
pub fn is_of_control_plane(name: &str, claim: &str) -> bool {
    let ordinal = claim.strip_prefix("data-").and_then(|rest| rest.strip_prefix(name)?.strip_prefix('-'));
    ordinal.is_some_and(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The volumes of the control plane `name` that have less than `wanted`. Those with more, whoever gave it to them, stay.
pub fn smaller<'v>(name: &str, wanted: Bytes, volumes: &'v [Volume]) -> Vec<&'v Volume> {
    volumes.iter().filter(|volume| is_of_control_plane(name, &volume.claim) && volume.size < wanted).collect()
}

/// What the volumes take together.
pub fn total(volumes: &[Volume]) -> Bytes {
    Bytes(volumes.iter().fold(0, |sum, volume| sum.saturating_add(volume.size.0)))
}

/// Whether the control plane's volumes can grow to `wanted` where all together may take `storage`. `expands`: whether the
/// volumes of a storage class can.
///
/// # Errors
/// What is in the way.
pub fn check_growth(
    name: &str,
    wanted: Bytes,
    storage: Bytes,
    volumes: &[Volume],
    expands: impl Fn(&str) -> bool,
) -> Result<(), Obstacle> {
    let growing = smaller(name, wanted, volumes);
    if let Some(fixed) = growing.iter().find(|volume| !volume.class.as_deref().is_some_and(&expands)) {
        return Err(Obstacle::Fixed((*fixed).clone()));
    }
    let growth = growing.iter().fold(0u64, |sum, volume| sum.saturating_add(wanted.0 - volume.size.0));
    let needed = Bytes(total(volumes).0.saturating_add(growth));
    if !growing.is_empty() && needed > storage {
        return Err(Obstacle::Full { needed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn volume(claim: &str, mib: u64, class: Option<&str>) -> Volume {
        Volume { claim: claim.into(), size: Bytes(mib * MIB), class: class.map(str::to_owned), bound: true }
    }

    #[test]
    fn the_control_planes_claims_are_known_by_name() {
        for (claim, expected) in [
            ("data-team-a-0", true),
            ("data-team-a-12", true),
            ("data-team-a-etcd-0", false),
            ("data-team-0", false),
            ("data-team-a-", false),
            ("data-team-a-x-default-x-team-a", false),
            ("team-a-0", false),
        ] {
            assert_eq!(is_of_control_plane("team-a", claim), expected, "{claim}");
        }
    }

    #[test]
    fn only_volumes_of_the_control_plane_that_are_smaller_grow() {
        let volumes = [
            volume("data-a-0", 512, Some("grows")),
            volume("data-a-1", 1024, Some("grows")),
            volume("data-a-2", 2048, Some("grows")),
            volume("web-x-default-x-a", 100, Some("grows")),
        ];
        let names: Vec<&str> =
            smaller("a", Bytes(1024 * MIB), &volumes).iter().map(|volume| volume.claim.as_str()).collect();
        assert_eq!(names, ["data-a-0"]);
        assert_eq!(total(&volumes), Bytes((512 + 1024 + 2048 + 100) * MIB));
    }

    /// Two replicas of 512Mi and a workload's 1Gi, which are to get 1Gi each.
    #[track_caller]
    fn check(classes: [Option<&str>; 2], storage: u64, expected: Result<(), &str>) {
        let volumes = [
            volume("data-a-0", 512, classes[0]),
            volume("data-a-1", 512, classes[1]),
            volume("web-x-default-x-a", 1024, Some("fixed")),
        ];
        let found = check_growth("a", Bytes(1024 * MIB), Bytes(storage * MIB), &volumes, |class| class == "grows");
        let found = found.map_err(|obstacle| match obstacle {
            Obstacle::Fixed(volume) => volume.claim,
            Obstacle::Full { needed } => needed.to_string(),
        });
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn storage_grows_where_every_volume_of_the_control_plane_can() {
        check([Some("grows"), Some("grows")], 3072, Ok(()));
        check([Some("grows"), Some("fixed")], 3072, Err("data-a-1"));
        check([None, Some("grows")], 3072, Err("data-a-0"));
        check([Some("grows"), Some("grows")], 3071, Err("3Gi"));
    }

    #[test]
    fn volumes_that_need_not_grow_are_no_obstacle() {
        let volumes = [volume("data-a-0", 1024, Some("fixed")), volume("web-x-default-x-a", 4096, None)];
        let grown = check_growth("a", Bytes(1024 * MIB), Bytes(2048 * MIB), &volumes, |_| false);
        assert_eq!(grown, Ok(()), "what others take too much is not its fault");
    }
}
