//! From CHART and its flags to the chart's files, which are on this machine or are fetched.

use std::path::Path;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::RenderError;
use super::flags::Options;
use crate::application;
use helm_charts::source::{Charts, Credentials, Environment, Request, Source, Wanted};
use helm_charts::{Archive, Chart};

/// What is there by that name wins over what could be fetched by it, as in Helm.
pub(super) fn locate(chart: &str, options: &Options, warn: &mut dyn FnMut(&str)) -> Result<Archive, RenderError> {
    let chart = chart.trim();
    let path = Path::new(chart);
    if path.exists() {
        if !options.repo.is_empty() {
            warn(&format!("{chart} is there, so the repository is not asked"));
        }
        return Ok(Archive::open(path)?);
    }
    if path.is_absolute() || chart.starts_with('.') {
        return Err(RenderError::NotFound(chart.to_owned()));
    }
    let (source, name) = match options.repo.as_str() {
        "" => (remote(chart)?, None),
        repository => (Source::parse(repository)?, Some(chart)),
    };
    fetch(&source, name, options, warn)
}

/// Repositories that Helm knows by a name are Helm's configuration, which is not read here.
fn remote(chart: &str) -> Result<Source, RenderError> {
    if chart.contains("://") {
        return Ok(match Source::parse(chart)? {
            // Helm takes whatever such a URL gives for an archive.
            Source::Repository(url) => Source::Archive(url),
            source => source,
        });
    }
    Err(match chart.split_once('/') {
        Some((repository, _)) => RenderError::NoSuchRepository(repository.to_owned()),
        None => RenderError::NoSuchChart(chart.to_owned()),
    })
}

fn fetch(
    source: &Source,
    name: Option<&str>,
    options: &Options,
    warn: &mut dyn FnMut(&str),
) -> Result<Archive, RenderError> {
    let version = match (options.version.trim(), options.devel) {
        ("", false) => Wanted::Newest,
        ("", true) => Wanted::Matching(">0.0.0-0".to_owned()),
        (version, _) => Wanted::Matching(version.to_owned()),
    };
    let credentials = (!options.username.is_empty() || !options.password.is_empty())
        .then(|| Credentials { username: options.username.clone(), password: options.password.clone().into() });
    let request = Request { source, name, version: &version, digest: None, credentials: credentials.as_ref() };
    let found = runtime()?.block_on(charts(options).get(&request, &CancellationToken::new()))?;
    if let Some(reason) = found.unreachable {
        warn(&format!("{reason}; this is the chart that was fetched before"));
    }
    Ok(found.archive)
}

/// Adds what the chart's schemas refer to on the network, unless nothing is to be fetched.
pub(super) fn add_remote_schemas(chart: &mut Chart, options: &Options) -> Result<(), RenderError> {
    if chart.missing_remote_schemas().is_empty() {
        return Ok(());
    }
    let charts = charts(options);
    charts.fetch_remote_schemas(!options.no_remote_schemas);
    Ok(runtime()?.block_on(charts.add_remote_schemas(chart, &CancellationToken::new()))?)
}

fn charts(options: &Options) -> Charts {
    let ca_file = (!options.ca_file.is_empty()).then(|| options.ca_file.clone().into());
    Charts::new(Environment { ca_file, ..application::chart_environment() })
}

fn runtime() -> Result<Runtime, RenderError> {
    Builder::new_current_thread().enable_all().build().map_err(RenderError::Runtime)
}
