//! How the registry's questions and answers travel, and what stands at a channel: formats that a
//! deployment must not change, for isolates and objects are not replaced at one moment.

use portcullis::client::{ClientAddress, Ipv6Prefix};
use portcullis::registry::{
    Answer, Claim, End, Entry, Key, Mark, Named, Opening, Question, Socket, Verb,
};
use portcullis::time::Timestamp;

use crate::common::{NOW, ms};

fn entry() -> Entry {
    Entry {
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
            realm: "r".into(),
        },
        keys: vec![
            Key::socket("0123"),
            Key::address(ClientAddress::parse(Some("2001:db8::7")).key(Ipv6Prefix::default())),
            Key::claim(Claim::Subject, None, "alice"),
            Key::claim(Claim::Subject, Some(""), "alice"),
        ],
    }
}

const SOCKET: &str = r#"{"id":"0123","sub":"alice","sid":null,"ip":"192.0.2.7","route":"/*","origin":null,"since":1800000000000,"expires":1800000000005,"has_token":true,"issued":null,"realm":"r"}"#;
const KEYS: &str = r#"["id 4:0123","ip 13:2001:db8::/64","sub 5:alice","sub 0: 5:alice"]"#;

#[test]
fn questions_keep_their_form() {
    let entry_json = format!(r#"{{"socket":{SOCKET},"keys":{KEYS}}}"#);
    let mark = Mark {
        before: Timestamp(1),
        until: Timestamp(2),
    };
    let named = Named {
        verb: Verb::Revoke,
        key: Key::all(),
    };
    assert_eq!(named.name(), "revoke all");
    let rows = [
        (
            Question::Admit { entry: entry() },
            format!(r#"{{"admit":{{"entry":{entry_json}}}}}"#),
        ),
        (
            Question::Mark {
                named,
                mark,
                spoken: true,
            },
            r#"{"mark":{"named":{"verb":"revoke","key":"all"},"mark":{"before":1,"until":2},"spoken":true}}"#.into(),
        ),
        (
            Question::List {
                key: None,
                most: 7,
            },
            r#"{"list":{"key":null,"most":7}}"#.into(),
        ),
        (
            Question::Prolong {
                entry: entry(),
                party: Key::socket("a"),
                session: None,
            },
            format!(r#"{{"prolong":{{"entry":{entry_json},"party":"id 1:a","session":null}}}}"#),
        ),
    ];
    for (question, json) in rows {
        assert_eq!(question.to_json(), json);
        assert_eq!(Question::from_json(&json), Some(question));
    }
}

#[test]
fn answers_keep_their_form() {
    let mark = Mark {
        before: Timestamp(1),
        until: Timestamp(2),
    };
    let rows = [
        (Answer::Admitted, r#""admitted""#.to_owned()),
        (
            Answer::Refused { end: End::Revoked },
            r#"{"refused":{"end":"revoked"}}"#.into(),
        ),
        (
            Answer::Marked { mark, sockets: 3 },
            r#"{"marked":{"mark":{"before":1,"until":2},"sockets":3}}"#.into(),
        ),
        (Answer::Full, r#""full""#.into()),
        (
            Answer::Listed {
                sockets: vec![entry().socket],
                truncated: false,
            },
            format!(r#"{{"listed":{{"sockets":[{SOCKET}],"truncated":false}}}}"#),
        ),
        (
            Answer::Prolonged { sockets: 2 },
            r#"{"prolonged":{"sockets":2}}"#.into(),
        ),
    ];
    for (answer, json) in rows {
        assert_eq!(answer.to_json(), json);
        assert_eq!(Answer::from_json(&json), Some(answer));
    }
}

#[test]
fn a_channel_is_opened_by_the_query_of_a_url() {
    let query = |expires, again| {
        let json = entry().to_json();
        form_urlencoded::Serializer::new(String::new())
            .append_pair("entry", &json)
            .append_pair("again", again)
            .append_pair("expires", expires)
            .finish()
    };
    let opening = Opening::from_query(&query("0", "false")).expect("sound");
    assert_eq!((opening.entry, opening.again), (entry(), false));
    let moved = Opening::from_query(&query("1800000000009", "true")).expect("sound");
    assert!(moved.again);
    assert_eq!(moved.entry.socket.expires, Some(NOW + ms(9)));
    for wrong in ["", "entry=x", &query("x", "true"), &query("0", "maybe")] {
        assert_eq!(Opening::from_query(wrong), None, "{wrong}");
    }
}
