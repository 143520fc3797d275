//! The decision record: one JSON line per attempt, and one per inspected socket that closed. Never
//! a token, a cookie, a key or a query string.

use serde::{Serialize, Serializer};

use crate::relay::{CloseReason, Closed, Traffic};
use crate::request::address::AddressKey;
use crate::response::reason::Rejection;
use crate::token::{AuthenticationFault, Identity, TokenHeader, Verdict};

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
    Registry,
    Forward,
    /// The socket was open.
    Live,
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
            Self::Registry => "registry",
            Self::Forward => "forward",
            Self::Live => "live",
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
    /// Live sockets were given a later end.
    Refreshed,
    /// An administrator's command was carried out.
    Administered,
    /// A CORS preflight: a browser may use an endpoint.
    Preflight,
    Refused,
    /// An inspected socket ended.
    Closed,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Proxied => "proxied",
            Self::Issued => "issued",
            Self::Refreshed => "refreshed",
            Self::Administered => "administered",
            Self::Preflight => "preflight",
            Self::Refused => "refused",
            Self::Closed => "closed",
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

/// The record of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// RFC 3339, UTC.
    pub time: String,
    pub request_id: String,
    pub outcome: Outcome,
    /// The reason that the client got; `null` if it was not refused.
    pub reason: Option<&'static str>,
    /// The exact cause of a refusal, what went wrong on the way to an admission, or what an
    /// administrator did.
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
    /// The gate's own.
    pub version: &'static str,
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
            version: env!("CARGO_PKG_VERSION"),
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

    /// Notes what was done for an administrator.
    pub fn note_administered(&mut self, what: String) {
        self.outcome = Outcome::Administered;
        self.cause = Some(cut(what));
    }

    /// Adds what went wrong on the way to an admission.
    pub fn note_lapses(&mut self, lapses: Vec<String>) {
        let all: Vec<_> = self.cause.take().into_iter().chain(lapses).collect();
        self.cause = (!all.is_empty()).then(|| all.join("; "));
    }

    /// Notes the header of a token, and returns what was decided about it.
    pub fn note_verdict<T>(&mut self, verdict: Verdict<T>) -> Result<T, AuthenticationFault> {
        if let Some(header) = &verdict.header {
            self.note_token(header);
        }
        verdict.result
    }

    pub fn note_token(&mut self, header: &TokenHeader) {
        self.alg = Some(cut(header.algorithm.clone()));
        self.kid = header.key_id.clone().map(cut);
    }

    pub fn note_identity(&mut self, identity: &Identity) {
        self.subject = identity.subject.clone().map(cut);
    }

    /// Notes the person whom Cloudflare Access signed in.
    pub fn note_administrator(&mut self, name: &str) {
        self.subject = Some(cut(name.to_owned()));
    }

    /// The line for the log.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a struct of strings and numbers")
    }

    /// The texts of a data point for the Analytics Engine, whose index is the address and whose
    /// number is the duration.
    pub fn blobs(&self) -> [&str; 14] {
        fn or_empty(text: Option<&String>) -> &str {
            text.map_or("", String::as_str)
        }
        [
            &self.time,
            &self.request_id,
            self.outcome.name(),
            self.reason.unwrap_or_default(),
            or_empty(self.cause.as_ref()),
            self.stage.name(),
            or_empty(self.route.as_ref()),
            or_empty(self.origin.as_ref()),
            or_empty(self.colo.as_ref()),
            or_empty(self.subject.as_ref()),
            or_empty(self.alg.as_ref()),
            or_empty(self.kid.as_ref()),
            self.mode,
            self.version,
        ]
    }
}

/// What is recorded of an inspected socket that closed: the admission that opened it, how it
/// ended, and what each side sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClosedRecord {
    #[serde(flatten)]
    record: Record,
    /// As the client's end has it.
    code: u16,
    client: Traffic,
    upstream: Traffic,
}

impl ClosedRecord {
    /// From the record of the admission. The duration becomes that of the socket.
    pub fn of(admission: Record, closed: Closed, time: String) -> Self {
        let end = CloseReason::from_name(&closed.reason);
        Self {
            record: Record {
                time,
                outcome: Outcome::Closed,
                reason: end.map(CloseReason::name),
                cause: closed.cause.map(cut),
                stage: Stage::Live,
                duration_ms: closed.duration,
                ..admission
            },
            code: closed.code,
            client: closed.client,
            upstream: closed.upstream,
        }
    }

    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("structs of strings and numbers")
    }

    /// The record whose texts and index a data point has.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The close code at the client's end.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The numbers of a data point: the duration as of any record, the code, and messages and
    /// bytes of the client and of the upstream.
    pub fn numbers(&self) -> [f64; 6] {
        [
            self.record.duration_ms,
            u64::from(self.code),
            self.client.messages,
            self.client.bytes,
            self.upstream.messages,
            self.upstream.bytes,
        ]
        .map(|number| number as f64)
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_CLIENT_TEXT));
    text
}
