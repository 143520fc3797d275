//! Origin matching against a second, naive implementation.

use portcullis::checks::origin::{Origin, OriginPattern, OriginRule};
use portcullis::response::reason::Reason;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::cases;

fn rule(entries: &[String]) -> OriginRule {
    let parse = |entry: &String| OriginPattern::parse(entry).expect("a sound entry");
    OriginRule {
        allowed: entries.iter().map(parse).collect(),
        missing_is_allowed: false,
    }
}

/// An origin or entry in its parts: few values each, so that many are nearly alike.
#[derive(Debug, Clone)]
struct Parts {
    scheme: &'static str,
    labels: Vec<&'static str>,
    port: Option<&'static str>,
}

impl Parts {
    fn text(&self) -> String {
        let port = self.port.map(|port| format!(":{port}"));
        let host = self.labels.join(".");
        format!("{}://{host}{}", self.scheme, port.unwrap_or_default())
    }

    fn port_number(&self) -> Option<u16> {
        match (self.port, self.scheme) {
            (Some(port), _) => port.parse().ok(),
            (None, "http") => Some(80),
            (None, "https") => Some(443),
            (None, _) => None,
        }
    }

    /// The oracle: `self` is the origin, `entry` may have a first label and a port of `*`.
    fn is_allowed_by(&self, entry: &Self) -> bool {
        let lower = |labels: &[&str]| -> Vec<String> {
            labels.iter().map(|label| label.to_lowercase()).collect()
        };
        let (mine, theirs) = (lower(&self.labels), lower(&entry.labels));
        let host_fits = if theirs[0] == "*" {
            let wanted: Vec<_> = theirs[1..].iter().rev().collect();
            let given: Vec<_> = mine.iter().rev().collect();
            given.len() > wanted.len() && given[..wanted.len()] == wanted[..]
        } else {
            mine == theirs
        };
        let port_fits = entry.port == Some("*") || self.port_number() == entry.port_number();
        self.scheme == entry.scheme && host_fits && port_fits
    }
}

const SCHEMES: [&str; 3] = ["http", "https", "app"];
const LABELS: [&str; 7] = ["a", "A", "b", "ab", "a-b", "com", "example"];
const PORTS: [&str; 5] = ["80", "443", "8080", "1", "65535"];

prop_compose! {
    fn origin()(
        scheme in select(&SCHEMES[..]),
        labels in vec(select(&LABELS[..]), 1..5),
        port in option::of(select(&PORTS[..])),
    ) -> Parts {
        Parts { scheme, labels, port }
    }
}

prop_compose! {
    fn entry()(
        mut parts in origin(),
        wildcard in any::<bool>(),
        any_port in any::<bool>(),
    ) -> Parts {
        if wildcard && parts.labels.len() > 1 {
            parts.labels.insert(0, "*");
        }
        if any_port {
            parts.port = Some("*");
        }
        parts
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn the_rule_decides_as_the_oracle_on_tuples(
        entries in vec(entry(), 0..4),
        origin in origin(),
        copied in option::of(any::<Index>()),
    ) {
        // Half of the origins are made from an entry, or few would match.
        let origin = match copied {
            Some(index) if !entries.is_empty() => {
                let mut near = index.get(&entries).clone();
                if near.labels[0] == "*" {
                    near.labels.splice(..1, origin.labels.iter().copied().take(2));
                }
                near.port = if near.port == Some("*") { origin.port } else { near.port };
                near
            }
            _ => origin,
        };
        let texts: Vec<_> = entries.iter().map(Parts::text).collect();
        let expected = entries.iter().any(|entry| origin.is_allowed_by(entry));
        let text = origin.text();
        prop_assert_eq!(rule(&texts).check(Some(&text)).is_ok(), expected, "{} by {:?}", text, texts);
    }

    #[test]
    fn parsing_what_was_written_gives_the_same_origin(origin in origin()) {
        let parsed = Origin::parse(&origin.text()).expect("sound parts");
        let again = Origin::parse(&parsed.to_string());
        prop_assert_eq!(again, Ok(parsed));
    }

    #[test]
    fn parsing_an_ipv6_origin_that_was_written_gives_the_same(bits in any::<u128>(), port in option::of(any::<u16>())) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let text = format!("https://[{}]{port}", std::net::Ipv6Addr::from(bits));
        let parsed = Origin::parse(&text).expect("a sound literal");
        prop_assert_eq!(Origin::parse(&parsed.to_string()), Ok(parsed));
    }
}

