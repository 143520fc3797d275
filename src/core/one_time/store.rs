//! What can be used once: a name is kept until a time, and what was kept is given out to one
//! asker alone. A ticket is kept with what it stands for and taken; the `jti` of a token is kept
//! with nothing, and never taken.
//!
//! One object per name answers as a pure step from what is stored, a question and the time. The
//! Durable Object around it only loads, steps and stores.

use std::fmt;

use crate::util::time::Timestamp;

/// What is asked of a name.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreRequest {
    /// Keeps `content` under the name, unless something is kept there.
    Keep { until: Timestamp, content: String },
    /// Asks for what is kept, which is gone then.
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
    /// Nothing is kept under this name, or not any more.
    Absent,
}

/// The content of a ticket is somebody's identity.
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

/// What is stored under a name.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// From then on it is as if nothing was stored.
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

    /// `None` for what is none of ours.
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

/// Answers a question at `now` and says what to store for it.
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

/// How questions and answers travel between an isolate and the object: a URL's path with the
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

    /// One word; what is given follows behind a line break.
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
