//! `UPSTREAM_URL`.

use portcullis::upstream::{Forward, Upstream, UpstreamUrl};

use crate::common::{Ask, assert_rows, seconds};

fn target(base: &str, request: &str) -> Result<String, String> {
    let upstream = Upstream::Url(UpstreamUrl::parse(base, true)?);
    let ask = Ask::upgrade().url(request);
    let matched = ask.matched();
    let to = upstream.destination(&matched);
    let forward = Forward::plain(to, seconds(1), &ask.request(), "id");
    Ok(forward.url)
}

#[test]
fn paths_are_joined_and_sockets_are_fetched() {
    let rows = [
        ("wss://a.test", "/", "https://a.test/"),
        ("https://a.test", "/b?c", "https://a.test/b?c"),
        ("ws://a.test:8080", "/b", "http://a.test:8080/b"),
        ("http://a.test", "/b", "http://a.test/b"),
        ("wss://a.test/", "/b", "https://a.test/b"),
        ("wss://a.test/base", "/", "https://a.test/base/"),
        ("wss://a.test/base/", "/b", "https://a.test/base/b"),
        ("wss://a.test/base//", "/b", "https://a.test/base/b"),
        ("wss://a.test/base", "/b/", "https://a.test/base/b/"),
        ("wss://a.test", "/a\"{b}^", "https://a.test/a%22%7Bb%7D%5E"),
        ("wss://a.test", "/@evil.test", "https://a.test/@evil.test"),
        ("wss://a.test/base", "", "https://a.test/base/"),
        ("wss://a.test/base", "?c", "https://a.test/base/?c"),
        ("wss://a.test", "/b?", "https://a.test/b?"),
        ("wss://a.test", "/%C3%A9/%63", "https://a.test/%C3%A9/%63"),
        ("wss://[::1]:8080/base", "/b", "https://[::1]:8080/base/b"),
        ("WSS://A.test", "/", "https://A.test/"),
    ];
    assert_rows(rows.map(|(base, rest, expected)| {
        let request = format!("https://gate.example{rest}");
        (
            format!("{base} {rest}"),
            target(base, &request),
            Ok(expected.to_owned()),
        )
    }));
}

const EXAMPLE: &str = "write a URL like \"wss://chat.example.com\"";

#[test]
fn what_is_no_url_of_a_server_is_an_error_that_says_why() {
    let rows = [
        ("", "empty string"),
        (
            "chat.example.com",
            "its scheme is not wss, https, ws or http",
        ),
        (
            "chat.example.com:443",
            "its scheme is not wss, https, ws or http",
        ),
        ("/chat", "its scheme is not wss, https, ws or http"),
        ("ftp://a.test", "its scheme is not wss, https, ws or http"),
        ("file:///etc/passwd", "invalid format"),
        ("wss:a.test", "its scheme is not wss, https, ws or http"),
        ("wss://", "empty string"),
        ("wss:///path", "invalid format"),
        ("wss://a b", "invalid uri character"),
        ("wss://a.test\\b", "invalid uri character"),
        ("wss://me@a.test", "it has a user name or password"),
        ("wss://me:secret@a.test", "it has a user name or password"),
        ("wss://a.test?b", "it has a query"),
        ("wss://a.test/b?", "it has a query"),
        ("wss://a.test#b", "it has a fragment"),
        ("wss://a.test/b#", "it has a fragment"),
        ("wss://:443", "its host or port is malformed"),
        ("wss://a.test:", "its host or port is malformed"),
        ("wss://a.test:x", "its host or port is malformed"),
        ("wss://a.test:65536", "its host or port is malformed"),
        ("wss://a.test:-1", "its host or port is malformed"),
        ("wss://[::1", "invalid authority"),
        (
            "wss://a.test/b/../c",
            "the path is ambiguous: a dot segment",
        ),
        ("wss://a.test//b", "the path is ambiguous: an empty segment"),
        (
            "wss://a.test/b%2Fc",
            "the path is ambiguous: an encoded slash",
        ),
    ];
    assert_rows(rows.map(|(text, problem)| {
        let expected = Err(format!("{problem}; {EXAMPLE}"));
        (text, UpstreamUrl::parse(text, true).map(|_| ()), expected)
    }));
}

#[test]
fn identities_travel_unencrypted_only_on_the_machine_or_where_it_is_said() {
    let parse = |text, is_allowed| UpstreamUrl::parse(text, is_allowed).map(|_| ());
    let problem = || {
        Err(
            "it would carry identities unencrypted; write wss:// or https://, or set \
             UPSTREAM_PLAINTEXT to true"
                .to_owned(),
        )
    };
    let rows = [
        ("ws://localhost:8080", Ok(())),
        ("http://localhost", Ok(())),
        ("ws://chat.localhost", Ok(())),
        ("ws://127.0.0.1:1", Ok(())),
        ("ws://127.255.255.254", Ok(())),
        ("ws://[::1]:8080", Ok(())),
        ("wss://a.test", Ok(())),
        ("ws://a.test", problem()),
        ("http://a.test", problem()),
        ("ws://localhost.a.test", problem()),
        ("ws://notlocalhost", problem()),
        ("ws://127.0.0.1.a.test", problem()),
        ("ws://0.0.0.0", problem()),
        ("ws://10.0.0.1", problem()),
        ("ws://192.168.0.1", problem()),
        ("ws://[::]", problem()),
        ("ws://[::2]", problem()),
    ];
    assert_rows(
        rows.clone()
            .map(|(text, expected)| (text, parse(text, false), expected)),
    );
    assert_rows(rows.map(|(text, _)| (text, parse(text, true), Ok(()))));
}