const ENTRIES: [&str; 4] = [
    "https://app.example.com",
    "https://*.example.org",
    "http://localhost:*",
    "https://shop.example.com:8443",
];

/// The second oracle, on whole texts and for `ENTRIES` alone.
fn is_allowed_text(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let exact = [
        "https://app.example.com",
        "https://app.example.com:443",
        "https://shop.example.com:8443",
        "http://localhost",
    ];
    let is_port = |digits: &str| {
        digits
            .parse::<u16>()
            .is_ok_and(|port| port.to_string() == digits)
    };
    let any_port = text.strip_prefix("http://localhost:").is_some_and(is_port);
    let below = text.strip_suffix(":443").unwrap_or(&text);
    let below = below.strip_prefix("https://");
    let subdomain = below
        .and_then(|host| host.strip_suffix(".example.org"))
        .is_some_and(|labels| {
            labels.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .chars()
                        .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
            })
        });
    exact.contains(&text.as_str()) || any_port || subdomain
}

/// An allowed origin or a part of one, with a few characters put in, taken out or replaced.
fn mangled() -> impl Strategy<Value = String> {
    let base = select(vec![
        "https://app.example.com",
        "https://a.example.org",
        "https://a.b.example.org:443",
        "http://localhost:5173",
        "https://shop.example.com:8443",
        "null",
        "https://evil.test",
    ]);
    let bits = select(vec![
        "",
        "",
        ".",
        "..",
        ":",
        "/",
        "\\",
        "@",
        "?",
        "#",
        "*",
        "%",
        "%2e",
        ",",
        ", ",
        " ",
        "\0",
        "\n",
        "\t",
        "-",
        "_",
        "+",
        "[",
        "]",
        "0",
        "443",
        "a",
        "A",
        "é",
        "。",
        "ſ",
        "https://",
        "evil.test",
        ".evil.test",
        "app.example.com",
        ".example.org",
        ":443",
        "null",
    ]);
    let edits = vec((any::<Index>(), bits, 0..3_usize), 0..4);
    (base, edits).prop_map(|(base, edits)| {
        let mut chars: Vec<char> = base.chars().collect();
        for (index, bit, taken) in edits {
            let at = index.index(chars.len() + 1);
            let end = (at + taken).min(chars.len());
            chars.splice(at..end, bit.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(cases(6_000))]

    #[test]
    fn a_mangled_origin_passes_only_if_the_oracle_on_texts_says_so(text in mangled()) {
        let passes = rule(&ENTRIES.map(str::to_owned)).check(Some(&text)).is_ok();
        prop_assert_eq!(passes, is_allowed_text(&text), "{:?}", text);
    }

    #[test]
    fn any_text_at_all_is_answered(text in any::<String>()) {
        let verdict = rule(&ENTRIES.map(str::to_owned)).check(Some(&text));
        match verdict {
            Ok(()) => prop_assert!(is_allowed_text(&text), "{:?}", text),
            Err(rejection) => prop_assert_eq!(rejection.reason, Reason::OriginNotAllowed),
        }
    }

    #[test]
    fn any_text_as_an_entry_is_a_pattern_or_an_error_that_repeats_it(text in any::<String>()) {
        if let Err(problem) = OriginPattern::parse(&text) {
            prop_assert!(problem.starts_with(&format!("{text:?}: ")), "{}", problem);
        }
    }

    #[test]
    fn a_mangled_entry_never_panics(text in mangled()) {
        let _ = OriginPattern::parse(&text);
    }
}
