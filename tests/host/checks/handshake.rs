//! The opening handshake (RFC 6455 §4.2.1).

use portcullis::checks::handshake::Handshake;
use portcullis::response::reason::{AllowedMethods, Reason, Rejection};

use crate::common::{self, Ask, NONCE, assert_rows, strings};

fn read(ask: &Ask) -> Result<Handshake, Rejection> {
    Handshake::read(&ask.request())
}

fn sound() -> Result<Handshake, Rejection> {
    with(&[], &[])
}

fn with(protocols: &[&str], extensions: &[&str]) -> Result<Handshake, Rejection> {
    Ok(Handshake {
        key: NONCE,
        protocols: strings(protocols),
        knows_the_gate: false,
        extensions: strings(extensions),
    })
}

fn malformed(cause: &'static str) -> Result<Handshake, Rejection> {
    Err(Reason::BadHandshake.because(cause))
}

const UPGRADE: &str = "Upgrade offers more than websocket";
const KEY: &str = "Sec-WebSocket-Key is not 16 bytes of base64";
const CONNECTION: &str = "Connection does not name upgrade";
const PROTOCOL: &str = "Sec-WebSocket-Protocol is empty, repeated or malformed";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions is malformed";
const BODY: &str = "the request has a body";
const REPEATED: &str = "Host or Authorization is repeated";

fn not_get() -> Result<Handshake, Rejection> {
    Err(Reason::MethodNotAllowed {
        allowed: AllowedMethods::Handshake,
    }
    .because("the method is not GET"))
}

fn version() -> Result<Handshake, Rejection> {
    Err(Reason::UnsupportedVersion.because("Sec-WebSocket-Version is not 13"))
}

#[test]
fn a_sound_handshake_is_read_whole() {
    let ask = Ask::upgrade()
        .with("sec-websocket-protocol", "chat.v2, \tbearer ,x")
        .with(
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits, x-other",
        );
    assert_eq!(
        read(&ask),
        with(
            &["chat.v2", "bearer", "x"],
            &["permessage-deflate", "x-other"]
        )
    );
    assert_eq!(read(&Ask::upgrade()), sound());
}

#[test]
fn only_get_opens_a_socket() {
    let methods = [
        "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get", "GET ", "",
    ];
    assert_rows(methods.map(|method| (method, read(&Ask::upgrade().method(method)), not_get())));
}

/// workerd opens no socket for an offer of several.
#[test]
fn websocket_is_offered_alone() {
    let offered = |value| read(&Ask::upgrade().with("upgrade", value));
    assert_rows([
        ("alone", offered("websocket"), sound()),
        ("in other case", offered("WebSocket"), sound()),
        (
            "before another",
            offered("websocket, h2c"),
            malformed(UPGRADE),
        ),
        (
            "behind another",
            offered("h2c, websocket"),
            malformed(UPGRADE),
        ),
        ("twice", offered("websocket, websocket"), malformed(UPGRADE)),
        ("another", offered("h2c"), malformed(UPGRADE)),
    ]);
}

#[test]
fn the_version_is_exactly_13() {
    let versions = [
        "", "0", "7", "8", "12", "14", "013", "+13", "13.0", "0x0d", "13, 13", "13,8", "8, 13",
        "13;", "１３", "-13", "13a", " 13", "13 ", "13\t",
    ];
    assert_rows(versions.map(|value| {
        let ask = Ask::upgrade().with("sec-websocket-version", value);
        (value, read(&ask), version())
    }));
    assert_eq!(
        read(&Ask::upgrade().without("sec-websocket-version")),
        version()
    );
    let repeated = Ask::upgrade().and("sec-websocket-version", "13");
    assert_eq!(read(&repeated), version());
}

#[test]
fn the_key_is_16_bytes_in_canonical_base64() {
    let rows = [
        ("the RFC's own", "dGhlIHNhbXBsZSBub25jZQ==", sound()),
        ("empty", "", malformed(KEY)),
        ("15 bytes", "dGhlIHNhbXBsZSBub25j", malformed(KEY)),
        ("17 bytes", "dGhlIHNhbXBsZSBub25jZWU=", malformed(KEY)),
        (
            "16 bytes without padding",
            "dGhlIHNhbXBsZSBub25jZQ",
            malformed(KEY),
        ),
        (
            "half of the padding",
            "dGhlIHNhbXBsZSBub25jZQ=",
            malformed(KEY),
        ),
        (
            "too much padding",
            "dGhlIHNhbXBsZSBub25jZQ===",
            malformed(KEY),
        ),
        ("only padding", "========================", malformed(KEY)),
        ("padding inside", "dGhlIHNhbXBs=SBub25jZQ==", malformed(KEY)),
        ("spare bit set", "dGhlIHNhbXBsZSBub25jZR==", malformed(KEY)),
        (
            "all spare bits set",
            "dGhlIHNhbXBsZSBub25jZf==",
            malformed(KEY),
        ),
        ("url alphabet", "_-hlIHNhbXBsZSBub25jZQ==", malformed(KEY)),
        (
            "foreign character",
            "dGhlIHNhbXBsZSBub25j!Q==",
            malformed(KEY),
        ),
        ("leading space", " dGhlIHNhbXBsZSBub25jZQ==", malformed(KEY)),
        (
            "trailing space",
            "dGhlIHNhbXBsZSBub25jZQ== ",
            malformed(KEY),
        ),
        ("space inside", "dGhlIHNhbXBs ZSBub25jZQ==", malformed(KEY)),
        (
            "line break inside",
            "dGhlIHNhbXBs\nZSBub25jZQ==",
            malformed(KEY),
        ),
        (
            "plain text of 24 letters",
            "abcdefghijklmnopqrstuvwx",
            malformed(KEY),
        ),
        (
            "two keys",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
            malformed(KEY),
        ),
        ("non-ASCII", "dGhlIHNhbXBsZSBub25jZé==", malformed(KEY)),
        ("very long", &"A".repeat(100_000), malformed(KEY)),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        (
            name,
            read(&Ask::upgrade().with("sec-websocket-key", value)),
            expected,
        )
    }));
    assert_eq!(
        read(&Ask::upgrade().without("sec-websocket-key")),
        malformed(KEY)
    );
}

