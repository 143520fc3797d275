//! The decision record: one JSON line per attempt. Never a token, a cookie, a key or a query
//! string.

use serde::{Serialize, Serializer};

use crate::client::AddressKey;
use crate::rejection::Rejection;
use crate::token::{Identity, TokenHeader};

/// Longer texts of a client are cut: this is a log line, not a store.
const MAX_CLIENT_TEXT: usize = 256;

/// The step of the journey that a request reached, or that refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Configuration,
    Transport,
    Route,
    Handshake,
    Origin,
    Known,
    Token,
    Permission,
    Counters,
    Forward,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Transport => "transport",
            Self::Route => "route",
            Self::Handshake => "handshake",
            Self::Origin => "origin",
            Self::Known => "known",
            Self::Token => "token",
            Self::Permission => "permission",
            Self::Counters => "counters",
            Self::Forward => "forward",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The socket was opened.
    Admitted,
    /// A plain request went to the upstream.
    Proxied,
    /// A ticket was issued.
    Issued,
    /// A browser was told that it may ask for a ticket.
    Preflight,
    Refused,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Proxied => "proxied",
            Self::Issued => "issued",
            Self::Preflight => "preflight",
            Self::Refused => "refused",
        }
    }
}

fn by_name<S: Serializer>(name: &'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        by_name(self.name(), serializer)
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        by_name(self.name(), serializer)
    }
}

/// What is recorded of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// RFC 3339, UTC.
    pub time: String,
    pub request_id: String,
    pub outcome: Outcome,
    /// What the client was told; `null` if it was not refused.
    pub reason: Option<&'static str>,
    /// The exact cause of a refusal, or what went wrong on the way to an admission.
    pub cause: Option<String>,
    pub stage: Stage,
    /// The pattern of the route that matched.
    pub route: Option<String>,
    pub origin: Option<String>,
    /// As it is counted: IPv6 as /64.
    pub address: String,
    /// The data centre.
    pub colo: Option<String>,
    pub subject: Option<String>,
    /// `alg` and `kid` as the token claims them, verified or not.
    pub alg: Option<String>,
    pub kid: Option<String>,
    pub mode: &'static str,
    pub duration_ms: u64,
}

impl Record {
    pub fn begin(address: AddressKey, request_id: &str, time: String) -> Self {
        Self {
            time,
            request_id: request_id.to_owned(),
            outcome: Outcome::Refused,
            reason: None,
            cause: None,
            stage: Stage::Configuration,
            route: None,
            origin: None,
            address: address.to_string(),
            colo: None,
            subject: None,
            alg: None,
            kid: None,
            mode: "enforce",
            duration_ms: 0,
        }
    }

    pub fn note_origin(&mut self, origin: Option<&str>) {
        self.origin = origin.map(|origin| cut(origin.to_owned()));
    }

    pub fn note_refusal(&mut self, rejection: &Rejection) {
        self.outcome = Outcome::Refused;
        self.reason = Some(rejection.reason.name());
        self.cause = Some(cut(rejection.cause.to_string()));
    }

    /// Something went wrong on the way to an admission.
    pub fn note_lapse(&mut self, lapse: String) {
        self.cause = Some(match self.cause.take() {
            Some(before) => format!("{before}; {lapse}"),
            None => lapse,
        });
    }

    pub fn note_token(&mut self, header: &TokenHeader) {
        self.alg = Some(cut(header.algorithm.clone()));
        self.kid = header.key_id.clone().map(cut);
    }

    pub fn note_identity(&mut self, identity: &Identity) {
        self.subject = identity.subject.clone().map(cut);
    }

    /// The line for the log.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a struct of strings and numbers")
    }

    /// The texts of a data point for the Analytics Engine, whose index is the address and whose
    /// number is the duration.
    pub fn blobs(&self) -> [&str; 13] {
        fn or_empty(text: &Option<String>) -> &str {
            text.as_deref().unwrap_or_default()
        }
        [
            &self.time,
            &self.request_id,
            self.outcome.name(),
            self.reason.unwrap_or_default(),
            or_empty(&self.cause),
            self.stage.name(),
            or_empty(&self.route),
            or_empty(&self.origin),
            or_empty(&self.colo),
            or_empty(&self.subject),
            or_empty(&self.alg),
            or_empty(&self.kid),
            self.mode,
        ]
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_CLIENT_TEXT));
    text
}
