//! The server behind the gate: where it is, what is sent to it, and which answers count.

pub mod assertion;
mod reply;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::request::parameters::Parameters;
use crate::request::{Request, RequestUrl};
use crate::token::{Authenticated, Identity, Source, without_cookie, without_parameter};
pub use reply::{Offer, Reply, UpstreamFailure};

/// Headers of a client that only the gate may set: by exact name or, where it ends in a dash, by
/// prefix.
pub const GATE_HEADERS: [&str; 3] = ["forwarded", "x-forwarded-", "portcullis-"];

/// Where accepted sockets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    Url(UpstreamUrl),
    /// The name of a service binding.
    Service(String),
    Object(ObjectUpstream),
}

/// `UPSTREAM_OBJECT`: a Durable Object by its name, which may hold parameters of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUpstream {
    /// The name of the namespace's binding.
    pub binding: String,
    name: Vec<NamePart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NamePart {
    Literal(String),
    Parameter(String),
}

impl ObjectUpstream {
    /// Parses `ROOMS/lobby` or `ROOMS/{room}`. The error says what is wrong and what would be
    /// right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no object; write a binding and a name, like \"ROOMS/{{room}}\"")
        };
        let (binding, mut rest) = text.split_once('/').ok_or_else(wrong)?;
        if binding.is_empty() || rest.is_empty() {
            return Err(wrong());
        }
        let mut name = Vec::new();
        while let Some((literal, after_response)) = rest.split_once('{') {
            let (parameter, after_response) = after_response.split_once('}').ok_or_else(wrong)?;
            if !literal.is_empty() {
                name.push(NamePart::Literal(literal.to_owned()));
            }
            name.push(NamePart::Parameter(parameter.to_owned()));
            rest = after_response;
        }
        if !rest.is_empty() {
            name.push(NamePart::Literal(rest.to_owned()));
        }
        Ok(Self {
            binding: binding.to_owned(),
            name,
        })
    }

    /// The parameters that the name holds.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.name.iter().filter_map(|part| match part {
            NamePart::Literal(_) => None,
            NamePart::Parameter(name) => Some(name.as_str()),
        })
    }

    fn name(&self, parameters: &Parameters) -> String {
        let part = |part: &NamePart| match part {
            NamePart::Literal(text) => text.clone(),
            // A slash in a value is escaped, so that two parameters can't trade places.
            NamePart::Parameter(name) => parameters
                .get(name)
                .unwrap_or_default()
                .replace('%', "%25")
                .replace('/', "%2F"),
        };
        self.name.iter().map(part).collect()
    }
}

/// An upstream for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination<'a> {
    Url(&'a UpstreamUrl),
    /// The name of a service binding.
    Service(&'a str),
    /// A Durable Object.
    Object {
        binding: &'a str,
        name: String,
    },
}

/// `UPSTREAM_URL`: a path in it goes before the request's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// `http` or `https`: sockets are opened by fetch, which has no `ws`.
    scheme: &'static str,
    authority: String,
    path_prefix: String,
    /// The name of a binding of a client certificate (mTLS) that the server is shown.
    pub certificate: Option<String>,
}

impl Upstream {
    /// Whom an assertion is for: the origin of a URL as RFC 6454 §6.2 writes it, or
    /// `service:NAME`, or `object:NAMESPACE`.
    pub fn audience(&self) -> String {
        match self {
            Self::Url(url) => url.origin(),
            Self::Service(name) => format!("service:{name}"),
            Self::Object(object) => format!("object:{}", object.binding),
        }
    }

    /// Where a request with these path parameters goes.
    pub fn destination(&self, parameters: &Parameters) -> Destination<'_> {
        match self {
            Self::Url(url) => Destination::Url(url),
            Self::Service(name) => Destination::Service(name),
            Self::Object(object) => Destination::Object {
                binding: &object.binding,
                name: object.name(parameters),
            },
        }
    }
}

impl UpstreamUrl {
    /// Parses `wss://`, `https://`, `ws://` or `http://` with a host. The error says what is
    /// wrong and what would be right.
    pub fn parse(text: &str, plaintext_is_allowed: bool) -> Result<Self, String> {
        let example = "write a URL like \"wss://chat.example.com\"";
        if text.contains('#') {
            return Err(format!("it has a fragment; {example}"));
        }
        let uri: http::Uri = text
            .parse()
            .map_err(|error| format!("{error}; {example}"))?;
        let scheme = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("wss" | "https") => "https",
            Some("ws" | "http") => "http",
            _ => {
                return Err(format!(
                    "its scheme is not wss, https, ws or http; {example}"
                ));
            }
        };
        let authority = uri
            .authority()
            .ok_or_else(|| format!("it has no host; {example}"))?;
        if authority.as_str().contains('@') {
            return Err(format!("it has a user name or password; {example}"));
        }
        let names_a_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty() || (names_a_port && authority.port_u16().is_none()) {
            return Err(format!("its host or port is malformed; {example}"));
        }
        if uri.query().is_some() {
            return Err(format!("it has a query; {example}"));
        }
        if scheme == "http" && !plaintext_is_allowed && !is_loopback(authority.host()) {
            return Err(
                "it would carry identities unencrypted; write wss:// or https://, \
                 or set UPSTREAM_PLAINTEXT to true"
                    .into(),
            );
        }
        Ok(Self {
            scheme,
            authority: authority.to_string(),
            path_prefix: uri.path().trim_end_matches('/').to_owned(),
            certificate: None,
        })
    }

    /// Whether the server is reached over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    fn origin(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        let default_port = if self.scheme == "https" {
            ":443"
        } else {
            ":80"
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        format!("{}://{authority}", self.scheme)
    }

    fn join(&self, path: &str) -> String {
        format!(
            "{}://{}{}{path}",
            self.scheme, self.authority, self.path_prefix
        )
    }
}

fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What the edge is to send, relative to the request it got.
#[derive(Clone, PartialEq, Eq)]
pub struct Forward<'a> {
    pub to: Destination<'a>,
    pub url: String,
    /// Headers to remove, beside [`GATE_HEADERS`].
    pub remove: Vec<&'static str>,
    pub set: Vec<(&'static str, String)>,
    pub timeout: Duration,
}

impl fmt::Debug for Forward<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.set.iter().map(|(name, _)| name).collect();
        f.debug_struct("Forward")
            .field("to", &self.to)
            .field("url", &RequestUrl::split(&self.url))
            .field("remove", &self.remove)
            .field("set", &names)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl<'a> Forward<'a> {
    /// A request as it came, told whence.
    pub fn plain(
        to: Destination<'a>,
        timeout: Duration,
        request: &Request<'_>,
        request_id: &str,
    ) -> Self {
        let mut set = vec![
            ("X-Forwarded-Proto", request.url.scheme.to_owned()),
            ("X-Forwarded-Host", request.url.authority.to_owned()),
            ("Portcullis-Request-Id", request_id.to_owned()),
        ];
        if let Some(ip) = request.address.ip() {
            set.push(("X-Forwarded-For", ip.to_string()));
        }
        Self {
            url: target(&to, &request.url, request.url.query),
            to,
            remove: Vec::new(),
            set,
            timeout,
        }
    }

    /// An upgrade: without the credential, with the identity it stood for.
    pub fn upgrade(
        to: Destination<'a>,
        timeout: Duration,
        request: &Request<'_>,
        request_id: &str,
        authenticated: &Authenticated,
        offer: &Offer,
    ) -> Self {
        let mut forward = Self::plain(to, timeout, request, request_id);
        if let Some(identity) = &authenticated.identity {
            forward.set.extend(identity_headers(identity));
        }
        let found = authenticated
            .credential
            .as_ref()
            .map(|credential| &credential.found);
        let mut query = request.url.query.map(str::to_owned);
        let mut cookie = None;
        for source in found.into_iter().flatten() {
            match source {
                Source::Header => forward.remove.push("authorization"),
                Source::Subprotocol => {
                    forward.replace("sec-websocket-protocol", offer.protocols.join(", "));
                }
                Source::Cookie(name) => {
                    let before = cookie.or_else(|| request.headers.get("cookie"));
                    cookie = before.map(|header| without_cookie(&header, name));
                }
                Source::Query(name) => {
                    query = query
                        .map(|query| without_parameter(&query, name))
                        .filter(|query| !query.is_empty());
                }
            }
        }
        if let Some(cookie) = cookie {
            forward.replace("cookie", cookie);
        }
        forward.url = target(&forward.to, &request.url, query.as_deref());
        forward
    }

    /// Adds the gate's signed word about the request.
    pub fn assert(&mut self, assertion: String) {
        self.set.push(("Portcullis-Assertion", assertion));
    }

    /// Sets the header, or removes it if nothing is left for it.
    fn replace(&mut self, name: &'static str, value: String) {
        if value.is_empty() {
            self.remove.push(name);
        } else {
            self.set.push((name, value));
        }
    }
}

fn target(to: &Destination<'_>, url: &RequestUrl<'_>, query: Option<&str>) -> String {
    let mut target = match to {
        Destination::Url(base) => base.join(url.path),
        Destination::Service(_) | Destination::Object { .. } => {
            format!("{}://{}{}", url.scheme, url.authority, url.path)
        }
    };
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// Everything but visible ASCII, and `%` itself, so that two subjects never look alike and none
/// can end a header.
const SUBJECT_ESCAPES: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

fn identity_headers(identity: &Identity) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(subject) = &identity.subject {
        let subject = utf8_percent_encode(subject, SUBJECT_ESCAPES).to_string();
        headers.push(("Portcullis-Subject", subject));
    }
    if !identity.scopes.is_empty() {
        headers.push(("Portcullis-Scopes", identity.scopes.join(" ")));
    }
    headers
}
