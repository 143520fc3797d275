//! Sockets whose token is in their first message: what is asked of whom, and when.

use portcullis::gateway::platform::NoFirstMessage;

use crate::common::scripted::{ORIGIN, Scripted, token, upgrade};
use crate::common::{Ask, assert_rows};

const SOURCES: (&str, &str) = ("TOKEN_SOURCES", "header, message:/token");

fn gate(vars: &[(&str, &str)]) -> Scripted {
    Scripted::with(&[&[SOURCES][..], vars].concat())
}

fn without_token() -> Ask {
    Ask::upgrade().with("origin", ORIGIN)
}

fn says(gate: &Scripted, text: &str) {
    *gate.first_message.borrow_mut() = Ok(text.into());
}

fn message(claims: &str) -> String {
    format!(r#"{{"token":"{}"}}"#, token(claims))
}

#[test]
fn nobody_is_asked_before_the_first_message() {
    let gate = gate(&[("RATE_LIMIT_USER", "5/1m"), ("MAX_SOCKETS_IP", "5")]);
    says(&gate, &message(r#""sub":"alice""#));
    let answer = gate.knock(&without_token());
    assert_eq!(answer.what, "socket", "{answer:?}");
    assert_eq!(answer.record.subject.as_deref(), Some("alice"));
    assert_eq!(
        gate.take_asked(),
        [
            "first message",
            "address: open",
            "user: admit",
            "registry: register",
            "server"
        ]
    );
}

#[test]
fn a_token_in_the_handshake_spares_the_wait() {
    let gate = gate(&[]);
    assert_eq!(gate.knock(&upgrade(r#""sub":"alice""#)).what, "socket");
    let asked = gate.take_asked();
    assert!(!asked.contains(&"first message".to_owned()), "{asked:?}");
}

#[test]
fn every_end_without_a_token_is_recorded_and_counted() {
    let rows = [
        (
            NoFirstMessage::TimedOut,
            "token_missing at token: no message came in time",
        ),
        (
            NoFirstMessage::Left,
            "token_missing at token: the client left before its first message",
        ),
        (
            NoFirstMessage::TooLong,
            "token_invalid at token: the first message is too long",
        ),
        (
            NoFirstMessage::TooManyOfAddress,
            "too_many_sockets at token: too many sockets of this address have not sent their first \
             message",
        ),
        (
            NoFirstMessage::TooMany,
            "too_many_sockets at token: too many sockets of this isolate have not sent their first \
             message",
        ),
    ];
    assert_rows(rows.map(|(failure, expected)| {
        let gate = gate(&[]);
        *gate.first_message.borrow_mut() = Err(failure);
        let line = gate.knock(&without_token()).line();
        assert_eq!(gate.take_asked(), ["first message", "address: count"]);
        (format!("{failure:?}"), line, expected.to_owned())
    }));
}

#[test]
fn steps_7_to_10_refuse_as_for_other_sockets() {
    let gate = gate(&[("REQUIRED_SCOPES", "write"), ("RATE_LIMIT_USER", "1/1m")]);
    let knock = |text: &str, key: char| {
        says(&gate, text);
        let key = format!("{}A==", key.to_string().repeat(21));
        let answer = gate.knock(&without_token().with("sec-websocket-key", &key));
        (answer.what, answer.record.stage.name())
    };
    let writes = message(r#""sub":"alice","scope":"write""#);
    let refused = |what: &str, stage| (what.to_owned(), stage);
    assert_rows([
        ("none", knock("{}", 'A'), refused("token_missing", "token")),
        (
            "forged",
            knock(r#"{"token":"a.b.c"}"#, 'B'),
            refused("token_invalid", "token"),
        ),
        (
            "without the scope",
            knock(&message(r#""sub":"bob""#), 'C'),
            refused("insufficient_scope", "permission"),
        ),
        ("good", knock(&writes, 'D'), refused("socket", "forward")),
        (
            "once too often",
            knock(&writes, 'E'),
            refused("rate_limited", "known"),
        ),
    ]);
}

#[test]
fn slots_are_given_back_where_the_server_does_not_choose_what_was_answered() {
    let gate = gate(&[("MAX_SOCKETS_USER", "1"), ("FIRST_MESSAGE_PROTOCOLS", "v2")]);
    says(&gate, &message(r#""sub":"alice""#));
    let offer = without_token().with("sec-websocket-protocol", "v1, v2");
    let answer = gate.knock(&offer);
    assert_eq!(
        answer.line(),
        "upstream_refused at forward: the upstream did not choose the subprotocol that the client \
         was answered"
    );
    assert_eq!(gate.opened.take(), [(Some("v2".to_owned()), None)]);
    assert_eq!((gate.discarded.get(), gate.open_channels()), (1, 0));
}

#[test]
fn a_message_that_a_server_could_read_otherwise_is_nobodys() {
    let gate = gate(&[("AUTH", "optional"), ("KEY_REPLAY_WINDOW", "off")]);
    let knock = |text: &str| {
        says(&gate, text);
        gate.knock(&without_token()).what
    };
    assert_rows([
        ("no token", knock("{}"), "socket".to_owned()),
        ("no JSON", knock("hello"), "socket".to_owned()),
        (
            "a token twice",
            knock(r#"{"token":"a.b.c","token":"a.b.c"}"#),
            "token_missing".to_owned(),
        ),
    ]);
}
