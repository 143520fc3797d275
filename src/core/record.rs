//! The decision record: one JSON line per attempt, and one per inspected socket that closed. Never
//! a token, a cookie, a key or a query string.

mod closed;

use serde::{Serialize, Serializer};

use crate::request::address::AddressKey;
use crate::response::reason::{Evidence, Reason, Rejection};
use crate::token::{Claimed, Identity, TokenHeader, Verdict};
use crate::util::time::Timestamp;

pub use closed::ClosedRecord;

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
    /// Refused attempts banned an address.
    Banned,
    /// A mode that only reports kept an inspected socket open that would have been closed.
    Kept,
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
            Self::Banned => "banned",
            Self::Kept => "kept",
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

/// What a mode that only reports would have refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub stage: Stage,
    pub reason: &'static str,
    pub cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
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
    /// The values that the cause speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The setting that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<&'static str>,
    /// What an operator can do about a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    /// Whose quota, ban or revocation decided: `ip 198.51.100.7`, `user alice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// When that ends: RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The id of the administrator's ban or revocation that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<String>,
    pub stage: Stage,
    /// The pattern of the route that matched.
    pub route: Option<String>,
    /// The path, where it led to no route or its server failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The server, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    pub origin: Option<String>,
    /// As it is counted: IPv6 as /64.
    pub address: String,
    /// The data centre.
    pub colo: Option<String>,
    pub subject: Option<String>,
    /// `iss` as the token claims it, verified or not.
    pub issuer: Option<String>,
    /// `alg` and `kid` as the token claims them, verified or not.
    pub alg: Option<String>,
    pub kid: Option<String>,
    pub mode: &'static str,
    /// The reason with which `MODE=enforce` would have refused it or closed it, where the mode only
    /// reports.
    pub would_be: Option<&'static str>,
    /// All that the mode only reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The gate's own.
    pub version: &'static str,
    pub duration_ms: u64,
    /// Whether it belongs to the share of admitted attempts that is logged.
    #[serde(skip)]
    pub is_sampled: bool,
}

impl Record {
    pub fn begin(address: AddressKey, request_id: impl Into<String>, time: String) -> Self {
        Self {
            time,
            request_id: request_id.into(),
            outcome: Outcome::Refused,
            reason: None,
            cause: None,
            detail: None,
            setting: None,
            remedy: None,
            party: None,
            until: None,
            denial: None,
            stage: Stage::Configuration,
            route: None,
            path: None,
            upstream: None,
            origin: None,
            address: address.to_string(),
            colo: None,
            subject: None,
            issuer: None,
            alg: None,
            kid: None,
            mode: "enforce",
            would_be: None,
            findings: Vec::new(),
            version: env!("CARGO_PKG_VERSION"),
            duration_ms: 0,
            is_sampled: true,
        }
    }

    /// Whether it leaves a line in the log: always where something was refused, reported, done by an
    /// administrator or out of order, and otherwise if it is sampled.
    pub fn is_logged(&self) -> bool {
        let is_remarkable = match self.outcome {
            Outcome::Refused | Outcome::Administered | Outcome::Banned | Outcome::Kept => true,
            Outcome::Closed => !matches!(self.reason, Some("client_closed" | "upstream_closed")),
            Outcome::Admitted
            | Outcome::Proxied
            | Outcome::Issued
            | Outcome::Refreshed
            | Outcome::Preflight => self.cause.is_some() || self.would_be.is_some(),
        };
        is_remarkable || self.is_sampled
    }

    pub fn note_origin(&mut self, origin: Option<&str>) {
        self.origin = origin.map(|origin| cut(origin.to_owned()));
    }

    pub fn note_refusal(&mut self, rejection: &Rejection) {
        self.outcome = Outcome::Refused;
        self.reason = Some(rejection.reason.name());
        self.explain(rejection);
    }

