//! The headers stamped on every answer.

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

/// Headers of an upstream that never pass.
pub const HIDDEN: [&str; 2] = ["server", "x-powered-by"];

/// Headers that the protocol or the gate itself decides on, which no setting may touch.
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

/// The defaults with `SECURITY_HEADERS` laid over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityHeaders(Vec<(String, String)>);

impl Default for SecurityHeaders {
    fn default() -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(DEFAULTS.map(owned).into())
    }
}

impl SecurityHeaders {
    /// Lays `changes` over the defaults: a string replaces or adds a header, `null` removes one
    /// of the defaults. Every error at once.
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
            .position(|(known, _)| known.eq_ignore_ascii_case(name));
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
                match known {
                    Some(at) => self.0[at].1.clone_from(value),
                    None => self.0.push((name.to_owned(), value.clone())),
                }
            }
            _ => return Err("write a string, or null to remove the header".into()),
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
