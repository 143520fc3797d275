//! How a token is taken out of a request.

use portcullis::response::reason::Rejection;
use portcullis::token::{Credential, Source, without_cookie, without_parameter};

use crate::common::{Ask, assert_rows, strings};

fn find(source: Source, ask: &Ask) -> Result<Option<Credential>, Rejection> {
    Credential::find(&[source], &ask.request(), &[]).map_err(Rejection::from)
}

/// What is for the server of an offer in which these sources may have found a token.
fn subprotocols_left(sources: &[Source], protocols: &[&str]) -> Vec<String> {
    let header = Ask::upgrade().with("authorization", "Bearer t");
    let mut credential = Credential::find(&[Source::Header], &header.request(), &[])
        .expect("one token")
        .expect("a token");
    credential.found = sources.to_vec();
    let protocols = strings(protocols);
    let left = credential.protocols_left(&protocols);
    left.expect("a place in subprotocols")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn bearer_and_its_token_are_taken_out_of_the_subprotocols() {
    let rows: [(_, &[&str], &[&str]); 9] = [
        ("alone", &["bearer", "t"], &[]),
        ("first", &["bearer", "t", "a", "b"], &["a", "b"]),
        ("in the middle", &["a", "bearer", "t", "b"], &["a", "b"]),
        ("last", &["a", "bearer", "t"], &["a"]),
        ("without a token", &["a", "bearer"], &["a"]),
        ("only the first", &["bearer", "bearer", "t"], &["t"]),
        (
            "Phoenix",
            &["a", "base64url.bearer.phx.dA", "b"],
            &["a", "b"],
        ),
        ("none", &["a", "b"], &["a", "b"]),
        ("nothing", &[], &[]),
    ];
    assert_rows(rows.map(|(name, protocols, expected)| {
        let left = subprotocols_left(&[Source::Subprotocol], protocols);
        (name, left, strings(expected))
    }));
}

#[test]
fn every_cookie_of_the_name_is_taken_out_and_no_other() {
    let rows = [
        ("alone", "token=t", ""),
        ("first", "token=t; a=1; b=2", "a=1; b=2"),
        ("in the middle", "a=1; token=t; b=2", "a=1; b=2"),
        ("last", "a=1; token=t", "a=1"),
        ("twice", "token=t; a=1; token=t", "a=1"),
        ("quoted", "a=\"1 2\"; token=\"t\"", "a=\"1 2\""),
        ("without a value", "token; a=1", "a=1"),
        ("white space around the name", "a=1;  token =t", "a=1"),
        (
            "others untouched",
            "a==; b; =c; d=é; token=t",
            "a==; b; =c; d=é",
        ),
        (
            "look-alikes",
            "tokens=1; Token=2; mytoken=3; x=token=t",
            "tokens=1; Token=2; mytoken=3; x=token=t",
        ),
    ];
    assert_rows(rows.map(|(name, header, expected)| {
        (name, without_cookie(header, "token"), expected.to_owned())
    }));
}

#[test]
fn every_parameter_of_the_name_is_taken_out_and_the_others_stay_byte_for_byte() {
    let rows = [
        ("alone", "token=t", ""),
        ("first", "token=t&a=1", "a=1"),
        ("in the middle", "a=1&token=t&b=2", "a=1&b=2"),
        ("last", "a=1&token=t", "a=1"),
        ("twice", "token=t&a=1&token=t", "a=1"),
        ("name encoded", "%74%6Fken=t&a=1", "a=1"),
        ("without a value", "token&a", "a"),
        (
            "encoding kept",
            "a=%2f%2F+%20é&token=t&b=%zz",
            "a=%2f%2F+%20é&b=%zz",
        ),
        ("empty pairs kept", "a&&token=t&&b=", "a&&&b="),
        (
            "look-alikes",
            "tokens=1&Token=2&x=token&token[]=3&a;token=4",
            "tokens=1&Token=2&x=token&token[]=3&a;token=4",
        ),
    ];
    assert_rows(rows.map(|(name, query, expected)| {
        (name, without_parameter(query, "token"), expected.to_owned())
    }));
}

/// Otherwise a spelling that only one of the two reads would carry the token upstream.
#[test]
fn what_is_found_is_taken_out() {
    let spellings = [
        "token=t",
        "token =t",
        "token= t ",
        " token=t",
        "token=\"t\"",
        "token=t;",
        "a=1;token=t",
    ];
    for header in spellings {
        let ask = Ask::upgrade().with("cookie", &without_cookie(header, "token"));
        assert_eq!(
            find(Source::Cookie("token".into()), &ask),
            Ok(None),
            "{header:?}"
        );
    }
    let spellings = [
        "token=t",
        "%74oken=t",
        "t%6fken",
        "token=%74",
        "a&token=t&",
        "token=t#",
        "&token=t",
    ];
    for text in spellings {
        let rest = without_parameter(text, "token");
        let ask = Ask::upgrade().url(&format!("https://gate.example/?{rest}"));
        assert_eq!(
            find(Source::Query("token".into()), &ask),
            Ok(None),
            "{text:?}"
        );
    }
}
