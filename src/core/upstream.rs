//! The server behind the gate: where it is, what is sent to it, and which answers count.

pub mod assertion;
mod headers;
mod object;
mod reply;
mod template;
mod trusted;
mod url;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::request::parameters::Parameters;
use crate::request::{Request, RequestUrl, syntax};
use crate::response::reason::{Reason, Rejection};
use crate::token::{Authenticated, Identity, Source, without_cookie, without_parameter};
pub use headers::{Facts, UpstreamHeaders};
pub use object::ObjectUpstream;
pub use reply::{Offer, Reply, UpstreamFailure};
pub use trusted::{EXACT_HEADERS, Setter, TRUSTED_HEADERS, is_gate_header};
pub use url::UpstreamUrl;
pub(crate) use url::is_loopback;

/// Where accepted sockets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    Url(UpstreamUrl),
    /// The name of a service binding.
    Service(String),
    Object(ObjectUpstream),
}

/// Where one request goes: a server, and the path that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination<'a> {
    pub server: Server<'a>,
    path: &'a str,
}

/// An upstream for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server<'a> {
    Url(&'a UpstreamUrl),
    /// The name of a service binding.
    Service(&'a str),
    /// A Durable Object.
    Object {
        binding: &'a str,
        name: String,
    },
}

impl Upstream {
    /// The audience of assertions: the origin of a URL as RFC 6454 §6.2 writes it, or
    /// `service:NAME`, or `object:NAMESPACE`.
    pub fn audience(&self) -> String {
        match self {
            Self::Url(url) => url.origin(),
            Self::Service(name) => format!("service:{name}"),
            Self::Object(object) => format!("object:{}", object.binding),
        }
    }

    /// Adds to a refusal that the server caused which server it was.
    pub fn explain(&self, rejection: Rejection) -> Rejection {
        let setting = match self {
            Self::Url(_) => None,
            Self::Service(_) => Some("UPSTREAM_SERVICE"),
            Self::Object(_) => Some("UPSTREAM_OBJECT"),
        };
        let is_unreachable = rejection.reason == Reason::UpstreamUnreachable;
        rejection.with(|evidence| {
            evidence.upstream = Some(self.audience());
            evidence.setting = setting.filter(|_| is_unreachable);
        })
    }

    /// Where a request goes whose path a route matched.
    pub fn destination<'a>(&'a self, parameters: &'a Parameters) -> Destination<'a> {
        let server = match self {
            Self::Url(url) => Server::Url(url),
            Self::Service(name) => Server::Service(name),
            Self::Object(object) => Server::Object {
                binding: &object.binding,
                name: object.name(parameters),
            },
        };
        Destination {
            server,
            path: parameters.path(),
        }
    }
}

impl Destination<'_> {
    /// The origin of the URL that the server gets, which a page of its own would have.
    fn origin(&self, url: &RequestUrl<'_>) -> String {
        match self.server {
            Server::Url(base) => base.origin(),
            Server::Service(_) | Server::Object { .. } => {
                format!("{}://{}", url.scheme, url.authority)
            }
        }
    }

    /// The URL to fetch, with this query.
    fn target(&self, url: &RequestUrl<'_>, query: Option<&str>) -> String {
        let mut target = match self.server {
            Server::Url(base) => base.join(self.path),
            Server::Service(_) | Server::Object { .. } => {
                format!("{}://{}{}", url.scheme, url.authority, self.path)
            }
        };
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        target
    }
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As any request of a Worker.
    Open,
    /// Past every cache of Cloudflare's, which does not know that the answer is for one user: the
    /// credential that would have told it was taken out.
    Private,
    /// The same, with the headers of [`PREFLIGHT_HEADERS`] alone.
    Preflight,
}

/// What a server needs of a preflight (Fetch §4.8). Nothing else of it was checked.
pub const PREFLIGHT_HEADERS: [&str; 6] = [
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
    "access-control-request-private-network",
    "accept",
    "user-agent",
];

