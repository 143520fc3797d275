//! What an upstream gets to see.

use std::borrow::Cow;

use portcullis::checks::handshake::Handshake;
use portcullis::request::parameters::Parameters;
use portcullis::token::{Authenticated, Credential, Identity, Source};
use portcullis::upstream::{Forward, Manner, Offer, Upstream, UpstreamUrl};
use serde_json::Map;

use crate::common::{Ask, NONCE, NOW, assert_rows, identity, seconds, strings};

fn server() -> Upstream {
    let url = UpstreamUrl::parse("wss://chat.example.com/base", false).expect("sound");
    Upstream::Url(url)
}

/// The request's own, where nobody is known.
fn told() -> Set {
    vec![
        ("X-Forwarded-Proto", "https".into()),
        ("X-Forwarded-Host", "gate.example".into()),
        ("Portcullis-Request-Id", "id-1".into()),
        ("X-Forwarded-For", "192.0.2.7".into()),
    ]
}

fn handshake(protocols: &[&str]) -> Handshake {
    Handshake {
        key: NONCE,
        protocols: strings(protocols),
        knows_the_gate: false,
        extensions: strings(&["permessage-deflate"]),
    }
}

/// As step 7 leaves it, with the credential that these sources find.
fn authenticated(ask: &Ask, sources: &[Source], protocols: &[&str]) -> Authenticated {
    Authenticated {
        identity: None,
        token: None,
        credential: Credential::find(sources, &ask.request(), &strings(protocols))
            .expect("one token"),
    }
}

