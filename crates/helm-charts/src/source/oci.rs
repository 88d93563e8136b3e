//! OCI registries: a chart is a manifest, tagged with its version, whose layer is the archive. Reads what `helm push`
//! writes, by the distribution API. Verifies the manifest and the layer by their digests.

mod access;
mod reference;

use reqwest::Url;
use serde::Deserialize;

use super::super::archive::{Archive, MAX_ARCHIVE};
use super::cache::Cache;
use super::client::Client;
use super::error::shown;
use super::repository::{check_digest, verified};
use super::{Request, SourceError, Wanted};
use access::Access;
pub use reference::Reference;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYERS: [&str; 2] = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
/// The largest manifest that is read, and the largest page of tags, in bytes: registries' own limit.
const MAX_MANIFEST: usize = 4 << 20;
/// Pages of tags.
const MAX_PAGES: usize = 100;

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
}

#[derive(Debug, Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

/// Gets the chart that `request` names from a registry.
pub(super) async fn fetch(
    client: &Client,
    cache: &Cache,
    reference: &Reference,
    request: &Request<'_>,
) -> Result<Archive, SourceError> {
    let chart = reference.of_chart(request.name);
    let mut repository = Repository { access: Access::new(client, &chart, request.credentials), chart };
    let named = repository.name_of(request).await?;
    let (manifest, url) = match repository.manifest(&named).await {
        Err(SourceError::Missing { .. }) => return Err(repository.missing(request).await),
        manifest => manifest?,
    };
    let layer = chart_layer(&manifest, &url)?;
    if let Some(archive) = cache.archive(&layer.digest) {
        return Ok(archive);
    }
    let url = repository.url(&format!("blobs/{}", layer.digest));
    let answer = repository.access.get(&url, None, MAX_ARCHIVE as usize).await?.success(&url)?;
    verified(answer.body, &url, Some(("manifest", layer.digest.clone())))
}

struct Repository<'a> {
    access: Access<'a>,
    chart: Reference,
}

impl Repository<'_> {
    fn url(&self, rest: &str) -> Url {
        self.access.url(&format!("/v2/{}/{rest}", self.chart.repository))
    }

    /// The tag or the digest of the manifest that is wanted.
    async fn name_of(&mut self, request: &Request<'_>) -> Result<String, SourceError> {
        if let Some(digest) = &self.chart.digest {
            return Ok(digest.clone());
        }
        let wanted = request.version;
        match (&self.chart.tag, wanted) {
            (Some(tag), Wanted::Newest) => return Ok(tag.clone()),
            (Some(tag), wanted) if *tag != to_tag(&wanted.to_string()) => {
                let (source_text, name) = (self.chart.to_string(), self.chart.name().to_owned());
                let nearest = vec![to_version(tag)];
                return Err(SourceError::NoVersion { source_text, name, wanted: wanted.to_string(), nearest });
            }
            (Some(tag), _) => return Ok(tag.clone()),
            (None, Wanted::Exact(version)) => return Ok(to_tag(version)),
            (None, Wanted::Matching(_) | Wanted::Newest) => {}
        }
        let versions = match self.versions().await {
            Err(SourceError::Missing { .. }) => return Err(self.missing(request).await),
            versions => versions?,
        };
        match wanted.choose(&versions, |version| version)? {
            Some(version) => Ok(to_tag(version)),
            None => Err(self.no_version(request, &versions)),
        }
    }

    async fn manifest(&mut self, named: &str) -> Result<(Manifest, Url), SourceError> {
        let url = self.url(&format!("manifests/{named}"));
        let answer = self.access.get(&url, Some(MANIFEST), MAX_MANIFEST).await?.success(&url)?;
        let said = answer.headers.get("docker-content-digest").and_then(|digest| digest.to_str().ok());
        if let Some(digest) = said.filter(|digest| digest.starts_with("sha256:")) {
            check_digest(&answer.body, &url, "registry", digest)?;
        }
        if named.starts_with("sha256:") {
            check_digest(&answer.body, &url, "reference", named)?;
        }
        let manifest = serde_json::from_slice(&answer.body);
        let manifest =
            manifest.map_err(|error| SourceError::Registry { url: shown(&url), reason: error.to_string() })?;
        Ok((manifest, url))
    }

    /// All versions of the chart: the tags that are versions.
    async fn versions(&mut self) -> Result<Vec<String>, SourceError> {
        let mut url = self.url("tags/list");
        let mut versions = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.access.get(&url, None, MAX_MANIFEST).await?.success(&url)?;
            let page: Tags = serde_json::from_slice(&answer.body)
                .map_err(|error| SourceError::Registry { url: shown(&url), reason: error.to_string() })?;
            versions.extend(page.tags.into_iter().flatten().map(|tag| to_version(&tag)));
            let next = answer.headers.get("link").and_then(|link| link.to_str().ok()).and_then(next_page);
            match next.and_then(|next| url.join(next).ok()).filter(|next| next.origin() == url.origin()) {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(versions)
    }

    /// Why there is no manifest: no such version, or no chart at all.
    async fn missing(&mut self, request: &Request<'_>) -> SourceError {
        match self.versions().await {
            Ok(versions) if !versions.is_empty() => self.no_version(request, &versions),
            _ => SourceError::NoChart {
                source_text: self.chart.to_string(),
                name: self.chart.name().to_owned(),
                others: Vec::new(),
            },
        }
    }

    fn no_version(&self, request: &Request<'_>, versions: &[String]) -> SourceError {
        SourceError::NoVersion {
            source_text: self.chart.to_string(),
            name: self.chart.name().to_owned(),
            wanted: request.version.to_string(),
            nearest: request.version.nearest(versions.iter().map(String::as_str)),
        }
    }
}

fn chart_layer<'a>(manifest: &'a Manifest, url: &Url) -> Result<&'a Descriptor, SourceError> {
    let wrong = |reason: String| SourceError::Registry { url: shown(url), reason };
    match &manifest.config {
        Some(config) if config.media_type == CONFIG => {}
        Some(config) => return Err(wrong(format!("its configuration is of the type {}", config.media_type))),
        None => return Err(wrong("it has no configuration".to_owned())),
    }
    let layer = manifest.layers.iter().find(|layer| LAYERS.contains(&layer.media_type.as_str()));
    let layer = layer.ok_or_else(|| wrong("it has no layer with a chart".to_owned()))?;
    let hex = layer.digest.strip_prefix("sha256:").unwrap_or_default();
    match hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(layer),
        false => Err(wrong(format!("{:?} is no sha256 digest", layer.digest))),
    }
}

/// Tags cannot hold a `+`; Helm writes `_` instead.
fn to_tag(version: &str) -> String {
    version.replace('+', "_")
}

fn to_version(tag: &str) -> String {
    tag.replace('_', "+")
}

/// The target of `rel="next"` in a `Link` header.
fn next_page(link: &str) -> Option<&str> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then_some(target)
}
