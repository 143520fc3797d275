//! The lists of a handshake: `Connection`, subprotocols and extensions.

use portcullis::checks::handshake::Handshake;
use portcullis::response::reason::{Reason, Rejection};

use crate::common::{Ask, NONCE, assert_rows, strings};

fn read(ask: &Ask) -> Result<Handshake, Rejection> {
    Handshake::read(&ask.request())
}

fn with(protocols: &[&str], extensions: &[&str]) -> Result<Handshake, Rejection> {
    Ok(Handshake {
        key: NONCE,
        protocols: strings(protocols),
        knows_the_gate: false,
        extensions: strings(extensions),
    })
}

fn sound() -> Result<Handshake, Rejection> {
    with(&[], &[])
}

fn malformed(cause: &'static str) -> Result<Handshake, Rejection> {
    Err(Reason::BadHandshake.because(cause))
}

const CONNECTION: &str = "Connection does not name upgrade";
const PROTOCOL: &str = "Sec-WebSocket-Protocol is empty, repeated or malformed";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions is malformed";

#[test]
fn connection_names_upgrade_or_is_the_edges_keep_alive() {
    let rows = [
        ("Upgrade", "Upgrade", sound()),
        ("lower case", "upgrade", sound()),
        ("upper case", "UPGRADE", sound()),
        ("in a list", "keep-alive, Upgrade", sound()),
        ("first of a list", "Upgrade,HTTP2-Settings", sound()),
        ("with tabs", "keep-alive,\tUpgrade\t", sound()),
        ("among empty elements", ", ,Upgrade,", sound()),
        ("the edge's", "Keep-Alive", sound()),
        ("the edge's, lower case", "keep-alive", sound()),
        ("empty", "", malformed(CONNECTION)),
        ("close", "close", malformed(CONNECTION)),
        (
            "keep-alive and another",
            "keep-alive, close",
            malformed(CONNECTION),
        ),
        (
            "keep-alive twice",
            "keep-alive, keep-alive",
            malformed(CONNECTION),
        ),
        ("longer word", "Upgraded", malformed(CONNECTION)),
        ("with a version", "Upgrade/1", malformed(CONNECTION)),
        ("by semicolon", "keep-alive; Upgrade", malformed(CONNECTION)),
        ("by space", "keep-alive Upgrade", malformed(CONNECTION)),
        ("quoted", "\"Upgrade\"", malformed(CONNECTION)),
        ("Kelvin sign", "\u{212a}eep-alive", malformed(CONNECTION)),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        (
            name,
            read(&Ask::upgrade().with("connection", value)),
            expected,
        )
    }));
    assert_eq!(
        read(&Ask::upgrade().without("connection")),
        malformed(CONNECTION)
    );
}

#[test]
fn the_subprotocols_of_the_gate_are_taken_out_together() {
    let read = |offered: &str| {
        let ask = Ask::upgrade().with("sec-websocket-protocol", offered);
        let handshake = Handshake::read(&ask.request()).expect("it is sound");
        (handshake.protocols, handshake.knows_the_gate)
    };
    assert_rows([
        ("none", read("chat"), (strings(&["chat"]), false)),
        (
            "both",
            read("portcullis, chat,portcullis.refused, v2"),
            (strings(&["chat", "v2"]), true),
        ),
        (
            "nothing else",
            read("portcullis.refused, portcullis"),
            (Vec::new(), true),
        ),
        (
            "one of them",
            read("portcullis, chat"),
            (strings(&["portcullis", "chat"]), false),
        ),
        (
            "in another case",
            read("Portcullis, portcullis.refused"),
            (strings(&["Portcullis", "portcullis.refused"]), false),
        ),
    ]);
}

