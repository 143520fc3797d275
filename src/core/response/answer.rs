//! The one place that turns a reason into an answer: an HTTP response or a close frame.

use serde::Serialize;

use super::reason::{Reason, Spec};

/// The HTTP response to a refused request, without the security headers.
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
    /// Only for callers who may know what was wrong (RFC 9457 §3.1.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// Returns the HTTP response to a request that is refused for this reason.
pub fn refusal(reason: &Reason, request_id: &str) -> Refusal {
    let spec = reason.spec();
    let problem = Problem {
        r#type: format!("urn:portcullis:refusal:{}", spec.name),
        title: spec.title,
        status: spec.status,
        reason: spec.name,
        request_id,
        detail: spec.detail,
    };
    let mut headers = vec![("Content-Type", "application/problem+json".to_owned())];
    headers.extend(common_headers(&spec));
    Refusal {
        status: spec.status,
        headers,
        body: serde_json::to_string(&problem).expect("a struct of strings and a number"),
    }
}

/// A refusal by a socket that is opened only to be closed. A browser shows scripts the code and
/// reason of a close, and nothing about a refused handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub code: u16,
    /// The text of the close frame: the reason's name.
    pub reason: &'static str,
    /// The headers of the 101.
    pub headers: Vec<(&'static str, String)>,
}

/// Returns the close frame for this reason, or `None` if it has no close code. The request must be
/// a well-formed handshake; `protocol` is the subprotocol that the 101 names.
pub fn closing(reason: &Reason, protocol: Option<String>) -> Option<Closing> {
    let spec = reason.spec();
    let mut headers = common_headers(&spec);
    headers.extend(protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol)));
    Some(Closing {
        code: spec.close_code?,
        reason: spec.name,
        headers,
    })
}

fn common_headers(spec: &Spec<'_>) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Cache-Control", "no-store".to_owned())];
    headers.extend(spec.headers.lines());
    headers
}
