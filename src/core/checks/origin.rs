//! Origins (RFC 6454), parsed and compared as tuples of scheme, host and port.

use std::fmt;
use std::net::Ipv6Addr;

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

/// The port that a scheme implies (RFC 6454 §4).
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Scheme, host and port as written, checked for form but not yet for meaning.
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
    // Lists (`a, b`) and header tricks end here as well: neither comma nor space is in any origin.
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
    if host.is_empty() {
        return Err(OriginFault::NoHost);
    }
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port),
        None if port.is_empty() => None,
        None => return Err(OriginFault::BadHost),
    };
    Ok(Parts {
        scheme: scheme.to_ascii_lowercase(),
        host,
        port,
    })
}

fn parse_host(host: &str) -> Result<String, OriginFault> {
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
    // A trailing dot makes an empty last label: `example.com.` is another host than `example.com`.
    if host.split('.').all(is_label) {
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
            host: parse_host(parts.host)?,
            scheme: parts.scheme,
            port,
        })
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

/// One entry of `ALLOWED_ORIGINS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`
    Any,
    Tuple {
        scheme: String,
        host: HostPattern,
        port: PortPattern,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    Exact(String),
    /// `*.example.com`: one or more labels before this suffix, which begins with a dot.
    Subdomains(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortPattern {
    Any,
    Exact(Option<u16>),
}

impl OriginPattern {
    /// Parses `*`, `https://app.example.com`, `https://*.example.com` or `http://localhost:*`.
    /// The error says what is wrong and, where it can be known, what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let fault = |fault: OriginFault| {
            let meant = match fault {
                OriginFault::Path => text.split_once("://").and_then(|(scheme, rest)| {
                    let end = rest.find(['/', '\\', '?', '#'])?;
                    Some(format!("{scheme}://{}", &rest[..end]))
                }),
                OriginFault::NoScheme => Some(format!("https://{text}")),
                _ => None,
            };
            let advice = match meant.filter(|meant| Self::parse(meant).is_ok()) {
                Some(meant) => format!("write {meant:?}"),
                None if fault == OriginFault::Opaque => {
                    "any document can have the origin null, so it is never allowed".to_owned()
                }
                None => {
                    "write an origin as browsers send it, like \"https://app.example.com\"".into()
                }
            };
            format!("{text:?}: {fault}; {advice}")
        };
        let parts = split(text).map_err(fault)?;
        if let Some(secure) = match parts.scheme.as_str() {
            "ws" => Some("http"),
            "wss" => Some("https"),
            _ => None,
        } {
            let rest = &text[parts.scheme.len()..];
            return Err(format!(
                "{text:?}: no page has a {} origin; write \"{secure}{rest}\"",
                parts.scheme
            ));
        }
        let host = match parts.host.strip_prefix("*.") {
            Some(apex) => {
                let apex = parse_host(apex).map_err(fault)?;
                let labels = apex.split('.').count();
                let is_address = apex.ends_with(|c: char| c.is_ascii_digit() || c == ']');
                if is_address || (labels < 2 && apex != "localhost") {
                    return Err(format!(
                        "{text:?}: a wildcard needs a domain of two labels or more under it, \
                         like \"https://*.example.com\""
                    ));
                }
                HostPattern::Subdomains(format!(".{apex}"))
            }
            None if parts.host.contains('*') => {
                return Err(format!(
                    "{text:?}: a wildcard stands for whole labels at the front, \
                     like \"https://*.example.com\""
                ));
            }
            None => HostPattern::Exact(parse_host(parts.host).map_err(fault)?),
        };
        let port = match parts.port {
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Exact(Some(parse_port(port).map_err(fault)?)),
            None => PortPattern::Exact(default_port(&parts.scheme)),
        };
        Ok(Self::Tuple {
            scheme: parts.scheme,
            host,
            port,
        })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let Self::Tuple { scheme, host, port } = self else {
            return true;
        };
        let host_matches = match host {
            HostPattern::Exact(host) => *host == origin.host,
            HostPattern::Subdomains(suffix) => {
                origin.host.len() > suffix.len() && origin.host.ends_with(suffix)
            }
        };
        let port_matches = match port {
            PortPattern::Any => true,
            PortPattern::Exact(port) => *port == origin.port,
        };
        *scheme == origin.scheme && host_matches && port_matches
    }
}

/// `ALLOWED_ORIGINS` and `ORIGIN_MISSING`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRule {
    pub allowed: Vec<OriginPattern>,
    pub missing_is_allowed: bool,
}

impl OriginRule {
    /// Step 5: whether the value of `Origin` may open a socket.
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
