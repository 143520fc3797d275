//! The registry's requests and responses as JSON, and what is attached to a channel. A deployment
//! must not change these formats, since isolates and objects are not replaced at one moment.

use portcullis::registry::{
    About, Claim, Denial, DenialKind, DenialReason, DenialTarget, DeniedBy, ListedDenial, Opening,
    RefreshScope, RegistryKey, RegistryRequest, RegistryResponse, Socket, SocketEntry,
    TokenRenewal,
};
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use portcullis::token::TokenDigest;
use portcullis::util::time::Timestamp;

use crate::common::{NOW, assert_rows, ms};

fn entry() -> SocketEntry {
    SocketEntry {
        socket: Socket {
            id: "0123".into(),
            sub: Some("alice".into()),
            sid: None,
            ip: "192.0.2.7".into(),
            route: "/*".into(),
            origin: None,
            since: NOW,
            expires: Some(NOW + ms(5)),
            has_token: true,
            issued: None,
            token: Some(TokenDigest::of("a")),
            realm: "r".into(),
            renewal: None,
        },
        keys: vec![
            RegistryKey::socket("0123"),
            RegistryKey::address(
                ClientAddress::parse(Some("2001:db8::7")).key(Ipv6Prefix::default()),
            ),
            RegistryKey::claim(Claim::Subject, None, "alice"),
            RegistryKey::claim(Claim::Subject, Some(""), "alice"),
        ],
        owner: RegistryKey::claim(Claim::Subject, Some(""), "alice"),
    }
}

const SOCKET: &str = r#"{"id":"0123","sub":"alice","sid":null,"ip":"192.0.2.7","route":"/*","origin":null,"since":1800000000000,"expires":1800000000005,"has_token":true,"issued":null,"token":"a126ff98f489be96fef00a70986ea3b2","realm":"r"}"#;
const KEYS: &str = r#"["id 4:0123","ip 13:2001:db8::/64","sub 5:alice","sub 0: 5:alice"]"#;

const TOKEN: &str = r#""0cef713d6d147d02fcf74c3d1baf9059""#;
const RENEWAL: &str = r#"{"keys":["jti 3:b c","jti 0: 3:b c"],"issued":1800000000001,"token":"0cef713d6d147d02fcf74c3d1baf9059"}"#;

fn renewal() -> TokenRenewal {
    TokenRenewal {
        keys: [None, Some("")]
            .map(|issuer| RegistryKey::claim(Claim::Token, issuer, "b c"))
            .to_vec(),
        issued: Some(NOW + ms(1)),
        token: Some(TokenDigest::of("t")),
    }
}