#[test]
fn every_letter_of_the_standard_alphabet_may_stand_in_a_key() {
    let bytes = [
        0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0, 16, 131, 16, 81, 135, 32, 146, 139, 48,
    ];
    let ask = Ask::upgrade().with("sec-websocket-key", "++++////ABCDEFGHIJKLMA==");
    assert_eq!(read(&ask).map(|handshake| handshake.key), Ok(bytes));
}

#[test]
fn a_handshake_has_no_body() {
    let ask = Ask::upgrade;
    assert_rows([
        (
            "length 0",
            read(&ask().with("content-length", "0")),
            sound(),
        ),
        (
            "length 1",
            read(&ask().with("content-length", "1")),
            malformed(BODY),
        ),
        (
            "length 00",
            read(&ask().with("content-length", "00")),
            malformed(BODY),
        ),
        (
            "length repeated",
            read(&ask().with("content-length", "0").and("content-length", "5")),
            malformed(BODY),
        ),
        (
            "length empty",
            read(&ask().with("content-length", "")),
            malformed(BODY),
        ),
        (
            "length negative",
            read(&ask().with("content-length", "-1")),
            malformed(BODY),
        ),
        (
            "chunked",
            read(&ask().with("transfer-encoding", "chunked")),
            malformed(BODY),
        ),
        (
            "identity",
            read(&ask().with("transfer-encoding", "identity")),
            malformed(BODY),
        ),
        (
            "empty coding",
            read(&ask().with("transfer-encoding", "")),
            malformed(BODY),
        ),
    ]);
}

#[test]
fn host_and_a_credential_stand_once() {
    let ask = Ask::upgrade;
    let authorization = |value| read(&ask().with("authorization", value));
    assert_rows([
        (
            "two hosts",
            read(&ask().and("host", "evil.test")),
            malformed(REPEATED),
        ),
        ("no host", read(&ask().without("host")), sound()),
        ("one bearer", authorization("Bearer a.b.c"), sound()),
        (
            "two bearers",
            read(
                &ask()
                    .and("authorization", "Bearer a")
                    .and("authorization", "Bearer b"),
            ),
            malformed(REPEATED),
        ),
        (
            "two of the same",
            authorization("Bearer a, Bearer a"),
            malformed(REPEATED),
        ),
        (
            "bearer, then basic",
            authorization("bearer a,Basic b"),
            malformed(REPEATED),
        ),
        (
            "basic, then bearer",
            authorization("BASIC b, Bearer a"),
            malformed(REPEATED),
        ),
        (
            "digest has commas of its own",
            authorization("Digest a=\"b\", c=\"d\""),
            sound(),
        ),
        ("basic", authorization("Basic dTpw"), sound()),
    ]);
}

#[test]
fn headers_of_old_drafts_and_other_products_decide_nothing() {
    let ask = Ask::upgrade()
        .with("sec-websocket-origin", "https://evil.test")
        .with("sec-websocket-key1", "4 @1  46546xW%0l 1 5")
        .with("sec-websocket-draft", "2")
        .with("forwarded", "proto=http")
        .with("x-forwarded-proto", "http")
        .with("x-original-url", "/admin")
        .with("x-http-method-override", "POST");
    assert_eq!(read(&ask), sound());
}

/// Each fix lets the next fault show, so that the order is told as well.
#[test]
fn the_first_fault_decides() {
    let mut ask = Ask::plain("POST", "https://gate.example/")
        .with("host", "a, b")
        .with("content-length", "7")
        .with("sec-websocket-protocol", "")
        .with("sec-websocket-extensions", "");
    let mut rows = vec![("everything wrong", read(&ask), not_get())];
    let mut fix = |name, change: &dyn Fn(Ask) -> Ask, expected| {
        ask = change(ask.clone());
        rows.push((name, read(&ask), expected));
    };
    fix("method", &|ask| ask.method("GET"), malformed(UPGRADE));
    fix(
        "upgrade",
        &|ask| ask.with("upgrade", "websocket"),
        version(),
    );
    fix(
        "version",
        &|ask| ask.with("sec-websocket-version", "13"),
        malformed(KEY),
    );
    fix(
        "key",
        &|ask| ask.with("sec-websocket-key", common::NONCE_TEXT),
        malformed(CONNECTION),
    );
    fix(
        "connection",
        &|ask| ask.with("connection", "Upgrade"),
        malformed(PROTOCOL),
    );
    fix(
        "protocol",
        &|ask| ask.without("sec-websocket-protocol"),
        malformed(EXTENSIONS),
    );
    fix(
        "extensions",
        &|ask| ask.without("sec-websocket-extensions"),
        malformed(BODY),
    );
    fix(
        "body",
        &|ask| ask.without("content-length"),
        malformed(REPEATED),
    );
    fix("host", &|ask| ask.with("host", "gate.example"), sound());
    assert_rows(rows);
}

#[test]
fn a_token_among_the_subprotocols_is_not_printed() {
    let printed = format!("{:?}", with(&["bearer", "secret"], &[]));
    assert!(!printed.contains("secret"), "{printed}");
}
