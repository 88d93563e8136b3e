//! Charts as resources get them, and what an error on the way means to the user: a diagnostic on the attribute that it is
//! about, with the next step.

use helm_charts::Archive;
use helm_charts::source::{Charts, Credentials, Request, Source, SourceError, Wanted};
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, Report, diagnostic, stop_token};

/// The name of vCluster's chart wherever it is.
const CHART: &str = "vcluster";

/// What `chart` and `vcluster_version` ask for.
pub struct WantedChart<'a> {
    /// `chart.source`
    pub source: &'a str,
    /// `vcluster_version`
    pub version: &'a str,
    /// `chart.digest`, where it is known.
    pub digest: Option<&'a str>,
    /// `chart.username` and `chart.password`
    pub credentials: Option<&'a Credentials>,
}

/// Gets a chart from where `chart.source` says, until Terraform wants to stop. A chart that was taken from the cache
/// because its source is unreachable comes with a warning.
pub async fn get(diags: &mut Diagnostics, charts: &Charts, wanted: &WantedChart<'_>) -> Option<Archive> {
    let get = async {
        let request = Request {
            source: &Source::parse(wanted.source)?,
            name: Some(CHART),
            version: &Wanted::Exact(wanted.version.to_owned()),
            digest: wanted.digest,
            credentials: wanted.credentials,
        };
        charts.get(&request, &stop_token()).await
    };
    match get.await {
        Ok(found) => {
            if let Some(error) = found.unreachable {
                diags.warn(
                    at("source"),
                    "The chart's source cannot be reached; the chart comes from the cache.",
                    format!("{error}. Version {} of the chart was fetched from there before.", wanted.version),
                );
            }
            Some(found.archive)
        }
        Err(error) => {
            diags.add_error(explain(&error));
            None
        }
    }
}

/// The error as a diagnostic.
pub fn explain(error: &SourceError) -> Diagnostic {
    let (attribute, summary, next_step) = match error {
        SourceError::Malformed { .. } => (
            at("source"),
            "This is no source of charts.",
            "Give a chart repository (https://…), a registry (oci://…), a directory or a .tgz archive, or leave it out for the \
             official chart repository.",
        ),
        SourceError::Unusable { .. } => (
            at("source"),
            "The chart cannot be read.",
            "Check that it is the vCluster chart: a directory with a Chart.yaml, or what `helm package` made of it.",
        ),
        SourceError::Unreachable { .. } => (
            at("source"),
            "The chart's source cannot be reached.",
            "Check the address and the network; HTTPS_PROXY, HTTP_PROXY and NO_PROXY name a proxy. A chart that was fetched \
             from there once on this machine is taken from the cache.",
        ),
        SourceError::Tls { unknown_authority: true, .. } => (
            at("source"),
            "The chart's source is signed by an unknown authority.",
            "Name the authority's certificate in SSL_CERT_FILE, or add it to the system's.",
        ),
        SourceError::Tls { no_tls: true, .. } => (
            at("source"),
            "The chart's source does not speak TLS.",
            "Check the port. A repository without TLS has an http:// URL.",
        ),
        SourceError::Tls { .. } => (
            at("source"),
            "The chart's source has no valid certificate.",
            "Check the host name and the server's certificate.",
        ),
        SourceError::Denied { with_credentials: true, .. } => (
            at("username"),
            "The chart's source refuses these credentials.",
            "Check `chart.username` and `chart.password`, and that the user may read the chart.",
        ),
        SourceError::Denied { .. } => {
            (at("username"), "The chart's source wants credentials.", "Set `chart.username` and `chart.password`.")
        }
        SourceError::Missing { .. } => (
            at("source"),
            "There is nothing at the chart's source.",
            "Check the URL: that of a repository is the one below which its index.yaml is.",
        ),
        SourceError::Index { .. } | SourceError::Registry { .. } => (
            at("source"),
            "The chart's source does not answer as one.",
            "Check the URL, and that nothing in between answers instead, such as a login page.",
        ),
        SourceError::NoChart { .. } => (
            at("source"),
            "The source does not have the vCluster chart.",
            "Check the URL of the repository or registry.",
        ),
        SourceError::NoVersion { .. } | SourceError::BadVersion { .. } => (
            AttributePath::new("vcluster_version"),
            "The source does not have this version of the chart.",
            "Choose a version that is there, or another `chart.source`.",
        ),
        SourceError::Corrupt { .. } => (
            at("source"),
            "The chart is not what its source says that it is.",
            "Something changed the archive on the way or in the source. Report it to whoever runs the source.",
        ),
        SourceError::OtherDigest { .. } => (
            at("digest"),
            "The chart is not the one that the configuration insists on.",
            "Find out why the chart differs before you change `chart.digest`.",
        ),
        SourceError::Status { .. } | SourceError::Redirect { .. } | SourceError::TooLarge { .. } => (
            at("source"),
            "The chart's source does not give the chart.",
            "Check the URL, and ask whoever runs the source.",
        ),
        SourceError::Certificates { .. } => (
            at("source"),
            "The certificates for the chart's source cannot be read.",
            "SSL_CERT_FILE has to name a file of certificates in PEM.",
        ),
        SourceError::Proxy { .. } => (
            at("source"),
            "The proxy for the chart's source is not valid.",
            "Give it as in http://proxy.example.com:3128.",
        ),
        SourceError::Stopped { .. } => {
            (at("source"), "The apply was stopped.", "Run `terraform apply` again: nothing is lost, and it converges.")
        }
    };
    let text = error.to_string();
    diagnostic(attribute, summary, format!("{text}.\n\nNext step: {next_step}"))
}

fn at(attribute: &'static str) -> AttributePath {
    AttributePath::new("chart").attribute(attribute)
}
