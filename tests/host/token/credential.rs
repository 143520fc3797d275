//! Where a token is found.

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Authentication, Credential, Expectations, Key, Source, TokenConflict};

use crate::common::runtime::MAX_BYTES;
use crate::common::runtime::{self, Bench, issuer};
use crate::common::{Ask, NOW, NOW_SECONDS, SECRET, assert_rows, hs256, strings};

fn cookie() -> Source {
    Source::Cookie("token".into())
}

fn query() -> Source {
    Source::Query("token".into())
}

/// The token and where it stood, in a request with these subprotocols.
fn find(
    sources: &[Source],
    ask: &Ask,
    protocols: &[&str],
) -> Result<Option<(String, Vec<Source>)>, Rejection> {
    let found = Credential::find(sources, &ask.request(), &strings(protocols))?;
    Ok(found.map(|credential| (credential.token().to_owned(), credential.found)))
}

fn found(token: &str, sources: &[Source]) -> Result<Option<(String, Vec<Source>)>, Rejection> {
    Ok(Some((token.to_owned(), sources.to_vec())))
}

fn nothing() -> Result<Option<(String, Vec<Source>)>, Rejection> {
    Ok(None)
}

fn ambiguous(cause: &'static str) -> Result<Option<(String, Vec<Source>)>, Rejection> {
    Err(Reason::AmbiguousToken.because(cause))
}

#[test]
fn the_header_holds_a_bearer_token() {
    let rows = [
        ("usual", "Bearer a.b.c", found("a.b.c", &[Source::Header])),
        (
            "lower case",
            "bearer a.b.c",
            found("a.b.c", &[Source::Header]),
        ),
        (
            "upper case",
            "BEARER a.b.c",
            found("a.b.c", &[Source::Header]),
        ),
        (
            "more white space",
            " Bearer  a.b.c\t",
            found("a.b.c", &[Source::Header]),
        ),
        ("without a token", "Bearer", found("", &[Source::Header])),
        ("with only a space", "Bearer ", found("", &[Source::Header])),
        ("two words", "Bearer a b", found("a b", &[Source::Header])),
        ("basic", "Basic dTpw", nothing()),
        ("longer scheme", "Bearers a.b.c", nothing()),
        ("no scheme", "a.b.c", nothing()),
        ("bearer behind another", "Digest a, Bearer b", nothing()),
        ("empty", "", nothing()),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        let ask = Ask::upgrade().with("authorization", value);
        (name, find(&[Source::Header], &ask, &[]), expected)
    }));
    assert_eq!(find(&[Source::Header], &Ask::upgrade(), &[]), nothing());
}

#[test]
fn the_subprotocol_after_bearer_is_a_token() {
    let ask = Ask::upgrade();
    let at = |protocols: &[&str]| find(&[Source::Subprotocol], &ask, protocols);
    let token = || found("a.b.c", &[Source::Subprotocol]);
    let alone =
        || Err(Reason::TokenInvalid.because("the subprotocol bearer has no token after it"));
    assert_rows([
        ("alone", at(&["bearer", "a.b.c"]), token()),
        ("before others", at(&["bearer", "a.b.c", "chat"]), token()),
        ("behind others", at(&["chat", "bearer", "a.b.c"]), token()),
        ("bearer last", at(&["chat", "bearer"]), alone()),
        ("only bearer", at(&["bearer"]), alone()),
        ("other case", at(&["Bearer", "a.b.c"]), token()),
        (
            "twice in other case",
            at(&["bearer", "a.b.c", "BEARER", "d.e.f"]),
            ambiguous("subprotocol disagrees with subprotocol"),
        ),
        ("none", at(&[]), nothing()),
        ("others", at(&["chat", "a.b.c"]), nothing()),
    ]);
}

#[test]
fn the_auth_token_of_phoenix_is_a_token() {
    let ask = Ask::upgrade();
    let at = |protocols: &[&str]| find(&[Source::Subprotocol], &ask, protocols);
    let token = |text| found(text, &[Source::Subprotocol]);
    let unreadable = || {
        Err(Reason::TokenInvalid
            .because("the subprotocol base64url.bearer.phx. has no token in base64url"))
    };
    assert_rows([
        (
            "behind phoenix",
            at(&["phoenix", "base64url.bearer.phx.YS5iLmM"]),
            token("a.b.c"),
        ),
        (
            "in the alphabet of standard base64",
            at(&["base64url.bearer.phx.YWJ+"]),
            token("ab~"),
        ),
        (
            "beside the same token",
            at(&["bearer", "a.b.c", "base64url.bearer.phx.YS5iLmM"]),
            token("a.b.c"),
        ),
        (
            "beside another token",
            at(&["bearer", "d.e.f", "base64url.bearer.phx.YS5iLmM"]),
            ambiguous("subprotocol disagrees with subprotocol"),
        ),
        ("padded", at(&["base64url.bearer.phx.YQ=="]), unreadable()),
        ("no UTF-8", at(&["base64url.bearer.phx._w"]), unreadable()),
        ("another name", at(&["base64url.bearer.x.YQ"]), nothing()),
    ]);
}

