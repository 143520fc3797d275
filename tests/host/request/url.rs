//! A request as the core sees it.

use portcullis::request::{HeaderLookup, READ, RequestUrl, Snapshot};

use crate::common::{Ask, assert_rows};

#[test]
fn a_url_is_split_into_its_parts_as_they_were_sent() {
    let rows = [
        ("https://a.test/", "https", "a.test", "/", None),
        ("https://a.test", "https", "a.test", "/", None),
        (
            "http://a.test:8080/b/c",
            "http",
            "a.test:8080",
            "/b/c",
            None,
        ),
        (
            "https://a.test/b?c=d&e",
            "https",
            "a.test",
            "/b",
            Some("c=d&e"),
        ),
        ("https://a.test/?", "https", "a.test", "/", Some("")),
        ("https://a.test?c", "https", "a.test", "/", Some("c")),
        (
            "https://a.test/?c?d/e",
            "https",
            "a.test",
            "/",
            Some("c?d/e"),
        ),
        (
            "https://a.test/?c=https://b.test/",
            "https",
            "a.test",
            "/",
            Some("c=https://b.test/"),
        ),
        ("https://a.test/b#c?d", "https", "a.test", "/b", None),
        ("https://a.test/b?c#d", "https", "a.test", "/b", Some("c")),
        ("https://a.test//b//", "https", "a.test", "//b//", None),
        ("https://[::1]:8080/b", "https", "[::1]:8080", "/b", None),
        (
            "https://a.test/%2e%2E/%C3%A9",
            "https",
            "a.test",
            "/%2e%2E/%C3%A9",
            None,
        ),
    ];
    assert_rows(rows.map(|(url, scheme, authority, path, query)| {
        let expected = RequestUrl {
            scheme,
            authority,
            path,
            query,
        };
        (url, RequestUrl::split(url), expected)
    }));
}

/// With any other host the path would begin elsewhere.
#[test]
fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
    let is_sound = |url: &str, host: Option<&str>| {
        let ask = Ask::plain("GET", url);
        match host {
            Some(host) => ask.with("host", host).request().has_sound_host(),
            None => ask.request().has_sound_host(),
        }
    };
    let rows = [
        ("https://a.test/", None, true),
        ("https://a_b-c.test:8443/", None, true),
        ("https://[::1]:1/", Some("[::1]:1"), true),
        ("https:///a", None, false),
        ("https://a\\b/", None, false),
        ("https://me@a.test/", None, false),
        ("https://a%2Fb/", None, false),
        ("https://a b/", None, false),
        ("https://a,b/", None, false),
        ("https://\u{e9}/", None, false),
        ("https://a.test/", Some("b.test"), true),
        ("https://a.test/", Some("a.test?"), false),
        ("https://a.test/", Some("a.test#"), false),
        ("https://a.test/", Some("a.test/b"), false),
        ("https://a.test/", Some(""), false),
    ];
    assert_rows(
        rows.map(|(url, host, expected)| {
            (format!("{url} {host:?}"), is_sound(url, host), expected)
        }),
    );
}

#[test]
fn only_https_is_tls() {
    let is_tls = |url| RequestUrl::split(url).is_tls();
    assert_rows([
        ("https", is_tls("https://a.test/"), true),
        ("http", is_tls("http://a.test/"), false),
        ("https in the path", is_tls("http://a.test/https://"), false),
        ("nothing", is_tls(""), false),
    ]);
}

#[test]
fn an_upgrade_names_websocket_in_a_list() {
    let asks = |value| {
        Ask::upgrade()
            .with("upgrade", value)
            .request()
            .asks_for_websocket()
    };
    let rows = [
        ("websocket", true),
        ("WebSocket", true),
        ("h2c, websocket", true),
        ("websocket,\th2c", true),
        (" websocket ", true),
        ("", false),
        ("h2c", false),
        ("websockets", false),
        ("web socket", false),
        ("websocket/13", false),
        ("websocket; v=13", false),
        ("\"websocket\"", false),
        ("web\u{17f}ocket", false),
    ];
    assert_rows(rows.map(|(value, expected)| (value, asks(value), expected)));
    assert!(
        !Ask::upgrade()
            .without("upgrade")
            .request()
            .asks_for_websocket()
    );
}

#[test]
fn get_and_head_only_read() {
    let reads = |method| {
        Ask::plain(method, "https://a.test/")
            .request()
            .is_plain_read()
    };
    let rows = [
        ("GET", true),
        ("HEAD", true),
        ("POST", false),
        ("OPTIONS", false),
        ("DELETE", false),
        ("get", false),
        ("", false),
    ];
    assert_rows(rows.map(|(method, expected)| (method, reads(method), expected)));
}

#[test]
fn a_snapshot_tells_an_absent_header_from_an_empty_one() {
    let mut lines = vec!["GET", "https://a.test/b?c"];
    lines.extend(READ.map(|name| match name {
        "origin" => "https://app.example.com",
        "upgrade" => "",
        _ => "\0",
    }));
    let lines = lines.join("\n");
    let snapshot = Snapshot::parse(&lines).expect("a line for each header");
    assert_eq!(
        (snapshot.method, snapshot.url),
        ("GET", "https://a.test/b?c")
    );
    assert_rows([
        (
            "present",
            snapshot.header("origin"),
            HeaderLookup::Present("https://app.example.com"),
        ),
        (
            "empty",
            snapshot.header("upgrade"),
            HeaderLookup::Present(""),
        ),
        ("absent", snapshot.header("host"), HeaderLookup::Absent),
        ("not read", snapshot.header("cookie"), HeaderLookup::NotRead),
    ]);
    assert_eq!(Snapshot::parse("GET\nhttps://a.test/"), None);
    assert_eq!(Snapshot::parse(&format!("{lines}\nmore")), None);
}

#[test]
fn what_a_query_and_headers_hold_is_not_printed() {
    let mut lines = vec!["GET", "https://a.test/b?token=secret"];
    lines.extend(READ.map(|_| "secret"));
    let lines = lines.join("\n");
    let printed = format!("{:?}", Snapshot::parse(&lines));
    assert!(printed.contains("/b"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
}