type Set = Vec<(&'static str, String)>;

/// URL, removed and set headers of an upgrade, the latter without those of every request.
type Sent = (String, Vec<String>, Set);

fn sent(upstream: &Upstream, ask: &Ask, authenticated: &Authenticated, protocols: &[&str]) -> Sent {
    let offer = Offer::new(handshake(protocols), authenticated);
    let matched = ask.matched();
    let forward = Forward::upgrade(
        upstream.destination(&matched),
        seconds(9),
        &ask.request(),
        "id-1",
        authenticated,
        &offer,
    );
    let to = upstream.destination(&matched);
    assert_eq!((forward.timeout, &forward.to), (seconds(9), &to));
    let (always, more) = forward.set.split_at(4);
    assert_eq!(always, told());
    let removed: Vec<_> = forward.remove.into_iter().map(Cow::into_owned).collect();
    (forward.url, removed, more.to_vec())
}

fn plain<'a>(upstream: &'a Upstream, ask: &Ask, matched: &'a Parameters) -> Forward<'a> {
    Forward::plain(
        upstream.destination(matched),
        seconds(9),
        &ask.request(),
        "id-1",
    )
}

#[test]
fn a_plain_request_is_told_whence_and_keeps_the_rest() {
    let upstream = server();
    let ask = Ask::plain("POST", "https://gate.example/a?b=c").with("authorization", "Bearer x");
    let matched = ask.matched();
    let expected = Forward {
        to: upstream.destination(&matched),
        url: "https://chat.example.com/base/a?b=c".into(),
        remove: vec![],
        set: told(),
        changes: vec![],
        manner: Manner::Open,
        timeout: seconds(9),
    };
    assert_eq!(plain(&upstream, &ask, &matched), expected);
}

#[test]
fn an_unknown_address_is_not_made_up() {
    let upstream = server();
    let mut ask = Ask::upgrade().with("x-forwarded-for", "203.0.113.9");
    let matched = ask.matched();
    ask.address = None;
    let forward = plain(&upstream, &ask, &matched);
    assert_eq!(forward.set, told()[..3]);
    ask.address = Some("::ffff:192.0.2.7");
    let forward = plain(&upstream, &ask, &matched);
    assert_eq!(forward.set, told());
    ask.address = Some("2001:db8:1:2:3:4:5:6");
    let forward = plain(&upstream, &ask, &matched);
    assert_eq!(
        forward.set[3],
        ("X-Forwarded-For", "2001:db8:1:2:3:4:5:6".into())
    );
}

#[test]
fn the_credential_is_taken_out_of_wherever_it_was_found() {
    let ask = Ask::upgrade()
        .with("authorization", "Bearer t")
        .with("cookie", "a=1; token=t; b=2; again=t")
        .url("https://gate.example/chat?x=%2f&token=t&y&again=t");
    let cookie = |name: &str| Source::Cookie(name.into());
    let query = |name: &str| Source::Query(name.into());
    let bearer: &[&str] = &["bearer", "t", "chat"];
    let whole = "https://chat.example.com/base/chat?x=%2f&token=t&y&again=t";
    let protocol = |value: &str| ("sec-websocket-protocol", value.to_owned());
    let cookies = |value: &str| ("cookie", value.to_owned());
    let rows: Vec<(&str, Vec<Source>, &[&str], Sent)> = vec![
        ("nowhere", vec![], bearer, (whole.into(), vec![], vec![])),
        (
            "header",
            vec![Source::Header],
            &[],
            (whole.into(), strings(&["authorization"]), vec![]),
        ),
        (
            "subprotocol",
            vec![Source::Subprotocol],
            bearer,
            (whole.into(), vec![], vec![protocol("chat")]),
        ),
        (
            "subprotocol, nothing left",
            vec![Source::Subprotocol],
            &["bearer", "t"],
            (whole.into(), strings(&["sec-websocket-protocol"]), vec![]),
        ),
        (
            "cookie",
            vec![cookie("token")],
            &[],
            (whole.into(), vec![], vec![cookies("a=1; b=2; again=t")]),
        ),
        (
            "two cookies",
            vec![cookie("token"), cookie("again")],
            &[],
            (whole.into(), vec![], vec![cookies("a=1; b=2")]),
        ),
        (
            "query",
            vec![query("token")],
            &[],
            (
                "https://chat.example.com/base/chat?x=%2f&y&again=t".into(),
                vec![],
                vec![],
            ),
        ),
        (
            "two parameters",
            vec![query("again"), query("token")],
            &[],
            (
                "https://chat.example.com/base/chat?x=%2f&y".into(),
                vec![],
                vec![],
            ),
        ),
        (
            "everywhere",
            vec![
                Source::Header,
                Source::Subprotocol,
                cookie("token"),
                query("token"),
            ],
            bearer,
            (
                "https://chat.example.com/base/chat?x=%2f&y&again=t".into(),
                strings(&["authorization"]),
                vec![protocol("chat"), cookies("a=1; b=2; again=t")],
            ),
        ),
    ];
    let upstream = server();
    assert_rows(
        rows.into_iter()
            .map(|(name, sources, protocols, expected)| {
                let authenticated = authenticated(&ask, &sources, protocols);
                (
                    name,
                    sent(&upstream, &ask, &authenticated, protocols),
                    expected,
                )
            }),
    );
}

#[test]
fn a_cookie_or_query_that_held_only_the_token_is_gone_altogether() {
    let ask = Ask::upgrade()
        .with("cookie", "token=t")
        .url("https://gate.example/chat?token=t");
    let sources = [
        Source::Cookie("token".into()),
        Source::Query("token".into()),
    ];
    let authenticated = authenticated(&ask, &sources, &[]);
    assert_eq!(
        sent(&server(), &ask, &authenticated, &[]),
        (
            "https://chat.example.com/base/chat".into(),
            strings(&["cookie"]),
            vec![]
        )
    );
}

#[test]
fn identity_headers_are_escaped_and_absent_where_there_is_nothing_to_say() {
    let subject = |text: &str| vec![("Portcullis-Subject", text.to_owned())];
    type Row<'a> = (&'a str, Option<&'a str>, &'a [&'a str], Set);
    let rows: [Row<'_>; 12] = [
        (
            "plain",
            Some("ada@example.com"),
            &[],
            subject("ada@example.com"),
        ),
        (
            "pipe and quotes",
            Some("auth0|\"x\""),
            &[],
            subject("auth0|\"x\""),
        ),
        ("space", Some("Ada L"), &[], subject("Ada%20L")),
        ("percent", Some("100%20"), &[], subject("100%2520")),
        (
            "CR LF",
            Some("a\r\nX-Admin: 1"),
            &[],
            subject("a%0D%0AX-Admin:%201"),
        ),
        (
            "NUL, tab and DEL",
            Some("\0\t\u{7f}"),
            &[],
            subject("%00%09%7F"),
        ),
        ("non-ASCII", Some("zoë"), &[], subject("zo%C3%AB")),
        ("no-break space", Some("\u{a0}"), &[], subject("%C2%A0")),
        (
            "line separator",
            Some("\u{2028}"),
            &[],
            subject("%E2%80%A8"),
        ),
        ("empty", Some(""), &[], subject("")),
        ("nobody", None, &[], vec![]),
        (
            "scopes",
            None,
            &["a", "b:c"],
            vec![("Portcullis-Scopes", "a b:c".into())],
        ),
    ];
    assert_rows(rows.map(|(name, subject, scopes, expected)| {
        let authenticated = Authenticated {
            identity: Some(Identity {
                subject: subject.map(str::to_owned),
                scopes: strings(scopes),
                expires: NOW,
                claims: Map::new(),
                ..Identity::default()
            }),
            token: None,
            credential: None,
        };
        let (_, removed, set) = sent(&server(), &Ask::upgrade(), &authenticated, &[]);
        (name, (removed, set), (vec![], expected))
    }));
}

#[test]
fn the_issuer_is_named_with_the_subject() {
    let headers = |claims: &str| {
        let authenticated = Authenticated {
            identity: Some(Identity {
                subject: Some("ada".into()),
                ..identity(claims)
            }),
            token: None,
            credential: None,
        };
        sent(&server(), &Ask::upgrade(), &authenticated, &[]).2
    };
    let subject = ("Portcullis-Subject", "ada".to_owned());
    let issuer = |text: &str| ("Portcullis-Issuer", text.to_owned());
    assert_rows([
        (
            "an issuer",
            headers(r#"{"iss":"https://a.test/"}"#),
            vec![subject.clone(), issuer("https://a.test/")],
        ),
        (
            "one that needs escapes",
            headers(r#"{"iss":"a b\r\né%"}"#),
            vec![subject.clone(), issuer("a%20b%0D%0A%C3%A9%25")],
        ),
        (
            "one that is not a text",
            headers(r#"{"iss":7}"#),
            vec![subject.clone()],
        ),
        ("none", headers("{}"), vec![subject]),
    ]);
}

/// Some servers refuse lists with empty elements.
#[test]
fn what_is_offered_is_what_was_checked() {
    let headers = |name, value: &str, protocols: &[&str]| {
        let ask = Ask::upgrade().with(name, value);
        let (_, remove, set) = sent(&server(), &ask, &Authenticated::default(), protocols);
        assert_eq!(remove, Vec::<String>::new());
        set
    };
    let protocol = "sec-websocket-protocol";
    let extension = "sec-websocket-extensions";
    let one = |name, value: &str| vec![(name, value.to_owned())];
    assert_rows([
        ("as sent", headers(protocol, "a, b", &["a", "b"]), vec![]),
        (
            "an empty element at the end",
            headers(protocol, "a,", &["a"]),
            one(protocol, "a"),
        ),
        (
            "between others",
            headers(protocol, "a,,b", &["a", "b"]),
            one(protocol, "a, b"),
        ),
        (
            "extensions as sent",
            headers(extension, "a; b=\",\", c", &[]),
            vec![],
        ),
        (
            "extensions with an empty element",
            headers(extension, "a; b=\",\",, c", &[]),
            one(extension, "a; b=\",\", c"),
        ),
        (
            "extensions with an open quote",
            headers(extension, ",a; b=\"", &[]),
            vec![],
        ),
    ]);
}

/// The list as it was sent has the token.
#[test]
fn a_token_among_empty_elements_stays_out_of_the_offer() {
    let headers = |value: &str, protocols: &[&str]| {
        let ask = Ask::upgrade().with("sec-websocket-protocol", value);
        let authenticated = authenticated(&ask, &[Source::Subprotocol], protocols);
        let (_, remove, set) = sent(&server(), &ask, &authenticated, protocols);
        (remove, set)
    };
    let name = "sec-websocket-protocol";
    assert_rows([
        (
            "others are left",
            headers("bearer, t,, chat,", &["bearer", "t", "chat"]),
            (vec![], vec![(name, "chat".to_owned())]),
        ),
        (
            "none is left",
            headers("bearer, t,", &["bearer", "t"]),
            (strings(&[name]), vec![]),
        ),
    ]);
}

#[test]
fn a_service_gets_the_requests_own_url() {
    let service = Upstream::Service("CHAT".into());
    let ask = Ask::upgrade().url("https://gate.example:8443/a/b?c");
    let matched = ask.matched();
    let forward = plain(&service, &ask, &matched);
    assert_eq!(forward.url, "https://gate.example:8443/a/b?c");
}
