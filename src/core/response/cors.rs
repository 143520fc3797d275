//! The headers that let a page of an allowed origin read an endpoint's answers (Fetch §3.3).

use crate::request::syntax;

/// How long a browser may cache a preflight, in seconds.
const MAX_AGE: &str = "600";
/// The response headers that a page may read.
const EXPOSED: &str =
    "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Portcullis-Request-Id";

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorsAnswer<'a> {
    ToRequest,
    /// `asked` is the value of `Access-Control-Request-Headers`. All of them are allowed: tracing
    /// scripts add some, and the endpoints read none that could do harm.
    ToPreflight {
        asked: Option<&'a str>,
    },
}

/// The headers of an answer to a page of this allowed origin.
///
/// `origin` is the request's `Origin`, byte for byte, as browsers compare it. `with_credentials`
/// says whether the browser may send cookies.
pub fn headers(
    origin: &str,
    with_credentials: bool,
    answer: CorsAnswer<'_>,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Access-Control-Allow-Origin", origin.to_owned()),
        ("Vary", "Origin".into()),
    ];
    if with_credentials {
        headers.push(("Access-Control-Allow-Credentials", "true".into()));
    }
    if let CorsAnswer::ToPreflight { asked } = answer {
        let asked = asked.filter(|names| syntax::elements(names).all(syntax::is_token));
        headers.push(("Access-Control-Allow-Methods", "POST".into()));
        headers.push((
            "Access-Control-Allow-Headers",
            asked.unwrap_or("authorization").to_owned(),
        ));
        headers.push(("Access-Control-Max-Age", MAX_AGE.into()));
    } else {
        headers.push(("Access-Control-Expose-Headers", EXPOSED.into()));
    }
    headers
}
