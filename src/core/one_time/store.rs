//! A store of what can be used once. It keeps a name until a time, and hands its content to one
//! asker only. A ticket is kept with the identity behind it, and taken. The `jti` of a token is
//! kept without content, and never taken.
//!
//! One object per name answers by a pure step from the stored value, a request and the time. The
//! Durable Object around it only loads, steps and stores.

use std::fmt;

use crate::util::time::Timestamp;

/// A request about a name.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreRequest {
    /// Keeps `content` under the name, unless something is kept there.
    Keep { until: Timestamp, content: String },
    /// Takes the content. Nothing is kept under the name then.
    Take,
}

impl StoreRequest {
    pub fn keep(until: Timestamp, content: String) -> Self {
        Self::Keep {
            until: until.min(Timestamp::LATEST),
            content,
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub enum StoreResponse {
    Kept,
    /// Something is kept under this name already.
    Exists,
    Given(String),
    /// Nothing is kept under this name, or no longer.
    Absent,
}

/// The content of a ticket is an identity, so it is not printed.
impl fmt::Debug for StoreRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep { until, .. } => write!(f, "Keep(until {}, REDACTED)", until.0),
            Self::Take => f.write_str("Take"),
        }
    }
}

impl fmt::Debug for StoreResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "Kept",
            Self::Exists => "Exists",
            Self::Given(_) => "Given(REDACTED)",
            Self::Absent => "Absent",
        })
    }
}

/// The value stored under a name.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// When it ends: from then on the name counts as free.
    pub until: Timestamp,
    content: String,
}

impl StoredValue {
    /// Eight bytes of milliseconds, big-endian, then the content.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.until.0.to_be_bytes().to_vec();
        bytes.extend(self.content.as_bytes());
        bytes
    }

    /// `None` for bytes that [`encode`](Self::encode) did not write.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (until, content) = bytes.split_first_chunk()?;
        Some(Self {
            until: Timestamp(u64::from_be_bytes(*until)),
            content: str::from_utf8(content).ok()?.to_owned(),
        })
    }
}

/// What a step changes in the store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreChange {
    Nothing,
    /// In place of what is stored.
    Write(StoredValue),
    Delete,
}

/// Answers a request at `now`, and says how to change what is stored.
pub fn step(
    stored: Option<StoredValue>,
    request: StoreRequest,
    now: Timestamp,
) -> (StoreResponse, StoreChange) {
    let stored = stored.filter(|stored| stored.until > now);
    match (request, stored) {
        (StoreRequest::Keep { .. }, Some(_)) => (StoreResponse::Exists, StoreChange::Nothing),
        (StoreRequest::Keep { until, content }, None) => (
            StoreResponse::Kept,
            StoreChange::Write(StoredValue { until, content }),
        ),
        (StoreRequest::Take, Some(stored)) => {
            (StoreResponse::Given(stored.content), StoreChange::Delete)
        }
        (StoreRequest::Take, None) => (StoreResponse::Absent, StoreChange::Nothing),
    }
}

/// The format of requests and responses between an isolate and the object: a URL's path with the
/// content as body, and a text.
pub mod wire {
    use super::{StoreRequest, StoreResponse};
    use crate::util::time::Timestamp;

    /// `/keep/<until in ms>` or `/take`, and the body.
    pub fn encode_request(request: &StoreRequest) -> (String, &str) {
        match request {
            StoreRequest::Keep { until, content } => (format!("/keep/{}", until.0), content),
            StoreRequest::Take => ("/take".into(), ""),
        }
    }

    pub fn decode_request(path: &str, body: String) -> Option<StoreRequest> {
        if path == "/take" {
            return Some(StoreRequest::Take);
        }
        let until = path.strip_prefix("/keep/")?.parse().ok()?;
        Some(StoreRequest::keep(Timestamp(until), body))
    }

    /// One word. The content follows it after a line break.
    pub fn encode_response(response: &StoreResponse) -> String {
        match response {
            StoreResponse::Kept => "kept".into(),
            StoreResponse::Exists => "exists".into(),
            StoreResponse::Given(content) => format!("given\n{content}"),
            StoreResponse::Absent => "absent".into(),
        }
    }

    pub fn decode_response(text: &str) -> Option<StoreResponse> {
        match text.split_once('\n') {
            None if text == "kept" => Some(StoreResponse::Kept),
            None if text == "exists" => Some(StoreResponse::Exists),
            None if text == "absent" => Some(StoreResponse::Absent),
            Some(("given", content)) => Some(StoreResponse::Given(content.to_owned())),
            _ => None,
        }
    }
}