/// The request to send, relative to the one that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Forward<'a> {
    pub to: Destination<'a>,
    pub url: String,
    /// Headers to remove, in addition to [`TRUSTED_HEADERS`] and those that `Connection` names.
    pub remove: Vec<Cow<'static, str>>,
    pub set: Vec<(&'static str, String)>,
    /// What `UPSTREAM_HEADERS` sets after that; `None` removes a header.
    pub changes: Vec<(&'a str, Option<String>)>,
    pub manner: Manner,
    pub timeout: Duration,
}

impl fmt::Debug for Forward<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.set.iter().map(|(name, _)| name).collect();
        let changed: Vec<_> = self.changes.iter().map(|(name, _)| name).collect();
        f.debug_struct("Forward")
            .field("to", &self.to)
            .field("url", &RequestUrl::split(&self.url))
            .field("remove", &self.remove)
            .field("set", &names)
            .field("changes", &changed)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl<'a> Forward<'a> {
    /// A request as it came, with the client's address, scheme and host in headers.
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
            url: to.target(&request.url, request.url.query),
            to,
            remove: Vec::new(),
            set,
            changes: Vec::new(),
            manner: Manner::Open,
            timeout,
        }
    }

    /// A plain request that was checked, with the client's identity in place of its credential.
    pub fn guarded(
        to: Destination<'a>,
        timeout: Duration,
        request: &Request<'_>,
        request_id: &str,
        authenticated: &Authenticated,
    ) -> Self {
        let mut forward = Self::plain(to, timeout, request, request_id);
        forward.manner = Manner::Private;
        forward.identify(request, authenticated, None);
        forward
    }

    /// A preflight, without what `sources` may hold.
    pub fn preflight(
        to: Destination<'a>,
        timeout: Duration,
        request: &Request<'_>,
        request_id: &str,
        sources: &[Source],
    ) -> Self {
        let mut forward = Self::plain(to, timeout, request, request_id);
        forward.manner = Manner::Preflight;
        for source in sources {
            if let Source::Query(name) = source {
                forward.drop_parameter(name);
            }
        }
        forward
    }

    /// An upgrade, with the client's identity in place of its credential.
    pub fn upgrade(
        to: Destination<'a>,
        timeout: Duration,
        request: &Request<'_>,
        request_id: &str,
        authenticated: &Authenticated,
        offer: &Offer,
    ) -> Self {
        let mut forward = Self::plain(to, timeout, request, request_id);
        forward.identify(request, authenticated, Some(offer));
        forward.fill_lists(request);
        forward
    }

    /// Takes the credential out and puts in whose it is. `offer`: that of an upgrade, without it.
    fn identify(
        &mut self,
        request: &Request<'_>,
        authenticated: &Authenticated,
        offer: Option<&Offer>,
    ) {
        if let Some(identity) = &authenticated.identity {
            self.set.extend(identity_headers(identity));
        }
        let found = authenticated
            .credential
            .as_ref()
            .map(|credential| &credential.found);
        let mut query = request.url.query.map(str::to_owned);
        let mut cookie = None;
        for source in found.into_iter().flatten() {
            match source {
                Source::Header => self.remove.push("authorization".into()),
                Source::NamedHeader(name) => self.remove.push(name.clone().into()),
                // All subprotocols at once, below; a message by the relay.
                Source::Subprotocol | Source::PrefixedSubprotocol(_) | Source::Message(_) => {}
                Source::Cookie(name) => {
                    let before =
                        cookie.or_else(|| request.headers.get("cookie").map(Cow::into_owned));
                    cookie = before.map(|header| without_cookie(&header, name));
                }
                Source::Query(name) => {
                    query = query
                        .map(|query| without_parameter(&query, name))
                        .filter(|query| !query.is_empty());
                }
            }
        }
        if let Some(offer) = offer.filter(|offer| offer.is_changed) {
            self.replace("sec-websocket-protocol", offer.protocols.join(", "));
        }
        if let Some(cookie) = cookie {
            self.replace("cookie", cookie);
        }
        self.url = self.to.target(&request.url, query.as_deref());
    }

    /// Takes a parameter out of the query, such as a ticket, which is the gate's.
    pub fn drop_parameter(&mut self, name: &str) {
        if let Some((target, query)) = self.url.split_once('?') {
            let query = without_parameter(query, name);
            self.url = match query.as_str() {
                "" => target.to_owned(),
                query => format!("{target}?{query}"),
            };
        }
    }

    /// Adds a signed assertion about the request.
    pub fn assert(&mut self, assertion: String) {
        self.set.push(("Portcullis-Assertion", assertion));
    }

    /// Lays `UPSTREAM_HEADERS` over what is sent: `None` removes a header.
    pub fn change(&mut self, changes: Vec<(&'a str, Option<String>)>) {
        for (name, _) in &changes {
            self.set
                .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        }
        self.changes = changes;
    }

    /// Takes the empty elements out of the handshake's lists, since some servers refuse them.
    fn fill_lists(&mut self, request: &Request<'_>) {
        for name in ["sec-websocket-protocol", "sec-websocket-extensions"] {
            let is_decided = self.remove.iter().any(|removed| removed == name)
                || self.set.iter().any(|(known, _)| *known == name);
            let sent = request.headers.get(name).filter(|_| !is_decided);
            let filled = sent.and_then(|sent| syntax::without_empty_elements(&sent));
            self.set.extend(filled.map(|filled| (name, filled)));
        }
    }

    /// Sets the header, or removes it if nothing is left for it.
    fn replace(&mut self, name: &'static str, value: String) {
        if value.is_empty() {
            self.remove.push(name.into());
        } else {
            self.set.push((name, value));
        }
    }
}

/// Everything but visible ASCII, and `%` itself: no two names look alike, and none can end a header.
const NAME_ESCAPES: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

fn identity_headers(identity: &Identity) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    let names = [
        ("Portcullis-Subject", identity.subject.as_deref()),
        ("Portcullis-Issuer", identity.issuer()),
    ];
    for (header, name) in names {
        let escaped = name.map(|name| utf8_percent_encode(name, NAME_ESCAPES).to_string());
        headers.extend(escaped.map(|escaped| (header, escaped)));
    }
    if !identity.scopes.is_empty() {
        headers.push(("Portcullis-Scopes", identity.scopes.join(" ")));
    }
    headers
}
