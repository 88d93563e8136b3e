//! Access to a registry: what it asks for in `WWW-Authenticate` it gets, a bearer token or basic authentication. And the
//! scheme: https, but for registries on this machine that speak plain HTTP.

use std::collections::HashMap;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use reqwest::Url;
use serde::Deserialize;

use super::super::client::{Answer, Client, Get};
use super::super::error::shown;
use super::super::proxy::is_this_machine;
use super::super::{Credentials, SourceError};
use super::Reference;

/// The largest answer of a token service, in bytes.
const MAX_TOKEN: usize = 1 << 20;

pub(super) struct Access<'a> {
    client: &'a Client,
    base: Url,
    /// What a token is asked for where the registry does not say.
    scope: String,
    credentials: Option<&'a Credentials>,
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// One way to be let in that a registry offers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: HashMap<String, String>,
}

impl<'a> Access<'a> {
    pub(super) fn new(client: &'a Client, chart: &Reference, credentials: Option<&'a Credentials>) -> Self {
        let scope = format!("repository:{}:pull", chart.repository);
        Self { client, base: chart.base.clone(), scope, credentials, authorization: None }
    }

    /// The URL of `path` in the registry.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    /// Asks the registry, and once more after it has said what it wants to see.
    pub(super) async fn get(
        &mut self,
        url: &Url,
        accept: Option<&'static str>,
        limit: usize,
    ) -> Result<Answer, SourceError> {
        let mut url = url.clone();
        let mut answer = self.ask(&url, accept, limit).await;
        if let Err(SourceError::Tls { no_tls: true, .. }) = &answer
            && is_this_machine(&url)
            && url.set_scheme("http").is_ok()
            && self.base.set_scheme("http").is_ok()
        {
            answer = self.ask(&url, accept, limit).await;
        }
        let answer = answer?;
        if answer.status != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(answer);
        }
        let offers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let offers: Vec<Challenge> = offers.flat_map(challenges).collect();
        let offer = |scheme: &str| offers.iter().find(|offer| offer.scheme.eq_ignore_ascii_case(scheme));
        self.authorization = match (offer("bearer"), offer("basic")) {
            (Some(bearer), _) => Some(self.token(bearer, &url).await?),
            (None, Some(_)) => self.credentials.and_then(Credentials::basic),
            (None, None) => None,
        };
        if self.authorization.is_none() { Ok(answer) } else { self.ask(&url, accept, limit).await }
    }

    async fn ask(&self, url: &Url, accept: Option<&'static str>, limit: usize) -> Result<Answer, SourceError> {
        let authorization = self.authorization.clone().map(|value| (&self.base, value));
        let answer = self.client.get(&Get { url, accept, authorization, limit }).await?;
        // A token may be anybody's.
        let with_credentials = answer.with_credentials && self.credentials.is_some();
        Ok(Answer { with_credentials, ..answer })
    }

    /// A token of the service that the registry names, with the credentials if there are any.
    async fn token(&self, bearer: &Challenge, asked: &Url) -> Result<HeaderValue, SourceError> {
        let wrong = |reason: &str| SourceError::Registry { url: shown(asked), reason: reason.to_owned() };
        let realm = bearer.parameters.get("realm").and_then(|realm| Url::parse(realm).ok());
        let mut realm = realm.ok_or_else(|| wrong("it asks for a token and does not say where to get one"))?;
        if self.credentials.is_some() && asked.scheme() == "https" && realm.scheme() != "https" {
            return Err(wrong("it wants credentials to be sent over a connection that is not encrypted"));
        }
        {
            let mut query = realm.query_pairs_mut();
            if let Some(service) = bearer.parameters.get("service") {
                query.append_pair("service", service);
            }
            query.append_pair("scope", bearer.parameters.get("scope").unwrap_or(&self.scope));
        }
        let authorization = self.credentials.and_then(Credentials::basic).map(|value| (&realm, value));
        let get = Get { url: &realm, accept: None, authorization, limit: MAX_TOKEN };
        let answer = self.client.get(&get).await?.success(&realm)?;
        let token =
            serde_json::from_slice(&answer.body).ok().and_then(|token: Token| token.token.or(token.access_token));
        let value = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        let mut value = value.ok_or_else(|| wrong("its token service answers without a token"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Reads a `WWW-Authenticate` header: schemes, each with `name=value` or `name="value"`.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = match (after.strip_prefix('='), found.last_mut()) {
            (Some(after), Some(challenge)) => {
                let (value, after) = value(after);
                challenge.parameters.insert(word.to_ascii_lowercase(), value);
                after
            }
            _ => {
                if !word.is_empty() {
                    found.push(Challenge { scheme: word.to_owned(), parameters: HashMap::new() });
                }
                after.strip_prefix('=').unwrap_or(after)
            }
        };
        rest = rest.trim_start_matches([' ', ',']);
    }
    found
}

/// A parameter's value, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_commas_inside_of_quotes() {
        let check = |header: &str, expected: &[(&str, &[(&str, &str)])]| {
            let parameters = |all: &[(&str, &str)]| all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            let challenge = |(scheme, all): &(&str, &[(&str, &str)])| Challenge {
                scheme: scheme.to_string(),
                parameters: parameters(all),
            };
            assert_eq!(challenges(header), expected.iter().map(challenge).collect::<Vec<_>>(), "{header}");
        };
        check(
            r#"Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push""#,
            &[(
                "Bearer",
                &[
                    ("realm", "https://auth.example.com/token"),
                    ("service", "registry"),
                    ("scope", "repository:a/b:pull,push"),
                ],
            )],
        );
        check(
            r#"Basic realm="a \"b\"", Bearer realm=c"#,
            &[("Basic", &[("realm", "a \"b\"")]), ("Bearer", &[("realm", "c")])],
        );
        check("Negotiate", &[("Negotiate", &[])]);
        check("", &[]);
        check(r#"=x, Basic realm="unclosed"#, &[("x", &[]), ("Basic", &[("realm", "unclosed")])]);
    }
}
