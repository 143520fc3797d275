//! The headers that let a page of an allowed origin read an endpoint's answers (Fetch §3.3).

/// How long a browser may cache a preflight, in seconds.
const MAX_AGE: &str = "600";
/// The response headers that a page may read.
const EXPOSED: &str =
    "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Portcullis-Request-Id";

/// The headers of an answer to a page of this allowed origin.
///
/// `origin`: the request's `Origin`, byte for byte, which is how browsers compare it.
/// `with_credentials`: whether the browser may send cookies along.
pub fn headers(
    origin: &str,
    with_credentials: bool,
    is_preflight: bool,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Access-Control-Allow-Origin", origin.to_owned()),
        ("Vary", "Origin".into()),
    ];
    if with_credentials {
        headers.push(("Access-Control-Allow-Credentials", "true".into()));
    }
    if is_preflight {
        headers.push(("Access-Control-Allow-Methods", "POST".into()));
        headers.push(("Access-Control-Allow-Headers", "authorization".into()));
        headers.push(("Access-Control-Max-Age", MAX_AGE.into()));
    } else {
        headers.push(("Access-Control-Expose-Headers", EXPOSED.into()));
    }
    headers
}
