//! A token in the first message of a socket.

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Credential, Source, TokenConflict};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{assert_rows, cases};

fn at(pointer: &str) -> Source {
    Source::Message(pointer.to_owned())
}

fn find(pointers: &[&str], message: &str) -> Result<Option<String>, Rejection> {
    let sources: Vec<_> = pointers.iter().map(|pointer| at(pointer)).collect();
    let found = Credential::find_in_message(TokenConflict::Refuse, &sources, message.as_bytes())?;
    Ok(found.map(|credential| credential.token().to_owned()))
}

#[test]
fn the_text_at_the_pointer_is_the_token() {
    let one = || Ok(Some("a.b.c".to_owned()));
    let nothing = || Ok(None);
    let in_two_ways = || {
        let cause = "the first message can't be read as JSON in one way only";
        Err(Reason::TokenMissing.because(cause))
    };
    let not_text =
        || Err(Reason::TokenInvalid.because("the token in the first message is not a string"));
    let rows = [
        ("usual", r#"{"payload":{"token":"a.b.c"}}"#, one()),
        (
            "behind Bearer",
            r#"{"payload":{"token":"Bearer a.b.c"}}"#,
            one(),
        ),
        (
            "escaped",
            r#"{"pay\u006coad":{"token":"a\u002eb.c"}}"#,
            one(),
        ),
        (
            "empty",
            r#"{"payload":{"token":""}}"#,
            Ok(Some(String::new())),
        ),
        ("null", r#"{"payload":{"token":null}}"#, nothing()),
        ("elsewhere", r#"{"token":"a.b.c"}"#, nothing()),
        ("a number", r#"{"payload":{"token":7}}"#, not_text()),
        ("an object", r#"{"payload":{"token":{}}}"#, not_text()),
        ("a text in its way", r#"{"payload":"token"}"#, nothing()),
        (
            "twice",
            r#"{"payload":{"token":"a.b.c","token":"x"}}"#,
            in_two_ways(),
        ),
        (
            "more behind it",
            r#"{"payload":{"token":"a.b.c"}} {}"#,
            in_two_ways(),
        ),
        (
            "half a character",
            r#"{"payload":{"token":"a.b.c"},"x":"\ud800"}"#,
            in_two_ways(),
        ),
        ("behind a mark", "\u{feff} [\"a.b.c\"]", in_two_ways()),
        ("no JSON", "a.b.c", nothing()),
        ("nothing", "", nothing()),
    ];
    assert_rows(
        rows.map(|(name, message, expected)| (name, find(&["/payload/token"], message), expected)),
    );
    let two = ["/a", "/b"];
    assert_rows([
        (
            "two that agree",
            find(&two, r#"{"a":"t","b":"Bearer t"}"#),
            Ok(Some("t".into())),
        ),
        (
            "two that don't",
            find(&two, r#"{"a":"t","b":"u"}"#),
            Err(Reason::AmbiguousToken.because("message:/b disagrees with message:/a")),
        ),
    ]);
    let source = [Source::Header];
    let elsewhere = Credential::find_in_message(TokenConflict::Refuse, &source, br#"{"a":"t"}"#);
    assert_eq!(elsewhere, Ok(None));
}

#[test]
fn a_binary_message_is_read_as_utf_8_and_never_guessed_at() {
    let find = |message: &[u8]| {
        let found = Credential::find_in_message(TokenConflict::Refuse, &[at("/t")], message);
        found
            .map(|found| found.map(|credential| credential.token().to_owned()))
            .map_err(|fault| Rejection::from(fault).reason)
    };
    let text = r#" {"t":"a.b.c","u":"é"}"#;
    let utf_16 =
        |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
    let [little, big] = [utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes)];
    let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
    let utf_32: Vec<_> = text
        .chars()
        .flat_map(|c| (c as u32).to_be_bytes())
        .collect();
    let latin_1: Vec<_> = text.chars().map(|c| c as u8).collect();
    let guessed = || Err(Reason::TokenMissing);
    assert_rows([
        ("UTF-8", find(text.as_bytes()), Ok(Some("a.b.c".into()))),
        (
            "UTF-8, marked",
            find(&marked(b"\xef\xbb\xbf", text.as_bytes())),
            guessed(),
        ),
        ("ISO 8859-1", find(&latin_1), guessed()),
        ("UTF-16", find(&little), guessed()),
        ("UTF-16, big end first", find(&big), guessed()),
        (
            "UTF-16, marked",
            find(&marked(b"\xff\xfe", &little)),
            guessed(),
        ),
        (
            "UTF-16, big end first, marked",
            find(&marked(b"\xfe\xff", &big)),
            guessed(),
        ),
        ("UTF-32", find(&utf_32), guessed()),
        ("something else", find(b"\x82\xa1t\xa5a.b.c"), Ok(None)),
        ("zeros", find(&[0; 8]), Ok(None)),
    ]);
}

fn stripped(pointers: &[&str], message: &str) -> String {
    let sources: Vec<_> = pointers.iter().map(|pointer| at(pointer)).collect();
    let found = Credential::find_in_message(TokenConflict::First, &sources, message.as_bytes());
    let found = found.expect("a text").expect("a token");
    found.without_token(message.as_bytes())
}

#[test]
fn the_token_is_taken_out_and_the_rest_stays_byte_for_byte() {
    let rows: [(_, &[&str], _, _); 13] = [
        ("alone", &["/t"], r#"{"t":"x"}"#, "{}"),
        ("first", &["/t"], r#"{"t":"x", "a":1e2}"#, r#"{"a":1e2}"#),
        ("last", &["/t"], r#"{"a":1 ,"t":"x" }"#, r#"{"a":1  }"#),
        (
            "between",
            &["/t"],
            r#"{"a":[1,{}],"t":"x","b":"}"}"#,
            r#"{"a":[1,{}],"b":"}"}"#,
        ),
        (
            "deep",
            &["/p/t"],
            r#"{ "t":"y", "p" : { "t" : "x" } }"#,
            r#"{ "t":"y", "p" : {  } }"#,
        ),
        (
            "behind look-alikes",
            &["/p/t"],
            r#"{"a":"{\"p\":","b":{"t":"y"},"p":{"x":"\\\"t","t":"x"}}"#,
            r#"{"a":"{\"p\":","b":{"t":"y"},"p":{"x":"\\\"t"}}"#,
        ),
        ("in an array", &["/1"], r#"["a","x",2]"#, r#"["a",2]"#),
        ("twice in an array", &["/0", "/1"], r#"["x","x",2]"#, "[2]"),
        (
            "within an array",
            &["/0/t"],
            r#"[{"t":"x"},{"t":"y"}]"#,
            r#"[{},{"t":"y"}]"#,
        ),
        (
            "an escaped name",
            &["/a~1b"],
            r#"{"a\/b":"x","c":1}"#,
            r#"{"c":1}"#,
        ),
        (
            "two",
            &["/a", "/b"],
            r#"{"a":"x","c":1,"b":"x"}"#,
            r#"{"c":1}"#,
        ),
        (
            "beyond ASCII",
            &["/t"],
            r#"{"é":"ø","t":"x","ü":"ß"}"#,
            r#"{"é":"ø","ü":"ß"}"#,
        ),
        (
            "lines",
            &["/t"],
            "{\n\t\"t\": \"x\",\r\n \"a\": true\n}",
            "{\n\t\"a\": true\n}",
        ),
    ];
    assert_rows(rows.map(|(name, pointers, message, expected)| {
        (name, stripped(pointers, message), expected.to_owned())
    }));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c\"\\\\{}\\[\\],: é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\}]{0,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_message_without_its_token_is_the_same_json_without_that_member(
        rest in prop::collection::btree_map("[a-c\"\\\\}]{1,3}", any_json(), 0..4),
        is_pretty in any::<bool>(),
    ) {
        let inner = Value::Object(rest.into_iter().collect());
        let mut with = inner.clone();
        with["the token"] = json!("Bearer x");
        let message = json!({ "a": inner.clone(), "p": with });
        let text = match is_pretty {
            true => serde_json::to_string_pretty(&message),
            false => serde_json::to_string(&message),
        };
        let left = stripped(&["/p/the token"], &text.expect("JSON"));
        let left: Value = serde_json::from_str(&left).expect("JSON");
        prop_assert_eq!(left, json!({ "a": inner.clone(), "p": inner }));
    }

    #[test]
    fn no_bytes_are_too_strange(mut message in prop::collection::vec(any::<u8>(), 0..40)) {
        let source = [at("/t")];
        for begins in [&b""[..], b"{\"t\":\""] {
            message.splice(..0, begins.iter().copied());
            let found = Credential::find_in_message(TokenConflict::First, &source, &message);
            if let Ok(Some(found)) = found {
                prop_assert!(std::str::from_utf8(&message).is_ok());
                found.without_token(&message);
            }
        }
    }

    #[test]
    fn no_message_is_too_strange(message in "[{}\\[\\]\",:\\\\ta-c ]{0,40}") {
        // Nothing panics, and what is found can be taken out.
        let source = [at("/t")];
        let found = Credential::find_in_message(TokenConflict::First, &source, message.as_bytes());
        if let Ok(Some(found)) = found {
            let rest = found.without_token(message.as_bytes());
            prop_assert_eq!(
                Credential::find_in_message(TokenConflict::First, &source, rest.as_bytes()),
                Ok(None)
            );
        }
    }
}
