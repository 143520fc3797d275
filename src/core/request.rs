//! A request as the core sees it.

pub mod address;
pub mod parameters;
pub mod path;
pub mod percent;
pub(crate) mod syntax;

use std::borrow::Cow;
use std::fmt;

use crate::request::address::ClientAddress;

/// The parts of a request that the checks read.
pub struct Request<'a> {
    pub method: &'a str,
    pub url: RequestUrl<'a>,
    pub address: ClientAddress,
    pub headers: &'a dyn Headers,
}

/// Header look-up. Repeated headers arrive joined by `, ` (RFC 9110 §5.3).
pub trait Headers {
    /// The value of the header with this lower-case name.
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// The headers that the checks of an upgrade read.
pub const READ: [&str; 12] = [
    "cf-connecting-ip",
    "origin",
    "upgrade",
    "connection",
    "sec-websocket-version",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "content-length",
    "transfer-encoding",
    "host",
    "authorization",
];

/// Method, URL and the headers of [`READ`], read in one call: a separate look-up of each would
/// cross from WASM to JavaScript and back.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot<'a> {
    pub method: &'a str,
    pub url: &'a str,
    headers: Vec<Option<&'a str>>,
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("method", &self.method)
            .field("url", &RequestUrl::split(self.url))
            .field("headers", &format_args!("REDACTED"))
            .finish()
    }
}

impl<'a> Snapshot<'a> {
    /// Parses lines: method, URL, and the headers of [`READ`] in its order, NUL for an absent
    /// one. No part can hold a line break. Returns `None` for any other number of lines.
    pub fn parse(lines: &'a str) -> Option<Self> {
        let mut lines = lines.split('\n');
        let (method, url) = (lines.next()?, lines.next()?);
        let headers: Vec<_> = lines.map(|line| (line != "\0").then_some(line)).collect();
        (headers.len() == READ.len()).then_some(Self {
            method,
            url,
            headers,
        })
    }

    /// Looks a header up by its lower-case name.
    pub fn header(&self, name: &str) -> HeaderLookup<'a> {
        match READ.iter().position(|read| *read == name) {
            None => HeaderLookup::NotRead,
            Some(at) => self.headers[at].map_or(HeaderLookup::Absent, HeaderLookup::Present),
        }
    }
}

/// What a [`Snapshot`] knows of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderLookup<'a> {
    Present(&'a str),
    /// The request does not have it.
    Absent,
    /// It is not in [`READ`], so the snapshot can't tell.
    NotRead,
}

impl Request<'_> {
    /// Whether the client asks for a WebSocket: `Upgrade` is a list that names `websocket`
    /// (RFC 6455 §4.2.1).
    pub fn asks_for_websocket(&self) -> bool {
        self.headers.get("upgrade").is_some_and(|value| {
            syntax::elements(&value).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
        })
    }

    /// Whether the host is one, with a port or without. The runtime puts `Host` into the URL as it
    /// came, so that any other text would move where the path begins.
    pub fn has_sound_host(&self) -> bool {
        let host = self.headers.get("host");
        is_authority(self.url.authority) && host.is_none_or(|host| is_authority(&host))
    }

    /// Whether the method only asks for a representation (RFC 9110 §9.2.1).
    pub fn is_plain_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }
}

fn is_authority(text: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.bytes().all(is_sound)
}

/// The parts of an absolute URL as the client sent it: the runtime resolves nothing in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestUrl<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// From the first slash on, percent-encoded as sent.
    pub path: &'a str,
    /// Without the question mark; `None` where there is none.
    pub query: Option<&'a str>,
}

impl fmt::Debug for RequestUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestUrl")
            .field("scheme", &self.scheme)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("query", &self.query.map(|_| format_args!("REDACTED")))
            .finish()
    }
}

impl<'a> RequestUrl<'a> {
    /// Splits the URL of `Request.url`.
    pub fn split(url: &'a str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        Self {
            scheme,
            authority,
            path,
            query,
        }
    }

    pub fn is_tls(&self) -> bool {
        self.scheme == "https"
    }
}
