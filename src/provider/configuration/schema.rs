//! The provider block's schema. The documentation is generated from these descriptions.

use std::collections::HashMap;

use crate::host::connection::{Setting, variables};
use terraform_plugin::schema::{Attribute, AttributeConstraint, AttributeType, Block, Description, Schema};

/// Schema of the provider block.
pub fn schema() -> Schema {
    let host_clusters = optional(
        AttributeType::AttributeMap(connection()),
        "The Kubernetes clusters that virtual clusters are built on, by the name that resources know them by: a DNS label \
         such as `eu-1`. Nothing is contacted before it is needed.\n\n\
         How each one is reached is said as in the Kubernetes and Helm providers. Explicit values override what the \
         kubeconfig says. Where neither `host` nor `config_path` nor `config_paths` is set, the kubeconfig is the one that \
         kubectl would use: the files of `KUBECONFIG`, else `~/.kube/config`, else the service account of the pod that \
         Terraform runs in. Values that are known only after apply are allowed.\n\n\
         A host cluster gets at most 20 requests at a time from one provider configuration, whatever `-parallelism` Terraform \
         runs with, in the order in which they come, except that the provider's own records go first; and fewer for a while \
         after it has refused one for lack of room (429).\n\n\
         Without `host_clusters` there is one host cluster called `default`. It alone is configured by the environment \
         variables named below, and by the same search for a kubeconfig.",
    );
    let remote_schemas = optional(
        AttributeType::Bool,
        "Whether documents are fetched that the `values.schema.json` of a chart refers to by a URL, as Helm fetches them. They \
         are kept in the cache of charts, and taken from there while they are unreachable. Default `true`; with `false` nothing \
         is fetched, and what a schema says in such documents is not checked. The charts of vCluster refer to none.",
    );
    Schema {
        version: 0,
        block: Block {
            version: 0,
            attributes: HashMap::from([
                ("host_clusters".to_owned(), host_clusters),
                ("remote_schemas".to_owned(), remote_schemas),
            ]),
            description: Description::markdown(
                "Virtual clusters (vCluster) handed out from groups of existing Kubernetes clusters, with nothing to install \
                 on them.",
            ),
            ..Block::default()
        },
    }
}

fn connection() -> HashMap<String, Attribute> {
    use AttributeType::{Bool, List, String as Text};
    let setting = |setting: Setting, attr_type, description: &str| {
        let variable = variables::variable(setting).map(|name| format!(" Environment: `{name}`.")).unwrap_or_default();
        (setting.name().to_owned(), optional(attr_type, &format!("{description}{variable}")))
    };
    let sensitive = |(name, attribute)| (name, Attribute { sensitive: true, ..attribute });
    HashMap::from([
        setting(
            Setting::Host,
            Text,
            "Address of the API server: a URL with `https://` or `http://`, or `host[:port]` for https. A path is kept. \
             With it and without `config_path` or `config_paths`, no kubeconfig is read.",
        ),
        sensitive(setting(
            Setting::Token,
            Text,
            "Bearer token. Excludes `username`, `client_certificate` and `exec`, and replaces the kubeconfig's credential.",
        )),
        setting(
            Setting::Username,
            Text,
            "User name for HTTP basic authentication. Needs `password`; excludes `token`, `client_certificate` and `exec`.",
        ),
        sensitive(setting(Setting::Password, Text, "Password for HTTP basic authentication. Needs `username`.")),
        setting(
            Setting::ClientCertificate,
            Text,
            "Client certificate in PEM, with intermediate certificates after it. Needs `client_key`; excludes `token`, \
             `username` and `exec`.",
        ),
        sensitive(setting(
            Setting::ClientKey,
            Text,
            "Private key of `client_certificate` in PEM, not encrypted. Needs `client_certificate`.",
        )),
        setting(
            Setting::ClusterCaCertificate,
            Text,
            "Certificates in PEM that the API server's certificate is verified against. Excludes `insecure`. Default: the \
             kubeconfig's, else the certificate authorities that this machine trusts.",
        ),
        setting(
            Setting::Insecure,
            Bool,
            "Whether any certificate of the API server is accepted, so that anybody in between can read and change \
             everything. Excludes `cluster_ca_certificate`. Default: what the kubeconfig says, else `false`.",
        ),
        setting(
            Setting::TlsServerName,
            Text,
            "Name to expect in the API server's certificate. Default: the host name of the address.",
        ),
        sensitive(setting(
            Setting::ProxyUrl,
            Text,
            "URL of the proxy to the API server: `http://`, `https://` or `socks5://`, with `user:password@` if it wants them. \
             `https://` is for a proxy that is itself spoken to in TLS, whatever is behind it. \
             Default: the kubeconfig's, else `HTTPS_PROXY` with the exceptions in `NO_PROXY`.",
        )),
        setting(Setting::ConfigPath, Text, "Path of a kubeconfig; `~` is the home directory. Excludes `config_paths`."),
        setting(
            Setting::ConfigPaths,
            List(Box::new(Text)),
            "Paths of kubeconfigs that are merged as kubectl merges those of `KUBECONFIG`: the first to set a value wins. \
             All must exist. Excludes `config_path`.",
        ),
        setting(Setting::ConfigContext, Text, "Context of the kubeconfig. Default: its current context."),
        setting(Setting::ConfigContextCluster, Text, "Cluster of the kubeconfig, instead of the context's."),
        setting(Setting::ConfigContextAuthInfo, Text, "User of the kubeconfig, instead of the context's."),
        setting(
            Setting::Exec,
            AttributeType::AttributeSingle(exec()),
            "A credential plugin, such as `aws eks get-token`. It runs when the host is first used and when its credential \
             has expired or was refused, without a terminal and for at most a minute. Excludes `token`, `username` and \
             `client_certificate`.",
        ),
    ])
}

fn exec() -> HashMap<String, Attribute> {
    use AttributeType::{List, Map, String as Text};
    let required = |attribute| Attribute { constraint: AttributeConstraint::Required, ..attribute };
    HashMap::from([
        (
            "api_version".to_owned(),
            required(optional(
                Text,
                "Version of the protocol that the plugin speaks: `client.authentication.k8s.io/v1` or \
                 `client.authentication.k8s.io/v1beta1`.",
            )),
        ),
        ("command".to_owned(), required(optional(Text, "The command: a path, or a name on `PATH`."))),
        ("args".to_owned(), optional(List(Box::new(Text)), "Arguments of the command, in order. Default: none.")),
        (
            "env".to_owned(),
            Attribute {
                sensitive: true,
                ..optional(
                    Map(Box::new(Text)),
                    "Environment variables of the command, in addition to those that Terraform was started with. Default: \
                     none.",
                )
            },
        ),
    ])
}

fn optional(attr_type: AttributeType, description: &str) -> Attribute {
    Attribute {
        attr_type,
        description: Description::markdown(description),
        constraint: AttributeConstraint::Optional,
        ..Attribute::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_an_attribute() {
        let AttributeType::AttributeMap(attributes) = &schema().block.attributes["host_clusters"].attr_type else {
            panic!("host_clusters is no map of nested attributes");
        };
        let mut names: Vec<_> = attributes.keys().map(String::as_str).collect();
        let mut expected = Setting::ALL.map(Setting::name);
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}
