//! Origins of apps and extensions, and the one spelling of an origin.

use portcullis::checks::origin::{Origin, OriginPattern, OriginRule};
use portcullis::response::reason::{Reason, Rejection};

use crate::common::assert_rows;

fn rule(entries: &[&str]) -> OriginRule {
    let parse = |entry: &&str| OriginPattern::parse(entry).expect("a sound entry");
    OriginRule {
        allowed: entries.iter().map(parse).collect(),
        missing_is_allowed: false,
    }
}

fn not_allowed(cause: &'static str) -> Result<(), Rejection> {
    Err(Reason::OriginNotAllowed.because(cause))
}

const OPAQUE: &str = "it is the opaque origin null";
const OTHER: &str = "no entry of ALLOWED_ORIGINS matches";

/// Those of files, extensions and apps are no tuples with a domain.
#[test]
fn origins_of_apps_and_extensions_match_exactly_or_by_their_scheme() {
    const EXTENSION: &str = "moz-extension://8d2c5f2e-8c0b-4a57-9d4b-0f4e6f3a1b2c";
    let host = || not_allowed("its host is malformed");
    let rows = [
        ("file://", "file://", Ok(())),
        ("file://", "FILE://", Ok(())),
        ("file://", "file://host", not_allowed(OTHER)),
        ("file://", "app://", not_allowed(OTHER)),
        ("moz-extension://*", EXTENSION, Ok(())),
        ("moz-extension://*", "moz-extension://", Ok(())),
        (
            "moz-extension://*",
            "chrome-extension://abc",
            not_allowed(OTHER),
        ),
        (
            "moz-extension://*",
            "moz-extension://a:1",
            not_allowed(OTHER),
        ),
        ("moz-extension://*", "moz-extension://*", host()),
        ("moz-extension://*", "moz-extension://a%41", host()),
        (
            "moz-extension://*",
            "moz-extension://a/b",
            not_allowed("it has a path, query or fragment"),
        ),
        (
            "moz-extension://*",
            "moz-extension://u@a",
            not_allowed("it has a user name"),
        ),
        ("chrome-extension://ab", "chrome-extension://ab", Ok(())),
        (
            "chrome-extension://ab",
            "chrome-extension://abc",
            not_allowed(OTHER),
        ),
        ("capacitor://localhost", "capacitor://localhost", Ok(())),
        (
            "capacitor://localhost",
            "https://localhost",
            not_allowed(OTHER),
        ),
        ("tauri://localhost", "tauri://localhost", Ok(())),
        ("app://.", "app://.", Ok(())),
        ("app://.", "app://-", not_allowed(OTHER)),
        ("app://*", "app://obsidian.md", Ok(())),
        ("app://*", "appx://obsidian.md", not_allowed(OTHER)),
        ("app://*:*", "app://a:1", Ok(())),
        ("*", "file://", Ok(())),
        ("*", EXTENSION, Ok(())),
        ("*", "app://.", Ok(())),
        ("*", "null", not_allowed(OPAQUE)),
        ("*", "https://a.test.", host()),
        ("*", "ws://", not_allowed("it has no host")),
    ];
    assert_rows(rows.map(|(entry, origin, expected)| {
        let verdict = rule(&[entry]).check(Some(origin));
        (format!("{origin} by {entry}"), verdict, expected)
    }));
}

#[test]
fn an_origin_is_compared_and_recorded_in_one_spelling() {
    let long = format!("https://{}example.org", "label.".repeat(60));
    let rows = [
        (
            "HTTPS://App.Example.com:443",
            Some("https://app.example.com"),
            "",
        ),
        ("http://a.test:8080", Some("http://a.test:8080"), ""),
        ("http://[0:0::1]", Some("http://[::1]"), ""),
        ("file://", Some("file://"), ""),
        (&long, Some(long.as_str()), ""),
        ("null", None, "null"),
        ("NULL", None, "null"),
        ("", None, "malformed"),
        ("https://a.test/path?token=secret", None, "malformed"),
        ("https://user:secret@a.test", None, "malformed"),
        ("https://a.test, https://b.test", None, "malformed"),
    ];
    assert_rows(rows.map(|(text, origin, otherwise)| {
        let expected = (
            origin.map(str::to_owned),
            origin.unwrap_or(otherwise).to_owned(),
        );
        let actual = (Origin::canonical(text), Origin::for_the_record(text));
        (text, actual, expected)
    }));
}
