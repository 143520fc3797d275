//! The one place that turns a rejection into an answer.

use serde::Serialize;

use super::reason::Reason;

/// What is sent for a refusal, before the security headers are stamped on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// `application/problem+json` (RFC 9457).
    pub body: String,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    reason: &'a str,
    request_id: &'a str,
    /// For who may know it (RFC 9457 §3.1.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// The answer to a refused request: the one place where a rejection becomes a response.
pub fn refusal(reason: &Reason, request_id: &str) -> Refusal {
    let problem = Problem {
        r#type: format!("urn:portcullis:refusal:{}", reason.name()),
        title: reason.title(),
        status: reason.status(),
        reason: reason.name(),
        request_id,
        detail: match reason {
            Reason::BadRequest { detail }
            | Reason::NotDone { detail }
            | Reason::RegistryFull { detail } => Some(detail),
            _ => None,
        },
    };
    let mut headers = vec![("Content-Type", "application/problem+json".to_owned())];
    headers.extend(common_headers(reason));
    Refusal {
        status: reason.status(),
        headers,
        body: serde_json::to_string(&problem).expect("a struct of strings and a number"),
    }
}

/// A refusal told by a socket that is opened only to be closed: a script can read no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub code: u16,
    /// The close frame's reason: the name of the refusal's.
    pub reason: &'static str,
    /// Of the 101.
    pub headers: Vec<(&'static str, String)>,
}

/// The same refusal for a well-formed handshake, where the reason has a close code. `protocol`:
/// the subprotocol to answer with.
pub fn closing(reason: &Reason, protocol: Option<String>) -> Option<Closing> {
    let mut headers = common_headers(reason);
    headers.extend(protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol)));
    Some(Closing {
        code: reason.close_code()?,
        reason: reason.name(),
        headers,
    })
}

fn common_headers(reason: &Reason) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Cache-Control", "no-store".to_owned())];
    headers.extend(reason.headers());
    headers
}
