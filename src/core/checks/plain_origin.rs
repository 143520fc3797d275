//! Step 5 for requests that are not upgrades: checks the origin if there is one, and otherwise what
//! the browser says about the page (Fetch Metadata).

use super::origin::OriginRule;
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};

/// Checks where a plain request comes from. `has_cookies` says whether its cookies may authenticate
/// it, so that a page of another site could misuse them.
///
/// Browsers send no `Origin` when they follow a link or load a part of a page, and `null` where the
/// page's `Referrer-Policy` hides it. They do send one with every method that can change something.
pub fn check(rule: &OriginRule, request: &Request<'_>, has_cookies: bool) -> Result<(), Rejection> {
    let header = |name| request.headers.get(name);
    let origin = header("origin");
    let site = header("sec-fetch-site");
    let site = site.as_deref();
    let is_from_here = site == Some("same-origin");
    match origin.as_deref() {
        None => {}
        Some("null") if is_from_here => {}
        Some(origin) => return rule.check(Some(origin)),
    }
    if is_from_here {
        if is_safe(request.method) {
            return Ok(());
        }
        let own = format!("{}://{}", request.url.scheme, request.url.authority);
        return rule.check(Some(&own));
    }
    let is_from_elsewhere = site.is_some_and(|site| site != "none");
    let foreign = |cause: &'static str| Err(Reason::OriginNotAllowed.because(cause));
    if !is_safe(request.method) {
        if is_from_elsewhere {
            return foreign("Sec-Fetch-Site names another site");
        }
        return rule.check(None);
    }
    let is_link = || {
        let embedded = ["object", "embed"];
        header("sec-fetch-mode").as_deref() == Some("navigate")
            && header("sec-fetch-dest").is_none_or(|dest| !embedded.contains(&&*dest))
    };
    if has_cookies && site == Some("cross-site") && !is_link() {
        return foreign("a page of another site loads this with the user's cookies");
    }
    Ok(())
}

/// Whether a method only reads (RFC 9110 §9.2.1).
fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}