#[test]
fn requests_keep_their_form() {
    let entry_json = format!(r#"{{"socket":{SOCKET},"keys":{KEYS},"owner":"sub 0: 5:alice"}}"#);
    let denial = Denial {
        before: Timestamp(1),
        until: Timestamp(2),
    };
    let target = DenialTarget {
        kind: DenialKind::Revoke,
        key: RegistryKey::all(),
    };
    assert_eq!(target.name(), "revoke all");
    let rows = [
        (
            RegistryRequest::Admit { entry: entry() },
            format!(r#"{{"admit":{{"entry":{entry_json}}}}}"#),
        ),
        (
            RegistryRequest::Deny {
                target,
                denial,
                stamped: true,
                about: About::tokens(Some((Claim::Session, "s")), Some("i")),
            },
            r#"{"deny":{"target":{"kind":"revoke","key":"all"},"denial":{"before":1,"until":2},"stamped":true,"about":{"sid":"s","iss":"i"}}}"#.into(),
        ),
        (
            RegistryRequest::Lift {
                kind: DenialKind::Revoke,
                id: "0a".into(),
            },
            r#"{"lift":{"kind":"revoke","id":"0a"}}"#.into(),
        ),
        (
            RegistryRequest::ListDenials {
                kind: DenialKind::Ban,
                max: 7,
                about: None,
            },
            r#"{"list_denials":{"kind":"ban","max":7}}"#.into(),
        ),
        (
            RegistryRequest::ListDenials {
                kind: DenialKind::Ban,
                max: 7,
                about: Some(vec![RegistryKey::claim(Claim::Subject, None, "alice")]),
            },
            r#"{"list_denials":{"kind":"ban","max":7,"about":["sub 5:alice"]}}"#.into(),
        ),
        (
            RegistryRequest::List {
                key: None,
                max: 7,
            },
            r#"{"list":{"key":null,"max":7}}"#.into(),
        ),
        (
            RegistryRequest::Extend {
                entry: entry(),
                subject: RegistryKey::socket("a"),
                scope: RefreshScope::Session(RegistryKey::socket("s")),
            },
            format!(
                r#"{{"extend":{{"entry":{entry_json},"subject":"id 1:a","scope":{{"session":"id 1:s"}}}}}}"#
            ),
        ),
        (
            RegistryRequest::Extend {
                entry: entry(),
                subject: RegistryKey::socket("a"),
                scope: RefreshScope::Token(TokenDigest::of("t")),
            },
            format!(
                r#"{{"extend":{{"entry":{entry_json},"subject":"id 1:a","scope":{{"token":{TOKEN}}}}}}}"#
            ),
        ),
    ];
    for (request, json) in rows {
        assert_eq!(request.to_json(), json);
        assert_eq!(RegistryRequest::from_json(&json), Some(request));
    }
}

#[test]
fn responses_keep_their_form() {
    let denial = Denial {
        before: Timestamp(1),
        until: Timestamp(2),
    };
    let rows = [
        (
            RegistryResponse::Admitted {
                denials_exist: true,
            },
            r#"{"admitted":{"denials_exist":true}}"#.to_owned(),
        ),
        (
            RegistryResponse::TooManySockets,
            r#""too_many_sockets""#.into(),
        ),
        (RegistryResponse::SubjectFull, r#""subject_full""#.into()),
        (
            RegistryResponse::Lifted { existed: true },
            r#"{"lifted":{"existed":true}}"#.into(),
        ),
        (
            RegistryResponse::ListedDenials {
                denials: vec![ListedDenial {
                    id: "0a".into(),
                    about: About::address("192.0.2.7"),
                    since: Timestamp(3),
                    denial,
                }],
                truncated: true,
            },
            r#"{"listed_denials":{"denials":[{"id":"0a","about":{"ip":"192.0.2.7"},"since":3,"denial":{"before":1,"until":2}}],"truncated":true}}"#.into(),
        ),
        (
            RegistryResponse::Refused {
                end: DenialReason::Revoked,
                by: Some(DeniedBy {
                    id: "0a".into(),
                    about: "sub".into(),
                    until: Timestamp(3),
                }),
            },
            r#"{"refused":{"end":"revoked","by":{"id":"0a","about":"sub","until":3}}}"#.into(),
        ),
        (
            RegistryResponse::Refused {
                end: DenialReason::Revoked,
                by: None,
            },
            r#"{"refused":{"end":"revoked"}}"#.into(),
        ),
        (
            RegistryResponse::Denied { denial, sockets: 3 },
            r#"{"denied":{"denial":{"before":1,"until":2},"sockets":3}}"#.into(),
        ),
        (RegistryResponse::Full, r#""full""#.into()),
        (
            RegistryResponse::Listed {
                sockets: vec![entry().socket],
                truncated: false,
            },
            format!(r#"{{"listed":{{"sockets":[{SOCKET}],"truncated":false}}}}"#),
        ),
        (
            RegistryResponse::Extended { sockets: 2 },
            r#"{"extended":{"sockets":2}}"#.into(),
        ),
    ];
    for (response, json) in rows {
        assert_eq!(response.to_json(), json);
        assert_eq!(RegistryResponse::from_json(&json), Some(response));
    }
}

#[test]
fn a_channel_is_opened_by_the_query_of_a_url() {
    let query = |expires: &str, again: &str| {
        let json = entry().to_json();
        form_urlencoded::Serializer::new(String::new())
            .append_pair("entry", &json)
            .append_pair("again", again)
            .append_pair("expires", expires)
            .finish()
    };
    let opening = Opening::from_query(&query("0", "false")).expect("sound");
    assert_eq!((opening.entry, opening.again), (entry(), false));
    let moved = |expires: &str| {
        let opening = Opening::from_query(&query(expires, "true")).expect("sound");
        assert!(opening.again);
        (opening.entry.socket.expires, opening.entry.socket.renewal)
    };
    let later = Some(NOW + ms(9));
    assert_rows([
        (
            "with its token",
            moved(&format!("1800000000009 {RENEWAL}")),
            (later, Some(renewal())),
        ),
        ("without its token", moved("1800000000009"), (later, None)),
        (
            "to the time of before",
            moved(&format!("1800000000005 {RENEWAL}")),
            (Some(NOW + ms(5)), None),
        ),
    ]);
    let wrong = ["x", "1800000000009 ", "1800000000009 x", "1800000000009 {}"];
    let wrong = wrong.map(|expires| query(expires, "true"));
    for wrong in ["", "entry=x", &query("0", "maybe")]
        .into_iter()
        .chain(wrong.iter().map(String::as_str))
    {
        assert_eq!(Opening::from_query(wrong), None, "{wrong}");
    }
}

#[test]
fn a_renewal_keeps_its_form_at_a_channel_and_in_its_message() {
    let mut socket = entry().socket;
    let keys = [RegistryKey::address(
        ClientAddress::parse(Some("192.0.2.9")).key(Ipv6Prefix::default()),
    )];
    let newer = SocketEntry {
        socket: Socket {
            expires: Some(NOW + ms(9)),
            issued: renewal().issued,
            token: renewal().token,
            ..entry().socket
        },
        keys: keys.into_iter().chain(renewal().keys).collect(),
        owner: entry().owner,
    };
    let message = socket.extend(&newer);
    assert_eq!(message, Some(format!("expires 1800000000009 {RENEWAL}")));
    let json = SOCKET.replace("0005", "0009");
    let json = json.replace('}', &format!(r#","renewal":{RENEWAL}}}"#));
    assert_eq!(socket.to_json(), json);
    assert_eq!(Socket::from_json(&json), Some(socket));
}
