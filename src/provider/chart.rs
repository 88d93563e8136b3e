//! The attribute `chart` of a resource: model, schema, plan, and the credentials that come with it.
//!
//! Getting a chart is [`chart_source`](super::chart_source)'s.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::host::chart_archives::ChartArchives;
use crate::provider::attribute::{attributes, defaulted, optional, sensitive};
use crate::provider::chart_source::{self, WantedChart};
use crate::provider::value::{or_default, or_unknown};
use helm_charts::source::{Charts, Credentials};
use helm_charts::{Archive, Chart, ChartError};
use terraform_plugin::schema::{Attribute, AttributeType};
use terraform_plugin::value::Value;
use terraform_plugin::{Diagnostics, stop_token};

/// The chart's source when the configuration names none.
pub const DEFAULT_SOURCE: &str = "https://charts.loft.sh";

/// `chart`
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChartModel {
    pub source: Value<String>,
    pub digest: Value<String>,
    pub username: Value<String>,
    /// Write-only: present in the configuration, null in every plan and state.
    pub password: Value<String>,
}

impl fmt::Debug for ChartModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChartModel").field("source", &self.source).field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// Where charts come from, and what lets us in there.
pub struct ChartAccess<'a> {
    charts: &'a Charts,
    credentials: Option<Credentials>,
}

impl<'a> ChartAccess<'a> {
    /// With the credentials of the configuration's `chart`: the password is in no plan.
    pub fn of(charts: &'a Charts, chart: &Value<ChartModel>) -> Self {
        let credentials = || {
            let chart = chart.as_ref_option()?;
            let username = chart.username.as_ref_option()?.clone();
            Some(Credentials { username, password: chart.password.as_ref_option()?.as_str().into() })
        };
        Self { charts, credentials: credentials() }
    }

    /// Gets what a plan's `chart` and `vcluster_version` ask for from its source.
    pub async fn get(
        &self,
        diags: &mut Diagnostics,
        chart: &Value<ChartModel>,
        version: &Value<String>,
    ) -> Option<Archive> {
        let chart = chart.as_ref_option()?;
        let wanted = WantedChart {
            source: chart.source.as_ref_option()?,
            version: version.as_ref_option()?,
            digest: chart.digest.as_ref_option().map(String::as_str),
            credentials: self.credentials.as_ref(),
        };
        chart_source::get(diags, self.charts, &wanted).await
    }
}

impl ChartAccess<'_> {
    /// The chart in an archive, with what its schemas refer to on the network.
    ///
    /// # Errors
    ///
    /// As [`Chart::parse`]. What a schema refers to and nobody has is an error of the render.
    pub async fn read(&self, archive: &Archive) -> Result<Chart, ChartError> {
        let mut chart = Chart::parse(archive)?;
        if let Err(error) = self.charts.add_remote_schemas(&mut chart, &stop_token()).await {
            tracing::info!(%error, "what the schemas of the chart refer to was not fetched");
        }
        Ok(chart)
    }
}

/// The digest of a chart archive; none if the bytes are none.
pub fn digest_of(archive: &[u8]) -> Option<String> {
    Some(Archive::from_tgz(archive).ok()?.digest().to_owned())
}

/// The charts that `host` keeps.
pub fn archives_on(host: &Host) -> ChartArchives {
    ChartArchives::of(host, digest_of)
}

/// The planned `chart`: without a digest in the configuration it keeps the one that it had, and a new one is found when
/// it is applied.
pub fn plan(config: &Value<ChartModel>, prior: Option<&ChartModel>) -> Value<ChartModel> {
    if matches!(config, Value::Unknown) {
        return Value::Unknown;
    }
    let unset = ChartModel::default();
    let config = config.as_ref_option().unwrap_or(&unset);
    Value::Value(ChartModel {
        source: or_default(&config.source, DEFAULT_SOURCE.to_owned()),
        digest: match (&config.digest, prior) {
            (Value::Null, Some(prior)) => prior.digest.clone(),
            (digest, _) => or_unknown(digest),
        },
        username: config.username.clone(),
        password: Value::Null,
    })
}

/// The attribute of a resource that is called `owner`, whose hosts keep the archive `kept_on` them.
pub fn schema(owner: &str, kept_on: &str) -> Attribute {
    use AttributeType::{AttributeSingle, String};
    defaulted(
        AttributeSingle(attributes([
            (
                "source",
                defaulted(
                    String,
                    &format!(
                        "Where the vCluster chart comes from: a chart repository (`https://…`), an OCI registry (`oci://…`), a \
                         directory, or a `.tgz` archive (a path or a URL). Default `{DEFAULT_SOURCE}`. It is needed once: the \
                         archive is then kept on {kept_on}. `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` of \
                         the environment count; `NESTED_CHART_CACHE` names the directory of the cache, by default \
                         `~/.cache/terraform-provider-nested/charts`."
                    ),
                ),
            ),
            (
                "digest",
                defaulted(
                    String,
                    &format!(
                        "`sha256:` digest of the chart. For an archive it is the digest of its bytes, wherever it comes from; \
                         for a directory that of a reproducible packing. Locked: found when the {owner} is created, it never \
                         changes afterwards. Set it to insist on one: then a chart in the cache needs no network."
                    ),
                ),
            ),
            (
                "username",
                optional(
                    String,
                    "User name for a chart repository or a registry. It is sent to the source's own host only.",
                ),
            ),
            (
                "password",
                sensitive(optional(
                    String,
                    "Password or token for `username`. Write-only: it is kept in no state and no plan. Needs Terraform 1.11 \
                     or later, or OpenTofu 1.11 or later.",
                )),
            ),
        ])),
        "The official vCluster Helm chart, rendered by the provider itself.",
    )
}
