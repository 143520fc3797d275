//! Origins (RFC 6454), parsed and compared as tuples of scheme, host and port.

mod pattern;

use std::fmt;
use std::net::Ipv6Addr;

pub use pattern::{HostPattern, OriginPattern, PortPattern};

use crate::response::reason::{Reason, Rejection};

/// A tuple origin (RFC 6454 §4). Scheme and host are lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    /// `None` only where the scheme has no default port and none was given.
    port: Option<u16>,
}

/// Why a text is not the serialisation of a tuple origin (RFC 6454 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginFault {
    Empty,
    Opaque,
    ForeignByte,
    NoScheme,
    NoHost,
    Userinfo,
    Path,
    BadHost,
    BadPort,
}

impl fmt::Display for OriginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Opaque => "it is the opaque origin null",
            Self::ForeignByte => {
                "it has a character that no origin has (a host beyond ASCII is written in punycode)"
            }
            Self::NoScheme => "it has no scheme like https://",
            Self::NoHost => "it has no host",
            Self::Userinfo => "it has a user name",
            Self::Path => "it has a path, query or fragment",
            Self::BadHost => "its host is malformed",
            Self::BadPort => "its port is malformed",
        })
    }
}

/// The default port of a scheme (RFC 6454 §4).
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Scheme, host and port as written. Only their form is checked so far.
struct Parts<'a> {
    scheme: String,
    host: &'a str,
    port: Option<&'a str>,
}

fn split(text: &str) -> Result<Parts<'_>, OriginFault> {
    if text.is_empty() {
        return Err(OriginFault::Empty);
    }
    if text.eq_ignore_ascii_case("null") {
        return Err(OriginFault::Opaque);
    }
    // This refuses lists (`a, b`) too: no origin has a comma or a space.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:/@?#_[]*\\%".contains(&byte))
    {
        return Err(OriginFault::ForeignByte);
    }
    let (scheme, rest) = text.split_once("://").ok_or(OriginFault::NoScheme)?;
    let scheme_is_well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_is_well_formed {
        return Err(OriginFault::NoScheme);
    }
    if rest.contains(['/', '\\', '?', '#']) {
        return Err(OriginFault::Path);
    }
    if rest.contains('@') {
        return Err(OriginFault::Userinfo);
    }
    let host_end = match rest.strip_prefix('[') {
        Some(literal) => 1 + literal.find(']').ok_or(OriginFault::BadHost)? + 1,
        None => rest.find(':').unwrap_or(rest.len()),
    };
    let (host, port) = rest.split_at(host_end);
    let scheme = scheme.to_ascii_lowercase();
    if host.is_empty() && is_web(&scheme) {
        return Err(OriginFault::NoHost);
    }
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port),
        None if port.is_empty() => None,
        None => return Err(OriginFault::BadHost),
    };
    Ok(Parts { scheme, host, port })
}

/// Whether origins of this scheme have a domain or an address as their host. Those of apps and
/// extensions may have any name, or none.
fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ws" | "wss")
}

fn parse_host(scheme: &str, host: &str) -> Result<String, OriginFault> {
    if let Some(literal) = host.strip_prefix('[') {
        let literal = literal.strip_suffix(']').ok_or(OriginFault::BadHost)?;
        let address: Ipv6Addr = literal.parse().map_err(|_| OriginFault::BadHost)?;
        return Ok(format!("[{address}]"));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A trailing dot makes an empty last label: `example.com.` and `example.com` are two hosts.
    let is_name = || {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if host.split('.').all(is_label) || (!is_web(scheme) && is_name()) {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(OriginFault::BadHost)
    }
}

fn parse_port(port: &str) -> Result<u16, OriginFault> {
    let is_canonical =
        port.bytes().all(|byte| byte.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
    match port.parse() {
        Ok(port) if is_canonical => Ok(port),
        _ => Err(OriginFault::BadPort),
    }
}

impl Origin {
    /// Parses an origin as a browser serialises it: `scheme://host` or `scheme://host:port`.
    pub fn parse(text: &str) -> Result<Self, OriginFault> {
        let parts = split(text)?;
        let port = match parts.port {
            Some(port) => Some(parse_port(port)?),
            None => default_port(&parts.scheme),
        };
        Ok(Self {
            host: parse_host(&parts.scheme, parts.host)?,
            scheme: parts.scheme,
            port,
        })
    }

    /// The one spelling of an origin, to compare it by. `None` for a text that is none.
    pub fn canonical(text: &str) -> Option<String> {
        Self::parse(text).ok().map(|origin| origin.to_string())
    }

    /// What is recorded of an `Origin` header: an origin, and never more of the text than that.
    pub fn for_the_record(text: &str) -> String {
        match Self::parse(text) {
            Ok(origin) => origin.to_string(),
            Err(OriginFault::Opaque) => "null".into(),
            Err(_) => "malformed".into(),
        }
    }
}

/// As a browser sends it: a default port is left out.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) if self.port != default_port(&self.scheme) => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

/// `ALLOWED_ORIGINS` and `ORIGIN_MISSING`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRule {
    pub allowed: Vec<OriginPattern>,
    pub missing_is_allowed: bool,
}

impl OriginRule {
    /// Step 5: checks the value of `Origin`.
    pub fn check(&self, origin: Option<&str>) -> Result<(), Rejection> {
        let Some(text) = origin else {
            return if self.missing_is_allowed {
                Ok(())
            } else {
                Err(Reason::OriginMissing.because("no Origin header"))
            };
        };
        let origin = Origin::parse(text)
            .map_err(|fault| Reason::OriginNotAllowed.because(fault.to_string()))?;
        if self.allowed.iter().any(|pattern| pattern.matches(&origin)) {
            Ok(())
        } else {
            Err(Reason::OriginNotAllowed.because("no entry of ALLOWED_ORIGINS matches"))
        }
    }
}
