//! What may stand in `ALLOWED_ORIGINS`, and what is said of the rest.

use portcullis::checks::origin::{HostPattern, OriginPattern, PortPattern};

use crate::common::assert_rows;

fn tuple(scheme: &str, host: HostPattern, port: PortPattern) -> Result<OriginPattern, String> {
    Ok(OriginPattern::Tuple {
        scheme: scheme.to_owned(),
        host,
        port,
    })
}

fn exact(host: &str) -> HostPattern {
    HostPattern::Exact(host.to_owned())
}

fn under(suffix: &str) -> HostPattern {
    HostPattern::Subdomains(suffix.to_owned())
}

#[test]
fn an_entry_is_an_origin_or_one_of_three_patterns() {
    let port = |port| PortPattern::Exact(Some(port));
    let rows = [
        ("any", "*", Ok(OriginPattern::Any)),
        (
            "exact",
            "https://app.example.com",
            tuple("https", exact("app.example.com"), port(443)),
        ),
        (
            "upper case",
            "HTTPS://App.Example.COM",
            tuple("https", exact("app.example.com"), port(443)),
        ),
        (
            "default port",
            "http://a.test:80",
            tuple("http", exact("a.test"), port(80)),
        ),
        (
            "port",
            "http://a.test:8080",
            tuple("http", exact("a.test"), port(8080)),
        ),
        (
            "subdomains",
            "https://*.Example.com",
            tuple("https", under(".example.com"), port(443)),
        ),
        (
            "subdomains with a port",
            "https://*.example.com:1",
            tuple("https", under(".example.com"), port(1)),
        ),
        (
            "subdomains of localhost",
            "http://*.localhost",
            tuple("http", under(".localhost"), port(80)),
        ),
        (
            "any port",
            "http://localhost:*",
            tuple("http", exact("localhost"), PortPattern::Any),
        ),
        (
            "subdomains and any port",
            "http://*.a.test:*",
            tuple("http", under(".a.test"), PortPattern::Any),
        ),
        (
            "one label",
            "http://intranet",
            tuple("http", exact("intranet"), port(80)),
        ),
        (
            "IPv6",
            "http://[0:0::1]:3000",
            tuple("http", exact("[::1]"), port(3000)),
        ),
        (
            "custom scheme",
            "app://host",
            tuple("app", exact("host"), PortPattern::Exact(None)),
        ),
        (
            "files",
            "file://",
            tuple("file", exact(""), PortPattern::Exact(None)),
        ),
        (
            "extensions",
            "moz-extension://*",
            tuple("moz-extension", HostPattern::Any, PortPattern::Exact(None)),
        ),
    ];
    assert_rows(rows.map(|(name, text, expected)| (name, OriginPattern::parse(text), expected)));
}

#[test]
fn an_entry_that_can_match_no_origin_is_an_error_that_says_what_would_be_right() {
    const LIKE: &str = "write an origin as browsers send it, like \"https://app.example.com\"";
    const FRONT: &str =
        "a wildcard stands for whole labels at the front, like \"https://*.example.com\"";
    const DEPTH: &str = "a wildcard needs a domain of two labels or more under it, like \
                         \"https://*.example.com\"";
    let foreign = format!(
        "it has a character that no origin has (a host beyond ASCII is written in punycode); {LIKE}"
    );
    let path = |right| format!("it has a path, query or fragment; write {right:?}");
    let like = |fault: &str| format!("{fault}; {LIKE}");
    let rows = [
        ("empty", "", like("it is empty")),
        (
            "null",
            "null",
            "it is the opaque origin null; any document can have the origin null, so it is never \
             allowed"
                .into(),
        ),
        ("trailing slash", "https://a.test/", path("https://a.test")),
        (
            "path",
            "https://a.test:8443/b/c",
            path("https://a.test:8443"),
        ),
        ("query", "https://a.test?b", path("https://a.test")),
        ("fragment", "https://a.test#b", path("https://a.test")),
        (
            "no scheme",
            "app.example.com",
            "it has no scheme like https://; write \"https://app.example.com\"".into(),
        ),
        ("user", "https://me@a.test", like("it has a user name")),
        ("no host", "https://", like("it has no host")),
        ("bad host", "https://a..test", like("its host is malformed")),
        (
            "trailing dot",
            "https://a.test.",
            like("its host is malformed"),
        ),
        (
            "unclosed IPv6",
            "https://[::1",
            like("its host is malformed"),
        ),
        (
            "bad port",
            "https://a.test:65536",
            like("its port is malformed"),
        ),
        (
            "port and star",
            "https://a.test:80*",
            like("its port is malformed"),
        ),
        ("unicode", "https://bücher.example", foreign),
        (
            "star inside a label",
            "https://a*.example.com",
            FRONT.into(),
        ),
        ("star behind", "https://example.*", FRONT.into()),
        (
            "star in the middle",
            "https://a.*.example.com",
            FRONT.into(),
        ),
        ("star without a dot", "https://*example.com", FRONT.into()),
        ("star as the host", "https://*", FRONT.into()),
        ("star as the host of an app", "app://a*", FRONT.into()),
        ("a file's slashes", "file:///", path("file://")),
        ("star under a single label", "https://*.com", DEPTH.into()),
        ("star before IPv4", "https://*.127.0.0.1", DEPTH.into()),
        (
            "star before IPv6",
            "https://*.[::1]",
            like("its host is malformed"),
        ),
        (
            "two stars",
            "https://*.*.example.com",
            like("its host is malformed"),
        ),
        (
            "wss",
            "wss://a.test",
            "no page has a wss origin; write \"https://a.test\"".into(),
        ),
        (
            "ws with a port",
            "WS://a.test:8080",
            "no page has a ws origin; write \"http://a.test:8080\"".into(),
        ),
    ];
    assert_rows(rows.map(|(name, text, problem)| {
        let expected = Err(format!("{text:?}: {problem}"));
        (name, OriginPattern::parse(text), expected)
    }));
}

/// Whoever follows the advice must not run into the next error.
#[test]
fn what_an_error_says_to_write_is_right() {
    let rows = [
        ("no scheme", "app.example.com"),
        ("no scheme, a slash", "app.example.com/"),
        ("no scheme, a path", "app.example.com/chat"),
        ("no scheme, a port", "localhost:3000"),
        ("scheme relative", "//app.example.com"),
        ("one slash", "https:/app.example.com"),
        ("three slashes", "https:///app.example.com"),
        ("path", "https://app.example.com/chat?a#b"),
        ("wss", "wss://app.example.com"),
        ("wss with a path", "wss://app.example.com/chat"),
        ("star with a port", "*:3000"),
    ];
    assert_rows(rows.map(|(name, text)| {
        let problem = OriginPattern::parse(text).expect_err(name);
        let advice = problem.rsplit_once("write ").map(|(_, advice)| advice);
        // Advice that only gives an example is right as well.
        let advised = advice.and_then(|advice| {
            let (before, quoted) = advice.split_once('"')?;
            before
                .is_empty()
                .then(|| quoted.trim_end_matches('"').to_owned())
        });
        let verdict = advised
            .as_deref()
            .map_or(Ok(()), |entry| OriginPattern::parse(entry).map(|_| ()));
        (name, verdict, Ok(()))
    }));
}
