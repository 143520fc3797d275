//! Step 2: requests that did not come over TLS.

use crate::request::Request;
use crate::response::reason::{Reason, Rejection};

/// Refuses a request over http where TLS is required. A plain GET or HEAD is redirected to https.
pub fn check(require_tls: bool, request: &Request<'_>) -> Result<(), Rejection> {
    let url = request.url;
    if !require_tls || url.is_tls() {
        return Ok(());
    }
    let redirect = (request.is_plain_read() && !request.asks_for_websocket()).then(|| {
        let query = url.query.map(|query| format!("?{query}"));
        format!(
            "https://{}{}{}",
            url.authority,
            url.path,
            query.unwrap_or_default()
        )
    });
    Err(Reason::InsecureTransport { redirect }.because("the request came over http"))
}
