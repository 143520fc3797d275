//! The page of the dashboard. It is the same for everybody and contains no secrets: it asks for the
//! administrator's token, and calls the endpoints with it.

use std::sync::LazyLock;

use portcullis::util::digest::base64_digest;

const TEMPLATE: &str = include_str!("dashboard/page.html");
const STYLE: &str = include_str!("dashboard/page.css");
const SCRIPT: &str = include_str!("dashboard/page.js");

/// The content security policy that allows this style and this script, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'",
        base64_digest(SCRIPT),
        base64_digest(STYLE)
    )
});

/// The page as HTML.
pub fn page() -> String {
    TEMPLATE
        .replace("/*STYLE*/", STYLE)
        .replace("/*SCRIPT*/", SCRIPT)
}

/// The page's headers, with its own policy in place of the usual one.
pub fn headers() -> [(&'static str, String); 3] {
    [
        ("Content-Type", "text/html; charset=utf-8".into()),
        ("Cache-Control", "no-store".into()),
        ("Content-Security-Policy", POLICY.clone()),
    ]
}
