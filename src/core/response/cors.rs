//! What lets a page of an allowed origin read the answers of an endpoint (Fetch §3.3).

use crate::checks::origin::OriginRule;
use crate::request::Request;

/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "600";
/// What a page may read of an answer beside its body.
const EXPOSED: &str =
    "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Portcullis-Request-Id";

/// The headers for the origin of this request: none for one that is not allowed.
/// `with_credentials`: whether the browser may send cookies along.
pub fn headers(
    origins: &OriginRule,
    with_credentials: bool,
    request: &Request<'_>,
) -> Vec<(&'static str, String)> {
    let Some(origin) = request.headers.get("origin") else {
        return Vec::new();
    };
    if origins.check(Some(&origin)).is_err() {
        return Vec::new();
    }
    let mut headers = vec![
        ("Access-Control-Allow-Origin", origin),
        ("Vary", "Origin".into()),
    ];
    if with_credentials {
        headers.push(("Access-Control-Allow-Credentials", "true".into()));
    }
    if request.method == "OPTIONS" {
        headers.push(("Access-Control-Allow-Methods", "POST".into()));
        headers.push(("Access-Control-Allow-Headers", "authorization".into()));
        headers.push(("Access-Control-Max-Age", MAX_AGE.into()));
    } else {
        headers.push(("Access-Control-Expose-Headers", EXPOSED.into()));
    }
    headers
}