#[test]
fn the_cookie_of_the_configured_name_is_a_token() {
    let one = |token| found(token, &[cookie()]);
    let rows = [
        ("alone", "token=a.b.c", one("a.b.c")),
        ("among others", "x=1; token=a.b.c; y=2", one("a.b.c")),
        ("without spaces", "x=1;token=a.b.c;y=2", one("a.b.c")),
        ("quoted", "token=\"a.b.c\"", one("a.b.c")),
        ("half quoted", "token=\"a.b.c", one("\"a.b.c")),
        ("quoted nothing", "token=\"\"", one("")),
        ("white space around", "token = a.b.c ", one("a.b.c")),
        ("equals sign inside", "token=a=b", one("a=b")),
        ("empty", "token=", one("")),
        ("without a value", "token", one("")),
        ("repeated, the same", "token=a; token=a", one("a")),
        (
            "repeated, another",
            "token=a; token=b",
            ambiguous("cookie:token disagrees with cookie:token"),
        ),
        ("other case", "Token=a", nothing()),
        (
            "longer name",
            "mytoken=a; tokens=b; __Host-token=c",
            nothing(),
        ),
        ("in another's value", "x=token=a", nothing()),
        ("no cookie", "", nothing()),
        ("only separators", "; ;", nothing()),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        let ask = Ask::upgrade().with("cookie", value);
        (name, find(&[cookie()], &ask, &[]), expected)
    }));
}

#[test]
fn a_token_in_a_second_cookie_header_is_a_bad_handshake() {
    let repeated = || Err(Reason::BadHandshake.because("Cookie is repeated"));
    let two = |first, second| {
        let ask = Ask::upgrade().and("cookie", first).and("cookie", second);
        find(&[cookie()], &ask, &[])
    };
    assert_rows([
        ("in the second", two("x=1", "token=t"), repeated()),
        ("in both", two("token=t", "token=t"), repeated()),
        ("in neither", two("x=1", "y=2"), nothing()),
        ("a longer name", two("x=1", "tokens=t"), nothing()),
    ]);
    let elsewhere = Ask::upgrade().and("cookie", "x=1").and("cookie", "token=t");
    assert_eq!(find(&[Source::Header], &elsewhere, &[]), nothing());
}

#[test]
fn the_parameter_of_the_configured_name_is_a_token() {
    let one = |token| found(token, &[query()]);
    let rows = [
        ("alone", "?token=a.b.c", one("a.b.c")),
        ("among others", "?x=1&token=a.b.c&y", one("a.b.c")),
        ("value encoded", "?token=a%2Eb%2ec", one("a.b.c")),
        ("name encoded", "?%74oken=a.b.c", one("a.b.c")),
        ("plus is a space", "?token=a+b", one("a b")),
        ("empty", "?token=", one("")),
        ("without a value", "?token", one("")),
        ("repeated, the same", "?token=a&token=a", one("a")),
        (
            "repeated, one encoded",
            "?token=a.b&token=a%2eb",
            one("a.b"),
        ),
        (
            "repeated, another",
            "?token=a&token=b",
            ambiguous("query:token disagrees with query:token"),
        ),
        ("semicolon separates nothing", "?x=1;token=a", nothing()),
        ("other case", "?Token=a", nothing()),
        ("brackets", "?token[]=a", nothing()),
        ("no query", "", nothing()),
        ("empty query", "?", nothing()),
        ("in the fragment", "#token=a", nothing()),
        ("in the path", "/token=a", nothing()),
    ];
    assert_rows(rows.map(|(name, rest, expected)| {
        let ask = Ask::upgrade().url(&format!("https://gate.example/chat{rest}"));
        (name, find(&[query()], &ask, &[]), expected)
    }));
}

