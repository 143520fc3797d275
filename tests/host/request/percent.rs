//! Percent-encoding is decoded strictly, in paths and in queries.

use portcullis::request::percent::{EncodingFault, decode, has_escape, pairs};

use crate::common::assert_rows;

const MALFORMED: Result<&str, EncodingFault> = Err(EncodingFault::Malformed);
const NOT_UTF8: Result<&str, EncodingFault> = Err(EncodingFault::NotUtf8);

#[test]
fn a_text_is_decoded_once_or_refused() {
    let rows = [
        ("", Ok("")),
        ("a b+c", Ok("a b+c")),
        ("%41%62", Ok("Ab")),
        ("%C3%a9", Ok("\u{e9}")),
        ("\u{e9}", Ok("\u{e9}")),
        ("%2541", Ok("%41")),
        ("%EF%BF%BD", Ok("\u{fffd}")),
        ("\u{fffd}", NOT_UTF8),
        ("%", MALFORMED),
        ("a%4", MALFORMED),
        ("%4g", MALFORMED),
        ("%g4", MALFORMED),
        ("%+4", MALFORMED),
        ("%%41", MALFORMED),
        ("%41%", MALFORMED),
        ("%\u{ff11}1", MALFORMED),
        ("%FF", NOT_UTF8),
        ("%C3", NOT_UTF8),
        ("%C0%80", NOT_UTF8),
    ];
    assert_rows(rows.map(|(text, expected)| {
        let actual = decode(text).map(|decoded| decoded.into_owned());
        (text, actual, expected.map(str::to_owned))
    }));
}

#[test]
fn an_escape_is_a_percent_sign_before_two_digits() {
    let rows = [
        ("", false),
        ("41", false),
        ("%", false),
        ("%4", false),
        ("%4g", false),
        ("100% x", false),
        ("%41", true),
        ("%%41", true),
        ("a%fF", true),
    ];
    assert_rows(rows.map(|(text, expected)| (text, has_escape(text), expected)));
}

#[test]
fn a_query_is_read_as_a_form() {
    type Pairs = Vec<(String, String)>;
    let read = |query: &str| -> Result<Pairs, EncodingFault> {
        let owned = |pair: Result<(_, _), _>| {
            let (name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>) = pair?;
            Ok((name.into_owned(), value.into_owned()))
        };
        pairs(query).map(owned).collect()
    };
    let of = |pairs: &[(&str, &str)]| -> Result<Pairs, EncodingFault> {
        let pairs = pairs.iter();
        Ok(pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect())
    };
    assert_rows([
        ("nothing", read(""), of(&[])),
        ("only separators", read("&&"), of(&[])),
        ("a pair", read("a=b"), of(&[("a", "b")])),
        ("several", read("a=b&&a=c"), of(&[("a", "b"), ("a", "c")])),
        ("no value", read("a&b="), of(&[("a", ""), ("b", "")])),
        ("no name", read("=b"), of(&[("", "b")])),
        ("two equals signs", read("a=b=c"), of(&[("a", "b=c")])),
        ("spaces", read("a+b=c+d%2B%20"), of(&[("a b", "c d+ ")])),
        (
            "an encoded separator",
            read("a%26b=c%3Dd"),
            of(&[("a&b", "c=d")]),
        ),
        (
            "a malformed value",
            read("a=%"),
            Err(EncodingFault::Malformed),
        ),
        (
            "a malformed name",
            read("%2=a"),
            Err(EncodingFault::Malformed),
        ),
        (
            "a plus sign in an escape",
            read("a=%+1"),
            Err(EncodingFault::Malformed),
        ),
        ("no UTF-8", read("a=%FF+"), Err(EncodingFault::NotUtf8)),
    ]);
}
