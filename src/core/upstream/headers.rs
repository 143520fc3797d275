//! `UPSTREAM_HEADERS`: headers that are added to or removed from what a server gets.

use serde_json::{Map, Value};

use super::template::{FactSource, Mandatory, Template, secret_value};
use super::{Destination, trusted};
use crate::request::parameters::Parameters;
use crate::request::{RequestUrl, syntax};
use crate::response::reason::Rejection;
use crate::token::{Authenticated, Identity};

const MAX_HEADERS: usize = 32;
const MAX_NAME_BYTES: usize = 128;

/// Headers that belong to the connection or the handshake, so that fetch or the protocol decides.
const RESERVED: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cdn-loop",
];

/// Changes to the headers of requests to the server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpstreamHeaders(Vec<Change>);

#[derive(Debug, Clone, PartialEq)]
struct Change {
    name: String,
    /// `None` removes the client's header.
    value: Option<Template>,
}

/// The facts about a request that placeholders can name.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub identity: Option<&'a Identity>,
    pub token: Option<&'a str>,
    pub parameters: &'a Parameters,
    /// For the origin of the URL that the server gets.
    pub to: &'a Destination<'a>,
    pub url: &'a RequestUrl<'a>,
}

impl<'a> Facts<'a> {
    /// Those of a request that passed step 7.
    pub fn of(
        authenticated: &'a Authenticated,
        parameters: &'a Parameters,
        to: &'a Destination<'a>,
        url: &'a RequestUrl<'a>,
    ) -> Self {
        Self {
            identity: authenticated.identity.as_ref(),
            token: authenticated.shown_token(),
            parameters,
            to,
            url,
        }
    }

    pub(super) fn upstream_origin(&self) -> String {
        self.to.origin(self.url)
    }
}

impl UpstreamHeaders {
    /// Reads names and values. `secret` returns the text of a secret by its name, or what is wrong
    /// with the name. Reports all errors at once; none repeats a value.
    pub fn with(
        changes: &Map<String, Value>,
        secret: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Vec<String>> {
        if changes.len() > MAX_HEADERS {
            return Err(vec![format!("it has more than {MAX_HEADERS} headers")]);
        }
        let secret = |name: &str| {
            let text = secret(name)?;
            secret_value(&text).map_err(|problem| format!("the secret {name} {problem}"))
        };
        let mut read = Vec::new();
        let mut errors = Vec::new();
        for (name, value) in changes {
            let mut names = changes.keys();
            let is_repeated = names.any(|other| other != name && other.eq_ignore_ascii_case(name));
            let value = match value {
                _ if is_repeated => Err("it stands twice; remove one".into()),
                Value::Null => Ok(None),
                Value::String(text) => Template::parse(text, secret).map(Some),
                _ => Err("write a string, or null to remove the header".into()),
            };
            match check_name(name).and(value) {
                Ok(value) => read.push(Change {
                    name: name.clone(),
                    value,
                }),
                Err(problem) => errors.push(format!("{name:?}: {problem}")),
            }
        }
        if errors.is_empty() {
            Ok(Self(read))
        } else {
            Err(errors)
        }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters of the path without which a request is refused.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.mandatory().filter_map(|source| match source {
            FactSource::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// A placeholder without which a request is refused, and which only a token can fill.
    pub fn needs_a_token(&self) -> Option<String> {
        let is_of_token =
            |source: &&FactSource| matches!(source, FactSource::Claim(_) | FactSource::Token);
        self.mandatory().find(is_of_token).map(ToString::to_string)
    }

    /// Whether a secret of the Worker is sent.
    pub fn hold_a_secret(&self) -> bool {
        self.templates().any(Template::holds_a_secret)
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.0.iter().filter_map(|change| change.value.as_ref())
    }

    fn mandatory(&self) -> impl Iterator<Item = &FactSource> {
        let sources = self.templates().flat_map(Template::sources);
        sources.filter_map(|(source, Mandatory(is_mandatory))| is_mandatory.then_some(source))
    }

    /// Names and values for a request that passed the checks; `None` removes a header.
    pub fn fill(&self, facts: &Facts<'_>) -> Result<Vec<(&str, Option<String>)>, Rejection> {
        let filled = self.0.iter().map(|Change { name, value }| {
            let value = value.as_ref().map(|value| value.fill(facts)).transpose()?;
            Ok((name.as_str(), value.filter(|value| !value.is_empty())))
        });
        filled.collect()
    }

    /// Names and values for a request that was not checked. Headers that depend on the client's
    /// identity or hold a secret are removed instead.
    pub fn fill_unchecked(
        &self,
        facts: &Facts<'_>,
    ) -> Result<Vec<(&str, Option<String>)>, Rejection> {
        let is_open = |template: &&Template| {
            let mut sources = template.sources().map(|(source, _)| source);
            let depends =
                sources.any(|source| matches!(source, FactSource::Claim(_) | FactSource::Token));
            !depends && !template.holds_a_secret()
        };
        let filled = self.0.iter().map(|Change { name, value }| {
            let value = value.as_ref().filter(is_open);
            let value = value.map(|value| value.fill(facts)).transpose()?;
            Ok((name.as_str(), value.filter(|value| !value.is_empty())))
        });
        filled.collect()
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if !syntax::is_token(name) || name.len() > MAX_NAME_BYTES {
        return Err("it is not the name of a header".into());
    }
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("sec-websocket-") {
        return Err(
            "it belongs to the connection or the handshake, which no setting can change; leave it \
             out"
            .into(),
        );
    }
    if trusted::is_the_gates(&lower) {
        return Err(
            "the gate or Cloudflare decides on this header; give yours another name, and read the \
             client's address from X-Forwarded-For"
                .into(),
        );
    }
    Ok(())
}
