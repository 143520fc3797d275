//! `Origin` against `ALLOWED_ORIGINS` and `ORIGIN_MISSING`.

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

const ALLOWED: [&str; 9] = [
    "https://app.example.com",
    "https://*.example.org",
    "http://localhost:*",
    "https://shop.example.com:8443",
    "http://127.0.0.1:8080",
    "http://[::1]:3000",
    "https://xn--bcher-kva.example",
    "chrome-extension://abcdefghijklmnop",
    "https://*.wild.example:*",
];

const OPAQUE: &str = "it is the opaque origin null";
const FOREIGN: &str =
    "it has a character that no origin has (a host beyond ASCII is written in punycode)";
const PATH: &str = "it has a path, query or fragment";
const HOST: &str = "its host is malformed";
const PORT: &str = "its port is malformed";
const SCHEME: &str = "it has no scheme like https://";
const USER: &str = "it has a user name";
const OTHER: &str = "no entry of ALLOWED_ORIGINS matches";

#[test]
fn an_origin_passes_only_as_the_tuple_of_an_entry() {
    let rule = rule(&ALLOWED);
    let long = format!("https://{}example.org", "label.".repeat(60));
    let long_foreign = format!("https://app.example.com.{}evil.test", "label.".repeat(60));
    let long_label = format!("https://{}.example.com", "a".repeat(300));
    let groups: [(_, &[(&str, &str)]); 11] = [
        (
            Ok(()),
            &[
                ("the entry itself", "https://app.example.com"),
                ("default port explicit", "https://app.example.com:443"),
                ("upper case host", "https://APP.Example.COM"),
                ("upper case scheme", "HTTPS://app.example.com"),
                ("the port of an entry", "https://shop.example.com:8443"),
                ("any port, given", "http://localhost:5173"),
                ("any port, implied", "http://localhost"),
                ("any port, the highest", "http://localhost:65535"),
                ("any port, zero", "http://localhost:0"),
                ("one label under a wildcard", "https://a.example.org"),
                ("two labels under a wildcard", "https://a.b.example.org"),
                ("wildcard, upper case", "https://A.EXAMPLE.ORG"),
                ("wildcard, default port", "https://a.example.org:443"),
                ("wildcard, underscore label", "https://_a.example.org"),
                ("wildcard host, any port", "https://a.wild.example:9"),
                ("IPv4", "http://127.0.0.1:8080"),
                ("IPv6", "http://[::1]:3000"),
                ("IPv6 written out", "http://[0:0:0:0:0:0:0:1]:3000"),
                ("punycode", "https://xn--bcher-kva.example"),
                ("custom scheme", "chrome-extension://abcdefghijklmnop"),
                ("over 256 bytes under a wildcard", &long),
            ],
        ),
        (not_allowed("it is empty"), &[("empty", "")]),
        (
            not_allowed(OPAQUE),
            &[("null", "null"), ("NULL", "NULL"), ("Null", "Null")],
        ),
        (
            not_allowed(FOREIGN),
            &[
                ("null with a space", "null "),
                ("null and another", "null, https://app.example.com"),
                (
                    "two by comma and space",
                    "https://app.example.com, https://evil.test",
                ),
                ("two by comma", "https://app.example.com,https://evil.test"),
                ("two by space", "https://app.example.com https://evil.test"),
                (
                    "two, the same",
                    "https://app.example.com, https://app.example.com",
                ),
                ("semicolon", "https://app.example.com;evil.test"),
                ("ampersand", "https://app.example.com&evil.test"),
                ("dollar", "https://app.example.com$.evil.test"),
                ("backtick", "https://evil.test`.example.org"),
                ("exclamation mark", "https://evil.test!.example.org"),
                ("bar", "https://evil.test|.example.org"),
                ("braces", "https://evil.test{.example.org"),
                ("quoted", "\"https://app.example.com\""),
                ("leading space", " https://app.example.com"),
                ("trailing space", "https://app.example.com "),
                ("tab", "https://app.example.com\t"),
                ("CR LF", "https://app.example.com\r\n"),
                (
                    "LF and a second line",
                    "https://evil.test\nhttps://app.example.com",
                ),
                ("NUL", "https://app.example.com\0.evil.test"),
                ("DEL", "https://app.example.com\u{7f}"),
                ("no-break space", "https://app.example.com\u{a0}"),
                ("raw unicode for punycode", "https://bücher.example"),
                ("ideographic full stop", "https://app。example.com"),
                ("full-width letters", "https://ａpp.example.com"),
                ("long s for s", "httpſ://app.example.com"),
                ("Kelvin sign for k", "http://\u{212a}.example.org"),
                ("Cyrillic a", "https://аpp.example.com"),
                ("right-to-left mark", "https://app.example.com\u{200f}"),
            ],
        ),
        (
            not_allowed(OTHER),
            &[
                ("scheme file", "file://"),
                ("null as a host", "https://null"),
                ("prefix look-alike", "https://app.example.com.evil.test"),
                (
                    "prefix look-alike without a dot",
                    "https://app.example.comevil.test",
                ),
                (
                    "prefix look-alike with a dash",
                    "https://app.example.com-evil.test",
                ),
                ("suffix look-alike", "https://evilapp.example.com"),
                (
                    "suffix look-alike with a dash",
                    "https://evil-app.example.com",
                ),
                (
                    "subdomain of an exact entry",
                    "https://evil.app.example.com",
                ),
                ("parent of an exact entry", "https://example.com"),
                ("sibling of an exact entry", "https://api.example.com"),
                ("cut short", "https://app.example.co"),
                ("unescaped first dot", "https://appxexample.com"),
                ("unescaped second dot", "https://app.examplexcom"),
                ("wildcard's apex", "https://example.org"),
                (
                    "wildcard's suffix without the dot",
                    "https://evilexample.org",
                ),
                ("wildcard's suffix with a dash", "https://evil-example.org"),
                ("wildcard's dot unescaped", "https://a.examplexorg"),
                ("wildcard in front", "https://a.example.org.evil.test"),
                ("wildcard, other port", "https://a.example.org:8443"),
                ("wildcard, http", "http://a.example.org"),
                ("wildcard host, any port, apex", "https://wild.example:9"),
                ("localhost over https", "https://localhost:5173"),
                ("localhost look-alike", "http://localhost.evil.test"),
                ("localhost as a label", "http://evil.localhost"),
                ("scheme downgrade", "http://app.example.com"),
                (
                    "scheme downgrade with the other's port",
                    "http://app.example.com:443",
                ),
                ("scheme wss", "wss://app.example.com"),
                ("scheme look-alike", "httpss://app.example.com"),
                ("other port", "https://app.example.com:8443"),
                ("the http port", "https://app.example.com:80"),
                (
                    "port left out where an entry has one",
                    "https://shop.example.com",
                ),
                ("other punycode", "https://xn--bcher-kvb.example"),
                ("IPv4 in decimal", "http://2130706433:8080"),
                ("IPv4 in octal", "http://0177.0.0.1:8080"),
                ("IPv4 in hex", "http://0x7f000001:8080"),
                ("IPv4 shortened", "http://127.1:8080"),
                ("IPv4 with a name behind", "http://127.0.0.1.evil.test:8080"),
                ("IPv4 as mapped IPv6", "http://[::ffff:127.0.0.1]:8080"),
                ("IPv6, other address", "http://[::2]:3000"),
                (
                    "custom scheme, other host",
                    "chrome-extension://ponmlkjihgfedcba",
                ),
                (
                    "custom scheme with a port",
                    "chrome-extension://abcdefghijklmnop:1",
                ),
                ("other browser's scheme", "moz-extension://abcdefghijklmnop"),
                ("over 256 bytes, entry in front", &long_foreign),
                ("over 256 bytes in one label", &long_label),
            ],
        ),
        (
            not_allowed(PATH),
            &[
                ("two glued", "https://app.example.comhttps://evil.test"),
                ("three slashes", "https:///app.example.com"),
                ("trailing slash", "https://app.example.com/"),
                ("path", "https://app.example.com/chat"),
                ("query", "https://app.example.com?a"),
                ("fragment", "https://app.example.com#a"),
                (
                    "entry in a foreign path",
                    "https://evil.test/https://app.example.com",
                ),
                (
                    "entry in a foreign query",
                    "https://evil.test?app.example.com",
                ),
                (
                    "entry in a foreign fragment",
                    "https://evil.test#.example.org",
                ),
                ("backslash", r"https://evil.test\.example.org"),
                ("backslash at the end", r"https://app.example.com\"),
            ],
        ),
        (
            not_allowed(HOST),
            &[
                ("wildcard, empty label", "https://.example.org"),
                ("wildcard, two dots", "https://a..example.org"),
                ("wildcard as sent", "https://*.example.org"),
                ("trailing dot", "https://app.example.com."),
                ("trailing dot and port", "https://app.example.com.:443"),
                ("leading dot", "https://.app.example.com"),
                ("only a dot", "https://."),
                ("percent-encoded dot", "https://app%2eexample.com"),
                ("percent-encoded slash", "https://evil.test%2f.example.org"),
                ("percent-encoded NUL", "https://app.example.com%00"),
                ("plus in the host", "https://a+b.example.org"),
                ("IPv6 unclosed", "http://[::1:3000"),
                ("IPv6 with text behind", "http://[::1]evil.test"),
                ("IPv6 with a zone", "http://[::1%eth0]:3000"),
                ("IPv6 of nothing", "http://[]:3000"),
                ("IPv6 brackets around a name", "http://[localhost]:3000"),
            ],
        ),
        (
            not_allowed(PORT),
            &[
                ("wildcard port as sent", "http://localhost:*"),
                ("port empty", "https://app.example.com:"),
                ("port with a leading zero", "https://app.example.com:0443"),
                ("port with a sign", "https://app.example.com:+443"),
                ("port negative", "https://app.example.com:-443"),
                ("port beyond 16 bits", "https://app.example.com:65979"),
                (
                    "port beyond 64 bits",
                    "https://app.example.com:18446744073709552059",
                ),
                ("port in hex", "https://app.example.com:0x1bb"),
                ("port twice", "https://app.example.com:443:443"),
            ],
        ),
        (
            not_allowed(SCHEME),
            &[
                ("star as sent", "*"),
                ("scheme beginning with a digit", "1https://app.example.com"),
                ("scheme with an underscore", "ht_tps://app.example.com"),
                ("scheme missing", "app.example.com"),
                ("scheme empty", "://app.example.com"),
                ("scheme relative", "//app.example.com"),
                ("one slash", "https:/app.example.com"),
                ("no slash", "https:app.example.com"),
                ("backslashes for slashes", r"https:\\app.example.com"),
                ("data URL", "data:text/html"),
                ("blob URL", "blob:https://app.example.com"),
            ],
        ),
        (
            not_allowed("it has no host"),
            &[
                ("host empty", "https://"),
                ("host empty with a port", "https://:443"),
                ("IPv6 without brackets", "http://::1:3000"),
            ],
        ),
        (
            not_allowed(USER),
            &[
                (
                    "user before a foreign host",
                    "https://app.example.com@evil.test",
                ),
                ("user and password", "https://app.example.com:443@evil.test"),
                ("user before the right host", "https://evil@app.example.com"),
                ("user empty", "https://@app.example.com"),
            ],
        ),
    ];
    assert_rows(groups.iter().flat_map(|(expected, rows)| {
        rows.iter()
            .map(|(name, origin)| (*name, rule.check(Some(origin)), expected.clone()))
    }));
}

#[test]
fn a_missing_origin_is_decided_by_its_own_setting() {
    let rejecting = rule(&["*"]);
    let allowing = OriginRule {
        missing_is_allowed: true,
        ..rule(&["https://app.example.com"])
    };
    let missing = || Err(Reason::OriginMissing.because("no Origin header"));
    assert_rows([
        ("missing, reject", rejecting.check(None), missing()),
        ("missing, allow", allowing.check(None), Ok(())),
        (
            "empty is not missing",
            allowing.check(Some("")),
            not_allowed("it is empty"),
        ),
        (
            "null is not missing",
            allowing.check(Some("null")),
            not_allowed(OPAQUE),
        ),
        (
            "foreign",
            allowing.check(Some("https://evil.test")),
            not_allowed(OTHER),
        ),
    ]);
}

#[test]
fn a_lone_star_allows_every_origin_but_null_and_what_is_none() {
    let rule = rule(&["*"]);
    assert_rows([
        ("https", rule.check(Some("https://evil.test")), Ok(())),
        ("http", rule.check(Some("http://evil.test:81")), Ok(())),
        (
            "an extension",
            rule.check(Some("moz-extension://abc")),
            Ok(()),
        ),
        ("null", rule.check(Some("null")), not_allowed(OPAQUE)),
        (
            "a list",
            rule.check(Some("https://a.test, https://b.test")),
            not_allowed(FOREIGN),
        ),
        (
            "a path",
            rule.check(Some("https://evil.test/")),
            not_allowed(PATH),
        ),
    ]);
}

#[test]
fn no_entry_allows_nothing() {
    assert_eq!(
        rule(&[]).check(Some("https://app.example.com")),
        not_allowed(OTHER)
    );
}

#[test]
fn an_origin_is_written_as_a_browser_sends_it() {
    let written = |text: &str| Origin::parse(text).map(|origin| origin.to_string());
    assert_rows(
        [
            (
                "https",
                "HTTPS://App.Example.com:443",
                "https://app.example.com",
            ),
            ("http", "http://example.com:80", "http://example.com"),
            (
                "crossed ports",
                "http://example.com:443",
                "http://example.com:443",
            ),
            ("IPv6", "http://[0:0::1]:8080", "http://[::1]:8080"),
            ("custom", "app://host", "app://host"),
            ("custom with a port", "app://host:80", "app://host:80"),
        ]
        .map(|(name, text, expected)| (name, written(text), Ok(expected.to_owned()))),
    );
}
