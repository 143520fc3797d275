//! The security headers of answers.

use serde_json::{Map, Value};

use crate::request::syntax;

const DEFAULTS: [(&str, &str); 8] = [
    (
        "Strict-Transport-Security",
        "max-age=63072000; includeSubDomains; preload",
    ),
    (
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), ambient-light-sensor=(), autoplay=(), battery=(), bluetooth=(), \
         browsing-topics=(), camera=(), display-capture=(), document-domain=(), \
         encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), \
         identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), \
         microphone=(), midi=(), otp-credentials=(), payment=(), picture-in-picture=(), \
         publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), \
         serial=(), speaker-selection=(), storage-access=(), sync-xhr=(), usb=(), \
         web-share=(), window-management=(), xr-spatial-tracking=()",
    ),
];

/// Headers of a server that never pass.
pub const HIDDEN: [&str; 2] = ["server", "x-powered-by"];

/// Headers that the protocol or the gate decides on, so no setting may change them.
const RESERVED: [&str; 13] = [
    "allow",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "set-cookie",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// The header that means nothing on an answer over http, and must not be there (RFC 6797 §7.2).
const TLS_ONLY: &str = "Strict-Transport-Security";

/// What an application's own answer gets where it says nothing, unless `SECURITY_HEADERS` changes the
/// header: nothing that would break pages which work without the gate. Subdomains may be served over
/// http by someone else, and pages may frame each other.
const FOR_APPLICATIONS: [(&str, &str); 3] = [
    (TLS_ONLY, "max-age=63072000"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("X-Content-Type-Options", "nosniff"),
];

/// The defaults with `SECURITY_HEADERS` laid over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityHeaders(Vec<SecurityHeader>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct SecurityHeader {
    name: String,
    value: String,
    /// Set by `SECURITY_HEADERS`.
    is_chosen: bool,
}

/// The headers to stamp on answers of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps<'a> {
    /// They replace the server's own.
    pub set: Vec<(&'a str, &'a str)>,
    /// They are added if the server has none of its own.
    pub add: Vec<(&'a str, &'a str)>,
    /// Headers of the server that never pass, in addition to those in `set`.
    pub hidden: Vec<&'static str>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        let header = |(name, value): (&str, &str)| SecurityHeader {
            name: name.to_owned(),
            value: value.to_owned(),
            is_chosen: false,
        };
        Self(DEFAULTS.map(header).into())
    }
}

impl SecurityHeaders {
    /// Lays `changes` over the defaults: a string replaces or adds a header, `null` removes one
    /// of the defaults. Returns every error at once.
    pub fn with(changes: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut headers = Self::default();
        let mut errors = Vec::new();
        for (name, change) in changes {
            let spellings = changes
                .keys()
                .filter(|other| other.eq_ignore_ascii_case(name));
            if spellings.count() > 1 {
                errors.push(format!("{name:?}: it stands twice; remove one"));
            } else if let Err(error) = headers.apply(name, change) {
                errors.push(format!("{name:?}: {error}"));
            }
        }
        if errors.is_empty() {
            Ok(headers)
        } else {
            Err(errors)
        }
    }

    fn apply(&mut self, name: &str, change: &Value) -> Result<(), String> {
        let lower = name.to_ascii_lowercase();
        if !syntax::is_token(name) {
            return Err("it is no header name".into());
        }
        if RESERVED.contains(&lower.as_str())
            || HIDDEN.contains(&lower.as_str())
            || lower.starts_with("sec-websocket-")
            || lower.starts_with("portcullis-")
        {
            return Err("the gate itself decides on this header; leave it out".into());
        }
        let known = self
            .0
            .iter()
            .position(|known| known.name.eq_ignore_ascii_case(name));
        match (change, known) {
            (Value::Null, Some(at)) => {
                self.0.remove(at);
            }
            (Value::Null, None) => {
                return Err("null removes a default, and this is none of them".into());
            }
            (Value::String(value), known) => {
                if !syntax::is_field_value(value) || syntax::trim(value) != value {
                    return Err("the value can't stand in a header".into());
                }
                let header = SecurityHeader {
                    name: known.map_or(name, |at| &self.0[at].name).to_owned(),
                    value: value.clone(),
                    is_chosen: true,
                };
                match known {
                    Some(at) => self.0[at] = header,
                    None => self.0.push(header),
                }
            }
            _ => return Err("write a string, or null to remove the header".into()),
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(SecurityHeader::pair)
    }

    /// The headers of the gate's own answers, and of sockets.
    pub fn stamps(&self, is_tls: bool) -> Stamps<'_> {
        Stamps {
            set: self.over(is_tls).map(SecurityHeader::pair).collect(),
            add: Vec::new(),
            hidden: hidden(is_tls),
        }
    }

    /// The headers of an application's answer to a plain request. It keeps its own, but for those
    /// that `SECURITY_HEADERS` sets.
    pub fn application_stamps(&self, is_tls: bool) -> Stamps<'_> {
        let (chosen, defaults): (Vec<_>, Vec<_>) =
            self.over(is_tls).partition(|header| header.is_chosen);
        let is_kept = |(name, _): &(&str, &str)| defaults.iter().any(|kept| kept.name == *name);
        let added = FOR_APPLICATIONS.into_iter().filter(is_kept);
        Stamps {
            set: chosen.into_iter().map(SecurityHeader::pair).collect(),
            add: added.collect(),
            hidden: hidden(is_tls),
        }
    }

    /// The headers that an answer over https or http may have.
    fn over(&self, is_tls: bool) -> impl Iterator<Item = &SecurityHeader> {
        self.0
            .iter()
            .filter(move |header| is_tls || header.name != TLS_ONLY)
    }
}

impl SecurityHeader {
    fn pair(&self) -> (&str, &str) {
        (&self.name, &self.value)
    }
}

fn hidden(is_tls: bool) -> Vec<&'static str> {
    let tls_only = (!is_tls).then_some("strict-transport-security");
    HIDDEN.into_iter().chain(tls_only).collect()
}
