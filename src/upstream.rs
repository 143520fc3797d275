//! The server behind the gate: where it is, what it gets to see, and what of its answer counts.

use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::handshake::Handshake;
use crate::rejection::{Reason, Rejection};
use crate::request::{Request, RequestUrl};
use crate::syntax;
use crate::token::{
    Authenticated, BEARER, Identity, Source, without_bearer, without_cookie, without_parameter,
};

/// Headers of a client that only the gate may set: by exact name or, where it ends in a dash, by
/// prefix.
pub const GATE_HEADERS: [&str; 3] = ["forwarded", "x-forwarded-", "portcullis-"];

/// Where accepted sockets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    Url(UpstreamUrl),
    /// The name of a service binding.
    Service(String),
}

/// `UPSTREAM_URL`: a path in it goes before the request's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// `http` or `https`: sockets are opened by fetch, which has no `ws`.
    scheme: &'static str,
    authority: String,
    path_prefix: String,
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
        })
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward<'a> {
    pub upstream: &'a Upstream,
    pub url: String,
    /// Headers to remove, beside [`GATE_HEADERS`].
    pub remove: Vec<&'static str>,
    pub set: Vec<(&'static str, String)>,
    pub timeout: Duration,
}

impl<'a> Forward<'a> {
    /// A request as it came, told whence.
    pub fn plain(
        upstream: &'a Upstream,
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
            upstream,
            url: target(upstream, &request.url, request.url.query),
            remove: Vec::new(),
            set,
            timeout,
        }
    }

    /// An upgrade: without the credential, with the identity it stood for.
    pub fn upgrade(
        upstream: &'a Upstream,
        timeout: Duration,
        request: &Request<'_>,
        request_id: &str,
        authenticated: &Authenticated,
        offer: &Offer,
    ) -> Self {
        let mut forward = Self::plain(upstream, timeout, request, request_id);
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
        forward.url = target(upstream, &request.url, query.as_deref());
        forward
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

fn target(upstream: &Upstream, url: &RequestUrl<'_>, query: Option<&str>) -> String {
    let mut target = match upstream {
        Upstream::Url(base) => base.join(url.path),
        Upstream::Service(_) => format!("{}://{}{}", url.scheme, url.authority, url.path),
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

/// What the upstream is offered, and so may choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub protocols: Vec<String>,
    pub extensions: Vec<String>,
    /// A browser that offered `bearer` fails a socket whose answer names no subprotocol.
    bearer_was_offered: bool,
}

impl Offer {
    pub fn new(handshake: Handshake, authenticated: &Authenticated) -> Self {
        let bearer_was_offered = authenticated
            .credential
            .as_ref()
            .is_some_and(|credential| credential.found.contains(&Source::Subprotocol));
        let protocols = if bearer_was_offered {
            without_bearer(&handshake.protocols)
        } else {
            handshake.protocols
        };
        Self {
            protocols,
            extensions: handshake.extensions,
            bearer_was_offered,
        }
    }
}

/// What of an upstream's answer decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub has_socket: bool,
    /// `Sec-WebSocket-Protocol`.
    pub protocol: Option<String>,
    /// `Sec-WebSocket-Extensions`.
    pub extensions: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamFailure {
    TimedOut,
    Unreachable(String),
}

impl From<UpstreamFailure> for Rejection {
    fn from(failure: UpstreamFailure) -> Self {
        match failure {
            UpstreamFailure::TimedOut => Reason::UpstreamTimeout.because("no answer in time"),
            UpstreamFailure::Unreachable(cause) => Reason::UpstreamUnreachable.because(cause),
        }
    }
}

impl Reply {
    /// Accepts a 101 that chose only what was offered (RFC 6455 §4.1), and gives the subprotocol
    /// to answer with.
    pub fn judge(&self, offer: &Offer) -> Result<Option<String>, Rejection> {
        let refused = |cause: String| Err(Reason::UpstreamRefused.because(cause));
        if self.status != 101 || !self.has_socket {
            return refused(format!("the upstream answered {}", self.status));
        }
        let extensions = self.extensions.as_deref().map(syntax::extension_names);
        let extensions_were_offered = match extensions {
            None => true,
            Some(chosen) => chosen.is_some_and(|names| {
                names
                    .iter()
                    .all(|name| offer.extensions.iter().any(|offered| offered == name))
            }),
        };
        if !extensions_were_offered {
            return refused("the upstream chose an extension that was not offered".into());
        }
        match &self.protocol {
            Some(chosen) if offer.protocols.contains(chosen) => Ok(Some(chosen.clone())),
            Some(_) => refused("the upstream chose a subprotocol that was not offered".into()),
            None => Ok(offer.bearer_was_offered.then(|| BEARER.to_owned())),
        }
    }
}