    /// Notes the cause of a refusal, and what was found.
    fn explain(&mut self, rejection: &Rejection) {
        self.cause = Some(cut(rejection.cause.to_string()));
        self.setting = rejection.setting();
        self.remedy = Some(rejection.remedy());
        let Some(Evidence {
            detail,
            party,
            until,
            denial,
            upstream,
            ..
        }) = rejection.evidence()
        else {
            return;
        };
        if let Some(detail) = detail {
            self.detail = Some(cut(detail.clone()));
        }
        self.party = party.as_deref().map(|party| self.name(party));
        self.until = until.map(|until| until.min(Timestamp::LATEST).to_rfc3339());
        self.denial.clone_from(denial);
        self.upstream.clone_from(upstream);
    }

    /// Notes what a mode that only reports would have refused at this stage. What the record says
    /// besides is about the first one.
    pub fn note_finding(&mut self, rejection: &Rejection) {
        let reason = rejection.reason.name();
        let known = |finding: &Finding| finding.reason == reason && finding.stage == self.stage;
        if self.findings.iter().any(known) {
            return;
        }
        let detail = rejection.evidence().and_then(|found| found.detail.clone());
        let finding = Finding {
            stage: self.stage,
            reason,
            cause: cut(rejection.cause.to_string()),
            setting: rejection.setting(),
            detail: detail.map(cut),
        };
        if self.findings.is_empty() {
            let lapses = self.cause.take();
            self.would_be = Some(reason);
            self.explain(rejection);
            self.note_lapses(lapses.into_iter().collect());
        }
        self.findings.push(finding);
    }

    /// A party with its name, as far as this record has it.
    fn name(&self, party: &str) -> String {
        let name = match party {
            "ip" => Some(&self.address),
            "user" | "sub" => self.subject.as_ref(),
            "iss" => self.issuer.as_ref(),
            "route" => self.route.as_ref(),
            _ => None,
        };
        cut(name.map_or_else(|| party.to_owned(), |name| format!("{party} {name}")))
    }

    /// Notes the path of a request that led nowhere or whose server failed.
    pub fn note_path(&mut self, reason: &Reason, path: &str) {
        if matches!(
            reason,
            Reason::NoRoute
                | Reason::AmbiguousPath
                | Reason::UpstreamUnreachable
                | Reason::UpstreamRefused
                | Reason::UpstreamTimeout
        ) {
            self.path = Some(cut(path.to_owned()));
        }
    }

    /// The record of a ban, by that of the attempt that brought it.
    pub fn of_ban(attempt: Self, rule: &str, now: Timestamp, until: Timestamp) -> Self {
        let last = attempt.reason.or(attempt.would_be).unwrap_or_default();
        Self {
            time: now.to_rfc3339(),
            outcome: Outcome::Banned,
            detail: None,
            findings: Vec::new(),
            cause: Some(format!("{rule} refused attempts, the last one for {last}")),
            setting: Reason::Banned.setting(),
            remedy: Some(Reason::Banned.remedy()),
            party: Some(attempt.name("ip")),
            until: Some(until.to_rfc3339()),
            stage: Stage::Counters,
            duration_ms: 0,
            ..attempt
        }
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
    pub fn note_verdict<T>(&mut self, verdict: Verdict<T>) -> Result<T, Rejection> {
        if let Some(header) = &verdict.header {
            self.note_token(header);
        }
        verdict.result.map_err(|fault| {
            let Claimed {
                issuer,
                subject,
                detail,
            } = verdict.claimed;
            self.subject = subject.map(cut);
            self.issuer = issuer.map(cut);
            Rejection::from(fault).with(|evidence| evidence.detail = detail)
        })
    }

    pub fn note_token(&mut self, header: &TokenHeader) {
        self.alg = Some(cut(header.algorithm.clone()));
        self.kid = header.key_id.clone().map(cut);
    }

    pub fn note_identity(&mut self, identity: &Identity) {
        self.subject = identity.subject.clone().map(cut);
        self.issuer = identity.issuer().map(|issuer| cut(issuer.to_owned()));
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
    pub fn blobs(&self) -> [&str; 20] {
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
            or_empty(self.issuer.as_ref()),
            self.setting.unwrap_or_default(),
            or_empty(self.path.as_ref()),
            or_empty(self.upstream.as_ref()),
            or_empty(self.until.as_ref()),
            self.would_be.unwrap_or_default(),
        ]
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_CLIENT_TEXT));
    text
}
