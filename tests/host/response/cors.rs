//! What a page of another origin may read.

use portcullis::checks::origin::{OriginPattern, OriginRule};
use portcullis::response::cors::{self, CorsAnswer};

use crate::common::{Ask, assert_rows};

fn headers(allowed: &str, credentials: bool, ask: &Ask) -> String {
    let rule = OriginRule {
        allowed: vec![OriginPattern::parse(allowed).expect("the test's own")],
        missing_is_allowed: true,
    };
    let request = ask.request();
    let origin = request.headers.get("origin");
    let allowed = origin.filter(|origin| rule.check(Some(origin)).is_ok());
    let headers = allowed.map_or_else(Vec::new, |origin| {
        let asked = request.headers.get("access-control-request-headers");
        let asked = asked.as_deref();
        let kind = match request.method {
            "OPTIONS" => CorsAnswer::ToPreflight { asked },
            _ => CorsAnswer::ToRequest,
        };
        cors::headers(&origin, credentials, kind)
    });
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    lines.collect()
}

fn ask(method: &'static str, origin: &str) -> Ask {
    Ask::plain(method, "https://gate.example/_portcullis/ticket").with("origin", origin)
}

const APP: &str = "https://app.example";
const READ: &str = "Access-Control-Allow-Origin: https://app.example\nVary: Origin\n";
const CREDENTIALS: &str = "Access-Control-Allow-Credentials: true\n";
const EXPOSED: &str = "Access-Control-Expose-Headers: Retry-After, RateLimit, RateLimit-Policy, \
    WWW-Authenticate, Portcullis-Request-Id\n";
const PREFLIGHT: &str = "Access-Control-Allow-Methods: POST\n\
    Access-Control-Allow-Headers: authorization\n\
    Access-Control-Max-Age: 600\n";

#[test]
fn the_very_origin_is_named_and_others_get_nothing() {
    let post = |origin| ask("POST", origin);
    let rows = [
        ("allowed", APP, false, post(APP), format!("{READ}{EXPOSED}")),
        (
            "under a wildcard",
            "*",
            false,
            post(APP),
            format!("{READ}{EXPOSED}"),
        ),
        (
            "with cookies",
            APP,
            true,
            post(APP),
            format!("{READ}{CREDENTIALS}{EXPOSED}"),
        ),
        (
            "a preflight",
            APP,
            false,
            ask("OPTIONS", APP),
            format!("{READ}{PREFLIGHT}"),
        ),
        (
            "a preflight with cookies",
            APP,
            true,
            ask("OPTIONS", APP),
            format!("{READ}{CREDENTIALS}{PREFLIGHT}"),
        ),
        (
            "not allowed",
            APP,
            true,
            post("https://evil.example"),
            String::new(),
        ),
        (
            "a preflight, not allowed",
            APP,
            true,
            ask("OPTIONS", "https://evil.example"),
            String::new(),
        ),
        ("null", "*", true, post("null"), String::new()),
        (
            "two",
            APP,
            true,
            post("https://app.example, https://evil.example"),
            String::new(),
        ),
        (
            "none",
            APP,
            true,
            ask("OPTIONS", APP).without("origin"),
            String::new(),
        ),
    ];
    assert_rows(rows.map(|(name, allowed, credentials, ask, expected)| {
        (name, headers(allowed, credentials, &ask), expected)
    }));
}

/// Tracing scripts add headers to every request of a page.
#[test]
fn a_preflight_is_allowed_whatever_headers_it_asks_for() {
    let allowed = |asked: &str| {
        let preflight = cors::headers(APP, false, CorsAnswer::ToPreflight { asked: Some(asked) });
        let mut lines = preflight.into_iter();
        lines.find_map(|(name, value)| (name == "Access-Control-Allow-Headers").then_some(value))
    };
    let rows = [
        ("authorization", "authorization"),
        (
            "authorization,sentry-trace,baggage",
            "authorization,sentry-trace,baggage",
        ),
        ("x-a, x-b", "x-a, x-b"),
        ("", ""),
        ("x a", "authorization"),
        ("x\u{e9}", "authorization"),
        ("x-a\r\nSet-Cookie: b", "authorization"),
    ];
    assert_rows(rows.map(|(asked, expected)| (asked, allowed(asked), Some(expected.to_owned()))));
}
