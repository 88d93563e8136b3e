//! Which Kubernetes distribution a virtual cluster runs, and which vCluster versions still ship it.

use std::fmt;
use std::str::FromStr;

use semver::Version;

/// The first vCluster version without k3s.
const FIRST_WITHOUT_K3S: Version = Version::new(0, 33, 0);

/// A distribution of Kubernetes inside the virtual cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Distro {
    /// One binary; in vCluster up to 0.32.
    K3s,
    /// The upstream binaries.
    K8s,
}

/// A distribution that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DistroError {
    /// No such distribution.
    #[error("\"{0}\" is not a distribution: use \"k3s\" or \"k8s\"")]
    Unknown(String),
    /// Not a Kubernetes version.
    #[error("\"{0}\" is not a Kubernetes version: write all three numbers, as in \"1.35.0\"")]
    NotAVersion(String),
    /// The version no longer ships it.
    #[error("vCluster {version} has no k3s any more (0.32 was the last); use \"k8s\"")]
    NoK3s {
        /// The virtual cluster's vCluster version.
        version: Version,
    },
}

impl Distro {
    /// The distribution of those who choose none: k3s while it is shipped, k8s from then on.
    pub fn default_of(vcluster: &Version) -> Self {
        if has_k3s(vcluster) { Self::K3s } else { Self::K8s }
    }

    /// Every distribution that `vcluster` ships, k0s aside, which this provider never uses.
    pub fn all_of(vcluster: &Version) -> &'static [Self] {
        if has_k3s(vcluster) { &[Self::K3s, Self::K8s] } else { &[Self::K8s] }
    }

    /// The tag of the image that has Kubernetes `version` (`1.34.0` or `v1.34.0`): `v1.34.0`, or `v1.34.0-k3s1` for
    /// k3s, whose packaging may also be given.
    pub fn image_tag(self, version: &str) -> Result<String, DistroError> {
        let bare = version.strip_prefix('v').unwrap_or(version);
        let (release, packaging) = bare.split_once('-').map_or((bare, None), |(release, rest)| (release, Some(rest)));
        let is_release = Version::parse(release).is_ok_and(|version| version.build.is_empty());
        match (self, packaging) {
            (Self::K8s | Self::K3s, None) if is_release => {
                Ok(format!("v{release}{}", if self == Self::K3s { "-k3s1" } else { "" }))
            }
            (Self::K3s, Some(packaging)) if is_release && is_k3s_packaging(packaging) => Ok(format!("v{bare}")),
            _ => Err(DistroError::NotAVersion(version.to_owned())),
        }
    }

    /// Refuses a distribution that `vcluster` does not ship.
    pub fn check(self, vcluster: &Version) -> Result<(), DistroError> {
        match self {
            Self::K3s if !has_k3s(vcluster) => Err(DistroError::NoK3s { version: vcluster.clone() }),
            Self::K3s | Self::K8s => Ok(()),
        }
    }
}

fn is_k3s_packaging(text: &str) -> bool {
    text.strip_prefix("k3s").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Pre-releases count as the release that they lead to.
fn has_k3s(vcluster: &Version) -> bool {
    (vcluster.major, vcluster.minor) < (FIRST_WITHOUT_K3S.major, FIRST_WITHOUT_K3S.minor)
}

impl FromStr for Distro {
    type Err = DistroError;

    fn from_str(text: &str) -> Result<Self, DistroError> {
        match text {
            "k3s" => Ok(Self::K3s),
            "k8s" => Ok(Self::K8s),
            other => Err(DistroError::Unknown(other.to_owned())),
        }
    }
}

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::K3s => "k3s",
            Self::K8s => "k8s",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vcluster: &str, default: Distro, k3s_is_there: bool) {
        let vcluster = vcluster.parse().expect("a version");
        assert_eq!(Distro::default_of(&vcluster), default, "{vcluster}");
        assert_eq!(Distro::K3s.check(&vcluster).is_ok(), k3s_is_there, "{vcluster}");
        assert_eq!(Distro::K8s.check(&vcluster), Ok(()));
    }

    #[test]
    fn k3s_is_the_default_as_long_as_it_is_shipped() {
        check("0.24.0", Distro::K3s, true);
        check("0.32.3", Distro::K3s, true);
        check("0.33.0-beta.1", Distro::K8s, false);
        check("0.33.0", Distro::K8s, false);
        check("0.34.7", Distro::K8s, false);
        check("1.0.0", Distro::K8s, false);
    }

    #[test]
    fn a_version_becomes_the_tag_of_an_image() {
        let check = |distro: Distro, version: &str, tag: Option<&str>| {
            assert_eq!(distro.image_tag(version).ok().as_deref(), tag, "{distro} {version}");
        };
        check(Distro::K8s, "1.34.0", Some("v1.34.0"));
        check(Distro::K8s, "v1.34.0", Some("v1.34.0"));
        check(Distro::K3s, "1.32.7", Some("v1.32.7-k3s1"));
        check(Distro::K3s, "v1.32.7-k3s2", Some("v1.32.7-k3s2"));
        for bad in ["", "1.34", "latest", "vv1.34.0", "v1.34.0-k3s1", "1.34.0+x", "1.34.0-"] {
            check(Distro::K8s, bad, None);
        }
        check(Distro::K3s, "1.34.0-k3s", None);
    }

    #[test]
    fn names_read_back() {
        for distro in [Distro::K3s, Distro::K8s] {
            assert_eq!(distro.to_string().parse(), Ok(distro));
        }
        assert!("K8S".parse::<Distro>().is_err());
    }
}
