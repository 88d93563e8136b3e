//! How a virtual cluster's API is reached from outside its host cluster, and the host names that belong to it.

use std::fmt;
use std::str::FromStr;

use crate::domain::metadata;

/// The kind of endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointType {
    /// A Service of type LoadBalancer.
    LoadBalancer,
    /// A host name of its own on the host cluster's Ingress controller, which must pass TLS through.
    Ingress,
    /// A port on every node of the host cluster.
    NodePort,
    /// Reachable inside the host cluster only.
    ClusterIp,
}

/// What an endpoint cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No such kind.
    #[error("\"{0}\" is not an endpoint type: use \"LoadBalancer\", \"Ingress\", \"NodePort\" or \"ClusterIP\"")]
    UnknownType(String),
    /// Neither a name nor a wildcard.
    #[error("\"{0}\" is neither a DNS name in lower case nor a wildcard such as \"*.dev.example.com\"")]
    NotAName(String),
    /// The resulting name is longer than DNS and Kubernetes allow.
    #[error("\"{0}\" is longer than the 253 characters of a host name")]
    TooLong(String),
}

impl EndpointType {
    /// The `spec.type` of the virtual cluster's Service.
    pub fn service_type(self) -> &'static str {
        match self {
            Self::LoadBalancer => "LoadBalancer",
            Self::NodePort => "NodePort",
            // The Ingress controller reaches the Service inside the host cluster.
            Self::Ingress | Self::ClusterIp => "ClusterIP",
        }
    }
}

impl FromStr for EndpointType {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match text {
            "LoadBalancer" => Ok(Self::LoadBalancer),
            "Ingress" => Ok(Self::Ingress),
            "NodePort" => Ok(Self::NodePort),
            "ClusterIP" => Ok(Self::ClusterIp),
            other => Err(EndpointError::UnknownType(other.to_owned())),
        }
    }
}

impl fmt::Display for EndpointType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoadBalancer => "LoadBalancer",
            Self::Ingress => "Ingress",
            Self::NodePort => "NodePort",
            Self::ClusterIp => "ClusterIP",
        })
    }
}

/// The host name of the virtual cluster `name`: `host_dns` itself, and under the wildcard `*.dev.example.com` its own
/// `<name>.dev.example.com`.
pub fn host_name(name: &str, host_dns: &str) -> Result<String, EndpointError> {
    let wildcard = host_dns.strip_prefix("*.");
    if !metadata::is_subdomain(wildcard.unwrap_or(host_dns)) {
        return Err(EndpointError::NotAName(host_dns.to_owned()));
    }
    let host = wildcard.map_or_else(|| host_dns.to_owned(), |domain| format!("{name}.{domain}"));
    if host.len() > 253 { Err(EndpointError::TooLong(host)) } else { Ok(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back() {
        use EndpointType::{ClusterIp, Ingress, LoadBalancer, NodePort};
        for kind in [LoadBalancer, Ingress, NodePort, ClusterIp] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("loadbalancer".parse::<EndpointType>(), Err(EndpointError::UnknownType("loadbalancer".to_owned())));
    }

    #[test]
    fn a_name_is_used_as_it_is_and_a_wildcard_gives_each_virtual_cluster_its_own() {
        assert_eq!(host_name("team-a", "*.dev.eu.example.com"), Ok("team-a.dev.eu.example.com".to_owned()));
        assert_eq!(host_name("team-a", "a.example.com"), Ok("a.example.com".to_owned()));
        for bad in ["", "*", "*.", "a_b.example.com", "*.*.example.com", "*.Example.com", "*.a..b", "*.-a.b", "*.a.b."]
        {
            assert_eq!(host_name("a", bad), Err(EndpointError::NotAName(bad.to_owned())), "{bad}");
        }
        let long = format!("*.{}", "a".repeat(60) + &(".".to_owned() + &"a".repeat(60)).repeat(3));
        assert!(matches!(host_name("team-with-a-long-name", &long), Err(EndpointError::TooLong(_))));
    }
}
