//! Where a plain request comes from: its origin, and what the browser says where it names none.

use portcullis::checks::origin::{OriginPattern, OriginRule};
use portcullis::checks::plain_origin::check;

use crate::common::{Ask, assert_rows};

const OWN: &str = "https://gate.example";
const APP: &str = "https://app.example.com";

fn rule(allowed: &[&str], missing_is_allowed: bool) -> OriginRule {
    let parse = |text: &&str| OriginPattern::parse(text).expect("sound");
    OriginRule {
        allowed: allowed.iter().map(parse).collect(),
        missing_is_allowed,
    }
}

type Headers<'a> = &'a [(&'static str, &'a str)];

fn ask(method: &'static str, headers: Headers<'_>) -> Ask {
    let ask = Ask::plain(method, "https://gate.example/page");
    headers
        .iter()
        .fold(ask, |ask, (name, value)| ask.and(name, value))
}

fn verdict(rule: &OriginRule, ask: &Ask, has_cookies: bool) -> &'static str {
    match check(rule, &ask.request(), has_cookies) {
        Ok(()) => "ok",
        Err(rejection) => rejection.reason.name(),
    }
}

const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
const FOREIGN: &str = "origin_not_allowed";
const MISSING: &str = "origin_missing";

#[test]
fn an_origin_that_is_named_must_be_allowed() {
    let rule = rule(&[APP], true);
    let named = |method, origin: &str| verdict(&rule, &ask(method, &[("origin", origin)]), true);
    assert_rows([
        ("a read", named("GET", APP), "ok"),
        ("a change", named("POST", APP), "ok"),
        (
            "a read of another",
            named("GET", "https://evil.example"),
            FOREIGN,
        ),
        (
            "a change of another",
            named("POST", "https://evil.example"),
            FOREIGN,
        ),
        ("null", named("GET", "null"), FOREIGN),
        (
            "the gate's own, which is not in the list",
            named("POST", OWN),
            FOREIGN,
        ),
    ]);
}

#[test]
fn pages_are_loaded_without_an_origin_and_nothing_is_changed_without_one() {
    let strict = rule(&[APP], false);
    let lax = rule(&[APP], true);
    let rows = [
        ("a read", &strict, "GET", "ok"),
        ("its head", &strict, "HEAD", "ok"),
        ("options", &strict, "OPTIONS", "ok"),
        ("a change", &strict, "POST", MISSING),
        ("another", &strict, "DELETE", MISSING),
        ("a method of one's own", &strict, "PURGE", MISSING),
        (
            "a change, where ORIGIN_MISSING is allow",
            &lax,
            "POST",
            "ok",
        ),
    ];
    assert_rows(rows.map(|(name, rule, method, expected)| {
        (name, verdict(rule, &ask(method, &[]), true), expected)
    }));
}

/// Firefox and Chromium send `Origin: null` from a page that hides its address.
#[test]
fn a_page_of_the_gates_own_host_counts_as_its_origin() {
    let own = rule(&[OWN], false);
    let other = rule(&[APP], true);
    let null = ("origin", "null");
    let rows: [(_, _, _, Headers<'_>, _); 7] = [
        ("a change", &own, "POST", &[SAME], "ok"),
        ("a change with null", &own, "POST", &[null, SAME], "ok"),
        ("a read with null", &own, "GET", &[null, SAME], "ok"),
        ("a read, whatever the list", &other, "GET", &[SAME], "ok"),
        (
            "a change that the list does not allow",
            &other,
            "POST",
            &[SAME],
            FOREIGN,
        ),
        (
            "null of another site",
            &own,
            "POST",
            &[null, CROSS],
            FOREIGN,
        ),
        (
            "an origin beside it",
            &own,
            "POST",
            &[("origin", "https://evil.example"), SAME],
            FOREIGN,
        ),
    ];
    assert_rows(rows.map(|(name, rule, method, headers, expected)| {
        (name, verdict(rule, &ask(method, headers), true), expected)
    }));
}

#[test]
fn a_page_of_another_site_follows_links_and_uses_no_cookies_otherwise() {
    let rule = rule(&[APP], true);
    let dest = |name| ("sec-fetch-dest", name);
    let rows: [(_, _, Headers<'_>, _, _); 9] = [
        ("a link", "GET", &[CROSS, NAVIGATE], true, "ok"),
        (
            "a frame",
            "GET",
            &[CROSS, NAVIGATE, dest("iframe")],
            true,
            "ok",
        ),
        (
            "an object",
            "GET",
            &[CROSS, NAVIGATE, dest("object")],
            true,
            FOREIGN,
        ),
        ("an image", "GET", &[CROSS, dest("image")], true, FOREIGN),
        (
            "an image without cookies",
            "GET",
            &[CROSS, dest("image")],
            false,
            "ok",
        ),
        ("a form", "POST", &[CROSS, NAVIGATE], false, FOREIGN),
        (
            "an image on a page of the same site",
            "GET",
            &[("sec-fetch-site", "same-site")],
            true,
            "ok",
        ),
        (
            "a form of the same site",
            "POST",
            &[("sec-fetch-site", "same-site")],
            true,
            FOREIGN,
        ),
        (
            "an address that was typed",
            "GET",
            &[("sec-fetch-site", "none")],
            true,
            "ok",
        ),
    ];
    assert_rows(rows.map(|(name, method, headers, has_cookies, expected)| {
        (
            name,
            verdict(&rule, &ask(method, headers), has_cookies),
            expected,
        )
    }));
}
