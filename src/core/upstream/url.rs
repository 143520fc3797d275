//! `UPSTREAM_URL`.

use std::net::IpAddr;

use crate::request::path::CanonicalPath;

/// A server by its URL. Its path goes before the request's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// `http` or `https`: sockets are opened by fetch, which has no `ws`.
    scheme: &'static str,
    authority: String,
    path_prefix: String,
    /// The name of a binding of a client certificate (mTLS) that the server is shown.
    pub certificate: Option<String>,
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
        let path_prefix = uri.path().trim_end_matches('/').to_owned();
        if !path_prefix.is_empty() {
            CanonicalPath::parse(&path_prefix).map_err(|fault| format!("{fault}; {example}"))?;
        }
        Ok(Self {
            scheme,
            authority: authority.to_string(),
            path_prefix,
            certificate: None,
        })
    }

    /// Whether the server is reached over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// The origin as RFC 6454 §6.2 writes it.
    pub(super) fn origin(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        let default_port = if self.scheme == "https" {
            ":443"
        } else {
            ":80"
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        format!("{}://{authority}", self.scheme)
    }

    /// The URL of a path behind this one.
    pub(super) fn join(&self, path: &str) -> String {
        format!(
            "{}://{}{}{path}",
            self.scheme, self.authority, self.path_prefix
        )
    }
}

/// Whether a host is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
