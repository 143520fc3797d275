//! The form of a token: segments, base64url, JSON, size and signature.

use portcullis::response::reason::Rejection;
use portcullis::token::{Authentication, Expectations, Key};

use crate::common::claims::{ada, invalid};
use crate::common::runtime::MAX_BYTES;
use crate::common::runtime::{gate_with, subject_of as admit};
use crate::common::{
    RFC8037_X, SECRET, Signer, assert_rows, base64url, hs256, object, rfc8037_key, signing_input,
};

const PAYLOAD: &str = r#"{"exp":1900000000,"sub":"ada"}"#;
const SIGNATURE: &str = "the signature does not verify";

fn gate() -> Authentication {
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}"#);
    let keys = [
        Key::from_secret(SECRET.to_vec()).expect("long enough"),
        Key::from_jwk(&object(&jwk)).expect("sound"),
    ];
    gate_with(keys, Expectations::default())
}

fn mac(header: &str) -> Result<String, Rejection> {
    admit(&gate(), &Signer::Hs256(SECRET).token(header, PAYLOAD))
}

#[test]
fn duplicate_members_are_refused_in_both_parts_at_any_depth() {
    let payload = |payload: &str| admit(&gate(), &hs256(payload));
    let twice = |part, column| {
        invalid(format!(
            "{part}: a member stands twice at line 1 column {column}"
        ))
    };
    assert_rows([
        (
            "alg",
            mac(r#"{"alg":"none","alg":"HS256"}"#),
            twice("header", 28),
        ),
        (
            "alg escaped",
            mac(r#"{"alg":"none","\u0061lg":"HS256"}"#),
            twice("header", 33),
        ),
        (
            "kid",
            mac(r#"{"alg":"HS256","kid":"mac","kid":"mac"}"#),
            twice("header", 39),
        ),
        (
            "unread, nested",
            mac(r#"{"alg":"HS256","x":[{"a":1,"a":2}]}"#),
            twice("header", 33),
        ),
        (
            "exp",
            payload(r#"{"exp":1,"exp":1900000000}"#),
            twice("payload", 26),
        ),
        (
            "sub",
            payload(r#"{"exp":1900000000,"sub":"a","sub":"b"}"#),
            twice("payload", 38),
        ),
        (
            "nested",
            payload(r#"{"exp":1900000000,"x":{"y":{"a":1,"a":1}}}"#),
            twice("payload", 40),
        ),
        (
            "same name elsewhere",
            payload(r#"{"exp":1900000000,"sub":"ada","x":{"exp":1}}"#),
            ada(),
        ),
    ]);
}

#[test]
fn each_part_is_one_json_object() {
    let rows = [
        ("array", "[]", "it is not an object"),
        ("string", "\"x\"", "it is not an object"),
        ("number", "1", "it is not an object"),
        ("null", "null", "it is not an object"),
        (
            "nothing",
            "",
            "EOF while parsing a value at line 1 column 0",
        ),
        (
            "open",
            "{",
            "EOF while parsing an object at line 1 column 1",
        ),
        ("two", "{}{}", "trailing characters at line 1 column 3"),
        ("comment", "{}//", "trailing characters at line 1 column 3"),
        (
            "trailing comma",
            r#"{"a":1,}"#,
            "trailing comma at line 1 column 8",
        ),
        (
            "single quotes",
            "{'a':1}",
            "key must be a string at line 1 column 2",
        ),
        (
            "byte order mark",
            "\u{feff}{}",
            "expected value at line 1 column 1",
        ),
        (
            "lone surrogate",
            r#"{"a":"\ud800"}"#,
            "unexpected end of hex escape at line 1 column 13",
        ),
        (
            "control character",
            "{\"a\":\"\n\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
        ),
    ];
    assert_rows(rows.iter().flat_map(|(name, json, problem)| {
        let payload = admit(&gate(), &hs256(json));
        [
            (
                format!("header {name}"),
                mac(json),
                invalid(format!("header: {problem}")),
            ),
            (
                format!("payload {name}"),
                payload,
                invalid(format!("payload: {problem}")),
            ),
        ]
    }));
    let nested = format!(r#"{{"a":{}}}"#, "[".repeat(2000));
    let refused = admit(&gate(), &hs256(&nested));
    assert_eq!(
        refused,
        invalid("payload: recursion limit exceeded at line 1 column 132")
    );
}

#[test]
fn a_token_has_three_segments_of_canonical_base64url() {
    let token = hs256(PAYLOAD);
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three segments")
    };
    let mut rows = Vec::new();
    let mut row = |name: &str, token: String, expected| {
        rows.push((name.to_owned(), admit(&gate(), &token), expected));
    };
    row("as it is", token.clone(), ada());
    let three = || invalid("not three segments");
    for count in [0, 1, 2, 4, 5, 6] {
        let name = format!("{count} segments");
        row(&name, vec![header; count].join("."), three());
    }
    row("trailing dot", format!("{token}."), three());
    row("leading dot", format!(".{token}"), three());
    let empty = || invalid("header: EOF while parsing a value at line 1 column 0");
    row("only dots", "..".into(), empty());
    row("no header", format!(".{payload}.{signature}"), empty());
    row(
        "no payload",
        format!("{header}..{signature}"),
        invalid(SIGNATURE),
    );
    row(
        "no signature",
        format!("{header}.{payload}."),
        invalid(SIGNATURE),
    );
    for (part, at) in [("header", 0), ("payload", 1), ("signature", 2)] {
        let segment = parts[at];
        let (front, last) = segment.split_at(segment.len() - 1);
        let changes = [
            ("padded", format!("{segment}=")),
            ("padded twice", format!("{segment}==")),
            ("with a space", format!("{front} {last}")),
            ("with a line break", format!("{front}\n{last}")),
            ("with a plus", format!("{front}+")),
            ("with a slash", format!("{front}/")),
            ("beyond ASCII", format!("{front}é")),
            ("with a NUL", format!("{front}\0")),
            ("of an impossible length", "AAAAA".into()),
            ("with spare bits", "AAAAAB".into()),
        ];
        for (name, changed) in changes {
            let mut segments = parts.clone();
            segments[at] = &changed;
            // Signed anew, or the signature would hide what is wrong with the payload.
            let message = segments[..2].join(".");
            let signature = base64url(Signer::Hs256(SECRET).signature(&message));
            if at < 2 {
                segments[2] = &signature;
            }
            let expected = invalid(format!("{part} is not canonical base64url"));
            row(&format!("{part} {name}"), segments.join("."), expected);
        }
    }
    assert_rows(rows);
}

#[test]
fn a_token_of_token_max_bytes_is_read_and_a_longer_one_is_not() {
    let filled = |length: usize| {
        // Base64 makes four characters of three bytes, so this is a little too long.
        let mut filler = length / 4 * 3;
        loop {
            let token = hs256(&format!(
                r#"{{"exp":1900000000,"sub":"ada","x":"{}"}}"#,
                "x".repeat(filler)
            ));
            if token.len() <= length {
                return token;
            }
            filler -= 1;
        }
    };
    let (largest, larger) = (filled(MAX_BYTES), filled(MAX_BYTES + 1));
    assert_eq!((largest.len(), larger.len()), (16_384, 16_385));
    assert_eq!(admit(&gate(), &largest), ada());
    let longer = || invalid("longer than the 16384 bytes of TOKEN_MAX_BYTES");
    assert_eq!(admit(&gate(), &larger), longer());
    assert_eq!(
        admit(&gate(), &".".repeat(10_000_000)),
        longer(),
        "before any work"
    );
}

#[test]
fn a_signature_is_of_its_algorithms_length_and_of_every_byte() {
    let pair = rfc8037_key();
    for (signer, header) in [
        (Signer::Hs256(SECRET), r#"{"alg":"HS256"}"#),
        (Signer::Ed25519(&pair), r#"{"alg":"EdDSA"}"#),
    ] {
        let message = signing_input(header, PAYLOAD);
        let signature = signer.signature(&message);
        let admit = |bytes: &[u8]| admit(&gate(), &format!("{message}.{}", base64url(bytes)));
        assert_eq!(admit(&signature), ada(), "{header}");
        for length in 0..signature.len() {
            assert_eq!(
                admit(&signature[..length]),
                invalid(SIGNATURE),
                "{header} {length} bytes"
            );
        }
        assert_eq!(
            admit(&[&signature[..], &[0]].concat()),
            invalid(SIGNATURE),
            "{header} longer"
        );
        assert_eq!(
            admit(&vec![0; signature.len()]),
            invalid(SIGNATURE),
            "{header} zeros"
        );
        for at in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[at] ^= 1 << (at % 8);
            assert_eq!(admit(&flipped), invalid(SIGNATURE), "{header} byte {at}");
        }
    }
}
