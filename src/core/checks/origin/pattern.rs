//! The entries of `ALLOWED_ORIGINS`.

use super::{Origin, OriginFault, default_port, is_web, parse_host, parse_port, split};

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
    /// `*`, for the origins of apps and extensions.
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortPattern {
    Any,
    Exact(Option<u16>),
}

impl OriginPattern {
    /// Parses `*`, `https://app.example.com`, `https://*.example.com`, `http://localhost:*`,
    /// `app://localhost` or `moz-extension://*`. The error says what is wrong and, if that can be
    /// known, what would be right.
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
            _ if parts.host == "*" && !is_web(&parts.scheme) => HostPattern::Any,
            Some(apex) => {
                let apex = parse_host(&parts.scheme, apex).map_err(fault)?;
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
            None => HostPattern::Exact(parse_host(&parts.scheme, parts.host).map_err(fault)?),
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

    pub(super) fn matches(&self, origin: &Origin) -> bool {
        let Self::Tuple { scheme, host, port } = self else {
            return true;
        };
        let host_matches = match host {
            HostPattern::Any => true,
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
