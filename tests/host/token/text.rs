//! How a token is written: in UTF-8, compared by code points, and nothing within it is a token.

use portcullis::token::{Authentication, Expectations, Key};

use crate::common::claims::{ada, invalid, unusable};
use crate::common::runtime::{gate_with, subject_of as admit};
use crate::common::{SECRET, Signer, assert_rows, base64url, hs256, strings};

const HEADER: &str = r#"{"alg":"HS256"}"#;
const PAYLOAD: &str = r#"{"exp":1900000000,"sub":"ada"}"#;

fn gate(expectations: Expectations) -> Authentication {
    let key = Key::from_secret(SECRET.to_vec()).expect("long enough");
    gate_with([key], expectations)
}

/// A token of these bytes, rightly signed.
fn signed(header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let signature = base64url(Signer::Hs256(SECRET).signature(&message));
    format!("{message}.{signature}")
}

#[test]
fn both_parts_are_utf8() {
    let gate = gate(Expectations::default());
    let with = |json: &str, bytes: &[u8]| {
        let (before, after) = json.split_once('?').expect("a place for them");
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let header = |bytes| with(r#"{"alg":"HS256","x":"?"}"#, bytes);
    let payload = |bytes| with(r#"{"exp":1900000000,"sub":"ada","x":"?"}"#, bytes);
    let rows: [(&str, &[u8], bool); 10] = [
        ("ASCII", b"a", true),
        ("two bytes", "é".as_bytes(), true),
        ("four bytes", "🗝".as_bytes(), true),
        ("Latin-1", b"\xe9", false),
        ("cut", b"\xf0\x9f\x97", false),
        ("a byte that only continues", b"\x80", false),
        ("longer than needed", b"\xc0\xaf", false),
        ("a NUL in two bytes", b"\xc0\x80", false),
        ("a surrogate", b"\xed\xa0\x80", false),
        ("beyond Unicode", b"\xf4\x90\x80\x80", false),
    ];
    let verdict = |part: &str, is_right: bool, column: usize| {
        if is_right {
            return ada();
        }
        invalid(format!(
            "{part}: invalid unicode code point at line 1 column {column}"
        ))
    };
    assert_rows(rows.into_iter().flat_map(|(name, bytes, is_right)| {
        [
            (
                format!("header, {name}"),
                admit(&gate, &signed(&header(bytes), PAYLOAD.as_bytes())),
                verdict("header", is_right, 21),
            ),
            (
                format!("payload, {name}"),
                admit(&gate, &signed(HEADER.as_bytes(), &payload(bytes))),
                verdict("payload", is_right, 36),
            ),
        ]
    }));
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16();
        units.flat_map(u16::to_be_bytes).collect()
    };
    let value = "expected value at line 1 column 1";
    assert_rows([
        (
            "header in UTF-16",
            admit(&gate, &signed(&utf16(HEADER), PAYLOAD.as_bytes())),
            invalid(format!("header: {value}")),
        ),
        (
            "payload in UTF-16",
            admit(&gate, &signed(HEADER.as_bytes(), &utf16(PAYLOAD))),
            invalid(format!("payload: {value}")),
        ),
    ]);
}

/// RFC 7515 §10.13: escapes are undone, and nothing else is made alike.
#[test]
fn texts_are_compared_by_code_points() {
    let gate = gate(Expectations {
        issuers: strings(&["https://caf\u{e9}.example"]),
        audiences: strings(&["chat"]),
        types: strings(&["at+jwt"]),
        ..Expectations::default()
    });
    let check = |iss: &str, aud: &str, typ: &str| {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
        let claims = format!(r#"{{"exp":1900000000,"sub":"ada","iss":"{iss}","aud":"{aud}"}}"#);
        admit(&gate, &signed(header.as_bytes(), claims.as_bytes()))
    };
    let iss = || unusable("iss is not in JWT_ISSUER");
    let aud = || unusable("aud is not in JWT_AUDIENCE");
    let (right, at) = ("https://caf\u{e9}.example", "at+jwt");
    assert_rows([
        ("same", check(right, "chat", at), ada()),
        (
            "escaped",
            check(r"https://caf\u00e9.example", r"\u0063hat", r"a\u0074+jwt"),
            ada(),
        ),
        (
            "slashes escaped",
            check(r"https:\/\/caf\u00E9.example", "chat", at),
            ada(),
        ),
        (
            "composed of two",
            check("https://cafe\u{301}.example", "chat", at),
            iss(),
        ),
        (
            "other case",
            check("https://CAF\u{c9}.example", "chat", at),
            iss(),
        ),
        (
            "in ASCII",
            check("https://xn--caf-dma.example", "chat", at),
            iss(),
        ),
        ("a look-alike", check(right, "ch\u{430}t", at), aud()),
        ("full width", check(right, "\u{ff43}hat", at), aud()),
        ("a NUL behind", check(right, r"chat\u0000", at), aud()),
        ("an invisible one", check(right, "cha\u{200b}t", at), aud()),
        (
            "typ with a sign that has no case of ASCII",
            check(right, "chat", "at+\u{17f}jwt"),
            unusable("typ is not in JWT_TYP"),
        ),
    ]);
}

/// Neither is one unwrapped (RFC 7519 §7.2, steps 8 to 10) nor is anything deciphered.
#[test]
fn a_token_within_a_token_is_none() {
    let gate = gate(Expectations::default());
    let inner = hs256(PAYLOAD);
    let outer =
        |header: &str, payload: &str| admit(&gate, &Signer::Hs256(SECRET).token(header, payload));
    let cty = r#"{"alg":"HS256","cty":"JWT"}"#;
    let no_json = || invalid("payload: expected value at line 1 column 1");
    let encrypted = |header: &str| {
        let rest = [[1; 16].as_slice(), &[2; 12], &[3; 60], &[4; 16]].map(base64url);
        admit(&gate, &format!("{}.{}", base64url(header), rest.join(".")))
    };
    let five = || invalid("not three segments");
    assert_rows([
        ("nested", outer(cty, &inner), no_json()),
        ("nested and not said", outer(HEADER, &inner), no_json()),
        (
            "nested as a text",
            outer(cty, &format!("\"{inner}\"")),
            invalid("payload: it is not an object"),
        ),
        ("cty alone says nothing", outer(cty, PAYLOAD), ada()),
        (
            "encrypted by the secret",
            encrypted(r#"{"alg":"dir","enc":"A256GCM"}"#),
            five(),
        ),
        (
            "encrypted to a public key",
            encrypted(r#"{"alg":"RSA-OAEP","enc":"A128GCM","zip":"DEF"}"#),
            five(),
        ),
        (
            "encrypted to a point",
            encrypted(r#"{"alg":"ECDH-ES","enc":"A128GCM","epk":{}}"#),
            five(),
        ),
        (
            "encrypted by name, signed by form",
            outer(r#"{"alg":"dir","enc":"A256GCM"}"#, PAYLOAD),
            invalid("alg is not one that is verified here"),
        ),
    ]);
}