#[test]
fn several_sources_must_agree() {
    let all = [Source::Header, Source::Subprotocol, cookie(), query()];
    let ask = |header: &str, cookie: &str, query: &str| {
        Ask::upgrade()
            .with("authorization", header)
            .with("cookie", cookie)
            .url(&format!("https://gate.example/?{query}"))
    };
    let bearer = ["bearer", "t", "chat"];
    let rows = [
        (
            "all four",
            ask("Bearer t", "token=t", "token=t"),
            &bearer[..],
            found("t", &all),
        ),
        (
            "two",
            ask("", "token=t", "token=t"),
            &[],
            found("t", &[cookie(), query()]),
        ),
        (
            "subprotocol and header",
            ask("Bearer t", "", ""),
            &bearer,
            found("t", &[Source::Header, Source::Subprotocol]),
        ),
        (
            "header and subprotocol disagree",
            ask("Bearer u", "", ""),
            &bearer,
            ambiguous("subprotocol disagrees with header"),
        ),
        (
            "the last disagrees",
            ask("Bearer t", "token=t", "token=u"),
            &bearer,
            ambiguous("query:token disagrees with header"),
        ),
        (
            "an empty one disagrees",
            ask("Bearer t", "token=", ""),
            &[],
            ambiguous("cookie:token disagrees with header"),
        ),
        (
            "none",
            ask("Basic x", "x=token", "x=token"),
            &["chat"],
            nothing(),
        ),
    ];
    assert_rows(
        rows.map(|(name, ask, protocols, expected)| (name, find(&all, &ask, protocols), expected)),
    );
}

#[test]
fn only_configured_sources_are_looked_into() {
    let ask = Ask::upgrade()
        .with("authorization", "Bearer a")
        .with("cookie", "token=b; other=c")
        .url("https://gate.example/?token=d&access_token=e");
    assert_rows([
        (
            "header",
            find(&[Source::Header], &ask, &["bearer", "f"]),
            found("a", &[Source::Header]),
        ),
        (
            "cookie",
            find(&[cookie()], &ask, &[]),
            found("b", &[cookie()]),
        ),
        ("none of them", find(&[], &ask, &["bearer", "f"]), nothing()),
    ]);
}

#[test]
fn no_token_is_fine_only_where_it_is_optional_and_a_bad_one_never() {
    let gate = |required| Authentication {
        required,
        sessions: None,
        max_bytes: MAX_BYTES,
        sources: vec![Source::Header, Source::Subprotocol],
        on_conflict: TokenConflict::Refuse,
        issuers: vec![issuer(
            [Key::from_secret(SECRET.to_vec()).expect("long enough")],
            Expectations::default(),
        )],
    };
    let check = |required, header: Option<&str>, protocols: &[&str]| {
        let ask = header.map_or_else(Ask::upgrade, |value| {
            Ask::upgrade().with("authorization", value)
        });
        let (checked, _) =
            runtime::check(&Bench::at(NOW), &gate(required), &ask, &strings(protocols));
        checked.map(|authenticated| {
            (
                authenticated.identity.is_some(),
                authenticated.credential.is_some(),
            )
        })
    };
    let good = format!(
        "Bearer {}",
        hs256(&format!(r#"{{"exp":{}}}"#, NOW_SECONDS + 1))
    );
    let invalid = || Err(Reason::TokenInvalid.because("not three segments"));
    let alone = Reason::TokenInvalid.because("the subprotocol bearer has no token after it");
    let missing = Reason::TokenMissing.because("no token in any of TOKEN_SOURCES");
    assert_rows([
        ("required, missing", check(true, None, &[]), Err(missing)),
        (
            "required, good",
            check(true, Some(&good), &[]),
            Ok((true, true)),
        ),
        (
            "optional, missing",
            check(false, None, &[]),
            Ok((false, false)),
        ),
        (
            "optional, good",
            check(false, Some(&good), &[]),
            Ok((true, true)),
        ),
        (
            "optional, bad",
            check(false, Some("Bearer x"), &[]),
            invalid(),
        ),
        (
            "optional, empty",
            check(false, Some("Bearer"), &[]),
            invalid(),
        ),
        (
            "optional, bearer alone",
            check(false, None, &["bearer"]),
            Err(alone),
        ),
        (
            "optional, another scheme",
            check(false, Some("Basic x"), &[]),
            Ok((false, false)),
        ),
    ]);
}

#[test]
fn a_credential_does_not_show_its_token() {
    let ask = Ask::upgrade().with("authorization", "Bearer a.b.c");
    let credential = Credential::find(&[Source::Header], &ask.request(), &[]);
    assert_eq!(
        format!("{credential:?}"),
        "Ok(Some(Credential { token: REDACTED, found: [Header] }))"
    );
}