#[test]
fn subprotocols_are_distinct_tokens() {
    let token = "!#$%&'*+-.^_`|~09azAZ";
    let rows = [
        ("one", "chat", with(&["chat"], &[])),
        ("two", "chat, superchat", with(&["chat", "superchat"], &[])),
        ("every token character", token, with(&[token], &[])),
        (
            "two that differ in case",
            "chat,Chat",
            with(&["chat", "Chat"], &[]),
        ),
        ("empty", "", malformed(PROTOCOL)),
        ("only a comma", ",", malformed(PROTOCOL)),
        ("only commas", ", ,\t,", malformed(PROTOCOL)),
        ("empty element in front", ",chat", with(&["chat"], &[])),
        ("empty element behind", "chat,", with(&["chat"], &[])),
        (
            "empty element inside",
            "chat, ,superchat",
            with(&["chat", "superchat"], &[]),
        ),
        ("repeated", "chat, chat", malformed(PROTOCOL)),
        ("repeated at a distance", "a, b, a", malformed(PROTOCOL)),
        ("space inside", "chat room", malformed(PROTOCOL)),
        ("slash", "chat/1", malformed(PROTOCOL)),
        ("at sign", "a@b", malformed(PROTOCOL)),
        ("colon", "urn:x", malformed(PROTOCOL)),
        ("quoted", "\"chat\"", malformed(PROTOCOL)),
        ("equals sign", "bearer, aa==", malformed(PROTOCOL)),
        ("semicolon", "chat;q=1", malformed(PROTOCOL)),
        ("NUL", "chat\0", malformed(PROTOCOL)),
        ("CR LF", "chat\r\nx: y", malformed(PROTOCOL)),
        ("DEL", "chat\u{7f}", malformed(PROTOCOL)),
        ("non-ASCII", "chät", malformed(PROTOCOL)),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        (
            name,
            read(&Ask::upgrade().with("sec-websocket-protocol", value)),
            expected,
        )
    }));
    let repeated = Ask::upgrade()
        .and("sec-websocket-protocol", "a")
        .and("sec-websocket-protocol", "b");
    assert_eq!(
        read(&repeated),
        with(&["a", "b"], &[]),
        "RFC 6455 §11.3.4 allows this header twice"
    );
}

#[test]
fn extensions_follow_their_grammar() {
    let rows = [
        ("one", "foo", with(&[], &["foo"])),
        ("repeated", "foo, foo", with(&[], &["foo", "foo"])),
        ("parameter without value", "foo; a", with(&[], &["foo"])),
        (
            "parameter with value",
            "foo;a=1; b = 2",
            with(&[], &["foo"]),
        ),
        ("quoted value", "foo; a=\"10\"", with(&[], &["foo"])),
        ("several", "foo; a=1, bar; b", with(&[], &["foo", "bar"])),
        ("empty", "", malformed(EXTENSIONS)),
        ("only commas", ", ,", malformed(EXTENSIONS)),
        ("empty element", "foo,,bar", with(&[], &["foo", "bar"])),
        ("trailing comma", "foo,", with(&[], &["foo"])),
        ("only parameters", "; a=1", malformed(EXTENSIONS)),
        ("trailing semicolon", "foo;", malformed(EXTENSIONS)),
        ("name with a space", "foo bar", malformed(EXTENSIONS)),
        ("name quoted", "\"foo\"", malformed(EXTENSIONS)),
        ("parameter without name", "foo; =1", malformed(EXTENSIONS)),
        (
            "parameter with empty value",
            "foo; a=",
            malformed(EXTENSIONS),
        ),
        (
            "parameter name quoted",
            "foo; \"a\"=1",
            malformed(EXTENSIONS),
        ),
        ("value with a space", "foo; a=1 2", malformed(EXTENSIONS)),
        ("two equals signs", "foo; a=1=2", malformed(EXTENSIONS)),
        (
            "quoted value that is no token",
            "foo; a=\"1 2\"",
            malformed(EXTENSIONS),
        ),
        ("quoted comma", "foo; a=\"1,2\"", malformed(EXTENSIONS)),
        ("quoted semicolon", "foo; a=\"1;2\"", malformed(EXTENSIONS)),
        ("empty quotes", "foo; a=\"\"", malformed(EXTENSIONS)),
        ("open quote", "foo; a=\"1", malformed(EXTENSIONS)),
        ("a lone quote", "foo; a=\"", malformed(EXTENSIONS)),
        (
            "text behind the quote",
            "foo; a=\"1\"2",
            malformed(EXTENSIONS),
        ),
        ("non-ASCII", "föö", malformed(EXTENSIONS)),
        ("NUL", "foo\0", malformed(EXTENSIONS)),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        (
            name,
            read(&Ask::upgrade().with("sec-websocket-extensions", value)),
            expected,
        )
    }));
}
