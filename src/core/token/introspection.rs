//! Sessions: opaque credentials that a provider verifies by token introspection (RFC 7662). Only
//! its clear and timely `"active": true` admits one.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::claims::{Claimed, Expectations, Identity};
use super::{Runtime, TokenFault};
use crate::util::bounded_map::BoundedMap;
use crate::util::digest::{digest, hex_digest};
use crate::util::strict_json;
use crate::util::time::Timestamp;

/// The longest answer about one session, in bytes.
pub const MAX_ANSWER_BYTES: u32 = 64 * 1024;
/// How long a refusal is remembered at most: the session may only just be starting.
const MAX_REFUSED: Duration = Duration::from_secs(5);
/// How long an identity without `exp` lives with `SESSION_CACHE=0s`.
const UNCACHED_LIFE: Duration = Duration::from_secs(30);

/// `SESSION_URL` with the answers remembered from it.
pub struct Sessions {
    url: String,
    /// The value of `Authorization`.
    authorization: String,
    expectations: Expectations,
    /// How long an answer is reused; with zero it serves one request.
    fresh: Duration,
    known: RefCell<CachedSessions>,
}

/// An introspection request: a form for a POST (RFC 7662 §2.1).
pub struct IntrospectionRequest<'a> {
    pub url: &'a str,
    pub authorization: &'a str,
    pub form: String,
    /// Equal only for equal questions. It does not reveal the session.
    pub digest: SessionDigest,
}

/// A provider's answer. The body is empty unless the status is 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAnswer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

type SessionDigest = [u8; 32];

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("url", &self.url)
            .field("authorization", &format_args!("REDACTED"))
            .field("expectations", &self.expectations)
            .field("fresh", &self.fresh)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IntrospectionRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionRequest")
            .field("url", &self.url)
            .field("authorization", &format_args!("REDACTED"))
            .field("form", &format_args!("REDACTED"))
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// `authorization` is the value of that header, `fresh` how long an answer is reused.
    pub fn new(
        url: String,
        authorization: String,
        expectations: Expectations,
        fresh: Duration,
    ) -> Self {
        Self {
            url,
            authorization,
            expectations,
            fresh,
            known: RefCell::new(no_sessions()),
        }
    }

    pub fn expectations(&self) -> &Expectations {
        &self.expectations
    }

    /// The identity behind the session `id`. With `afresh` the provider is asked even if its last
    /// answer is still remembered.
    pub async fn identify<R: Runtime>(
        &self,
        runtime: &R,
        id: &str,
        afresh: bool,
    ) -> Result<Identity, SessionFault> {
        let question = self.question(id)?;
        let recall = |now| {
            (!afresh)
                .then(|| self.recall(&question.digest, now))
                .flatten()
        };
        if let Some(judged) = recall(runtime.now()) {
            return judged;
        }
        let answer = runtime.introspect(&question).await;
        // Several requests may have waited for one answer, and the first remembered it.
        if let Some(judged) = recall(runtime.now()) {
            return judged;
        }
        self.take(question.digest, answer, runtime.now())
    }

    fn question(&self, id: &str) -> Result<IntrospectionRequest<'_>, TokenFault> {
        if id.is_empty() {
            return Err(TokenFault::invalid("the session id is empty"));
        }
        Ok(IntrospectionRequest {
            url: &self.url,
            authorization: &self.authorization,
            form: form_urlencoded::Serializer::new(String::new())
                .append_pair("token", id)
                .append_pair("token_type_hint", "access_token")
                .finish(),
            digest: digest([&self.url, &self.authorization, id].map(Some)),
        })
    }

    /// The remembered answer about a session, judged at `now`.
    fn recall(
        &self,
        digest: &SessionDigest,
        now: Timestamp,
    ) -> Option<Result<Identity, SessionFault>> {
        let known = self.known.borrow();
        let entry = known.get(digest)?;
        (now < entry.until).then(|| self.judge(&entry.body, entry.since, now))
    }

    /// Judges an answer that came at `now`, and remembers it. A failure is not remembered: it says
    /// nothing about the session.
    fn take(
        &self,
        digest: SessionDigest,
        answer: Result<ProviderAnswer, String>,
        now: Timestamp,
    ) -> Result<Identity, SessionFault> {
        let body = answer
            .and_then(readable)
            .map_err(|failure| unavailable(&failure))?;
        let judged = self.judge(&body, now, now);
        let until = match &judged {
            Ok(identity) => identity.expires.min(now + self.fresh),
            Err(_) => now + self.fresh.min(MAX_REFUSED),
        };
        if now < until {
            let entry = CachedSession {
                body,
                since: now,
                until,
            };
            self.known.borrow_mut().insert(digest, entry);
        }
        judged
    }

    fn judge(
        &self,
        body: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Identity, SessionFault> {
        let claims = introspection(body).map_err(|failure| unavailable(&failure))?;
        if claims["active"] != true {
            return Err(TokenFault::unusable("the session is not active").into());
        }
        let life = if self.fresh.is_zero() {
            UNCACHED_LIFE
        } else {
            self.fresh
        };
        let checked =
            self.expectations
                .check(claims, Some(since + life), || self.key_source(), now);
        checked.map_err(|fault| {
            let claims = introspection(body).unwrap_or_default();
            let names = Some(&self.expectations.names);
            let claimed = Claimed::of(&claims, names, &fault, now);
            SessionFault { fault, claimed }
        })
    }

    /// Names the provider in the trust domain of sessions without `iss`.
    pub(super) fn key_source(&self) -> String {
        hex_digest([Some("session"), Some(self.url.as_str())])
    }
}

/// Why a session is not accepted, with what its provider says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFault {
    pub fault: TokenFault,
    pub claimed: Claimed,
}

impl From<TokenFault> for SessionFault {
    fn from(fault: TokenFault) -> Self {
        let claimed = Claimed::default();
        Self { fault, claimed }
    }
}

fn unavailable(failure: &str) -> TokenFault {
    TokenFault::ProviderUnavailable(format!("the session can't be verified: {failure}"))
}

/// The body of a well-formed answer (RFC 7662 §2.2).
fn readable(answer: ProviderAnswer) -> Result<String, String> {
    if answer.status != 200 {
        return Err(format!("the provider answered {}", answer.status));
    }
    let media_type = answer.content_type.split(';').next().unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err("the provider's answer is not of type application/json".into());
    }
    introspection(&answer.body)?;
    Ok(answer.body)
}

/// The members of an answer, which must have a boolean `active` (RFC 7662 §2.2).
fn introspection(body: &str) -> Result<Map<String, Value>, String> {
    let mut members = strict_json::object(body.as_bytes())
        .map_err(|error| format!("the provider's answer: {error}"))?;
    // Some providers write out the members that a session does not have.
    members.retain(|_, value| !value.is_null());
    match members.get("active") {
        Some(Value::Bool(_)) => Ok(members),
        _ => Err("the provider's answer has no boolean active".into()),
    }
}

struct CachedSession {
    /// The answer as it came. It is judged again for each request.
    body: String,
    since: Timestamp,
    until: Timestamp,
}

/// Answers of a provider by session. An answer that has ended stays until the map needs its room.
type CachedSessions = BoundedMap<SessionDigest, CachedSession>;

const MAX_CACHED: usize = 8192;
const MAX_CACHED_BYTES: usize = 4 * 1024 * 1024;

fn no_sessions() -> CachedSessions {
    BoundedMap::with_weight(MAX_CACHED, MAX_CACHED_BYTES, |session: &CachedSession| {
        session.body.len()
    })
}
