//! The places that products put a token into: headers of their own, subprotocols behind a prefix,
//! cookies in chunks.

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{
    Authentication, Credential, Expectations, Key, Source, TokenConflict, unchosen_protocol,
    without_cookie,
};

use crate::common::runtime::{Bench, check, gate_with};
use crate::common::{Ask, NOW, SECRET, Signer, assert_rows, base64url, strings};

/// The token that a request holds in one place.
fn find(source: Source, ask: &Ask, protocols: &[&str]) -> Result<Option<String>, Rejection> {
    let found = Credential::find(&[source], &ask.request(), &strings(protocols))?;
    Ok(found.map(|credential| credential.token().to_owned()))
}

fn token(text: &str) -> Result<Option<String>, Rejection> {
    Ok(Some(text.to_owned()))
}

fn prefixed(prefix: &str) -> Source {
    Source::PrefixedSubprotocol(prefix.to_owned())
}

#[test]
fn a_named_header_holds_a_token_with_or_without_bearer() {
    let repeated = || Err(Reason::BadHandshake.because("the header of the token is repeated"));
    let rows = [
        ("bare", "a.b.c", token("a.b.c")),
        ("white space around", " a.b.c\t", token("a.b.c")),
        ("behind Bearer", "Bearer a.b.c", token("a.b.c")),
        ("behind bearer", "bearer  a.b.c", token("a.b.c")),
        ("Bearer alone", "Bearer", token("")),
        ("padded", "YQ==.YQ==.YQ==", token("YQ==.YQ==.YQ==")),
        ("empty", "", Ok(None)),
        ("repeated", "a.b.c, a.b.c", repeated()),
    ];
    let source = || Source::NamedHeader("x-token".into());
    assert_rows(rows.map(|(name, value, expected)| {
        let ask = Ask::upgrade().with("x-token", value);
        (name, find(source(), &ask, &[]), expected)
    }));
    let elsewhere = Ask::upgrade().with("authorization", "Bearer a.b.c");
    assert_eq!(find(source(), &elsewhere, &[]), Ok(None));
}

#[test]
fn a_token_behind_a_prefix_is_decoded_where_the_prefix_says_so() {
    let ask = Ask::upgrade();
    let kubernetes = "base64url.bearer.authorization.k8s.io.";
    let openai = "openai-insecure-api-key.";
    let at = |prefix: &str, protocols: &[&str]| find(prefixed(prefix), &ask, protocols);
    let unreadable = |prefix: &str| {
        let cause = format!("the subprotocol {prefix} has no token in base64url");
        Err(Reason::TokenInvalid.because(cause))
    };
    assert_rows([
        (
            "Kubernetes",
            at(
                kubernetes,
                &[
                    "v4.channel.k8s.io",
                    "base64url.bearer.authorization.k8s.io.YS5iLmM",
                ],
            ),
            token("a.b.c"),
        ),
        (
            "Kubernetes, not encoded",
            at(kubernetes, &["base64url.bearer.authorization.k8s.io.a.b.c"]),
            unreadable(kubernetes),
        ),
        (
            "OpenAI",
            at(openai, &["realtime", "openai-insecure-api-key.a.b.c"]),
            token("a.b.c"),
        ),
        (
            "the prefix alone",
            at(openai, &["openai-insecure-api-key."]),
            token(""),
        ),
        (
            "another case",
            at(openai, &["OpenAI-insecure-api-key.a.b.c"]),
            Ok(None),
        ),
        ("bearer is not read", at(openai, &["bearer", "a"]), Ok(None)),
        (
            "two tokens",
            at("t-", &["t-a", "t-b"]),
            Err(Reason::AmbiguousToken.because("subprotocol:t- disagrees with subprotocol:t-")),
        ),
    ]);
}

#[test]
fn only_the_announced_tokens_are_taken_out_of_the_subprotocols() {
    let ask = Ask::upgrade();
    let left = |sources: &[Source], protocols: &[&str]| {
        let protocols = strings(protocols);
        let found = Credential::find(sources, &ask.request(), &protocols).expect("one token");
        let found = found.expect("a token");
        let left = found.protocols_left(&protocols);
        (
            left.map(|left| left.join(" ")),
            found.bearer(&protocols).map(str::to_owned),
        )
    };
    let bearer = |text: &str| Some(text.to_owned());
    assert_rows([
        (
            "a prefix",
            left(&[prefixed("t-")], &["a", "t-x", "bearer", "b"]),
            (bearer("a bearer b"), None),
        ),
        (
            "both",
            left(
                &[Source::Subprotocol, prefixed("t-")],
                &["a", "t-x", "Bearer", "x"],
            ),
            (bearer("a"), bearer("Bearer")),
        ),
        (
            "nothing else",
            left(&[prefixed("t-")], &["t-x"]),
            (bearer(""), None),
        ),
    ]);
}

#[test]
fn no_answer_names_a_token() {
    let answer = |protocols: &[&str], sources: &[Source]| {
        unchosen_protocol(&strings(protocols), sources).unwrap_or_default()
    };
    let openai = [prefixed("openai-insecure-api-key.")];
    assert_rows([
        (
            "the first that is not a token",
            answer(&["openai-insecure-api-key.a.b.c", "realtime"], &openai),
            "realtime".to_owned(),
        ),
        (
            "only a token",
            answer(&["openai-insecure-api-key.a.b.c"], &openai),
            String::new(),
        ),
        (
            "Phoenix, wherever tokens are looked for",
            answer(&["base64url.bearer.phx.YQ", "phoenix"], &[]),
            "phoenix".to_owned(),
        ),
    ]);
}

fn session(json: &str) -> String {
    format!("base64-{}", base64url(json))
}

#[test]
fn a_cookie_in_chunks_is_one_token() {
    let source = || Source::Cookie("s".into());
    let twice = || Err(Reason::AmbiguousToken.because("two cookies are the same chunk of s"));
    let disagree = || Err(Reason::AmbiguousToken.because("cookie:s disagrees with cookie:s"));
    let rows = [
        ("two", "s.0=a.b; s.1=.c", token("a.b.c")),
        ("in any order", "s.1=.c; x=1; s.0=a.b", token("a.b.c")),
        ("quoted", "s.0=\"a.b\"; s.1=\".c\"", token("a.b.c")),
        (
            "more than ten",
            "s.0=0; s.1=1; s.2=2; s.3=3; s.4=4; s.5=5; s.6=6; s.7=7; s.8=8; s.9=9; s.10=x",
            token("0123456789x"),
        ),
        ("up to a gap", "s.0=a; s.2=c", token("a")),
        ("without the first", "s.1=b", Ok(None)),
        ("the same twice", "s.0=a; s.0=a", token("a")),
        ("another twice", "s.0=a; s.0=b", twice()),
        ("next to the same", "s=ab; s.0=a; s.1=b", token("ab")),
        ("next to another", "s=x; s.0=a", disagree()),
        ("not a number", "s.a=a; s.00=b; s.=c; s.-1=d", Ok(None)),
        ("another name", "t.0=a; ss.0=b", Ok(None)),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        let ask = Ask::upgrade().with("cookie", value);
        (name, find(source(), &ask, &[]), expected)
    }));
    let behind_a_comma = Ask::upgrade().and("cookie", "x=1").and("cookie", "s.0=a");
    assert_eq!(
        find(source(), &behind_a_comma, &[]),
        Err(Reason::BadHandshake.because("Cookie is repeated"))
    );
}

#[test]
fn a_cookie_of_supabase_holds_the_access_token() {
    let source = || Source::Cookie("s".into());
    let unreadable = || Err(Reason::TokenInvalid.because("the cookie has no token in base64url"));
    let without =
        || Err(Reason::TokenInvalid.because("the session in the cookie has no access_token"));
    let whole = session(r#"{"access_token":"a.b.c","refresh_token":"r"}"#);
    let (first, second) = whole.split_at(20);
    let rows = [
        ("whole", format!("s={whole}"), token("a.b.c")),
        (
            "in chunks",
            format!("s.1={second}; s.0={first}"),
            token("a.b.c"),
        ),
        ("padded", format!("s={whole}="), token("a.b.c")),
        (
            "a text",
            format!("s=base64-{}", base64url("a.b.c")),
            token("a.b.c"),
        ),
        (
            "without a token",
            format!("s={}", session(r#"{"user":1}"#)),
            without(),
        ),
        (
            "another kind of token",
            format!("s={}", session(r#"{"access_token":7}"#)),
            without(),
        ),
        ("not base64url", "s=base64-!".into(), unreadable()),
        ("not UTF-8", "s=base64-_w".into(), unreadable()),
    ];
    assert_rows(rows.map(|(name, value, expected)| {
        let ask = Ask::upgrade().with("cookie", &value);
        (name, find(source(), &ask, &[]), expected)
    }));
}

#[test]
fn a_cookie_is_taken_out_with_its_chunks() {
    let rows = [
        ("chunks", "a=1; s.0=x; s.1=y; b=2", "a=1; b=2"),
        ("stale ones as well", "s=x; s.7=y; b=2", "b=2"),
        (
            "no look-alike",
            "s.a=1; s.01=2; ss.0=3",
            "s.a=1; s.01=2; ss.0=3",
        ),
    ];
    assert_rows(
        rows.map(|(name, header, expected)| {
            (name, without_cookie(header, "s"), expected.to_owned())
        }),
    );
}

#[test]
fn by_setting_the_first_source_with_a_token_decides() {
    let sources = [Source::Cookie("s".into()), Source::Header];
    let find = |cookie: &str, header: &str| {
        let ask = Ask::upgrade()
            .with("cookie", cookie)
            .with("authorization", header);
        let found = Credential::find_under(TokenConflict::First, &sources, &ask.request(), &[]);
        let found = found.expect("no conflict").expect("a token");
        (found.token().to_owned(), found.found)
    };
    let [cookie, header] = sources.clone();
    let both = || vec![cookie.clone(), header.clone()];
    assert_rows([
        ("both", find("s=a", "Bearer b"), ("a".into(), both())),
        (
            "the second alone",
            find("", "Bearer b"),
            ("b".into(), vec![header.clone()]),
        ),
        (
            "twice in the first",
            find("s=a; s=b", ""),
            ("a".into(), vec![cookie.clone()]),
        ),
    ]);
}

/// A load balancer of AWS pads the segments, and signs them as they are.
#[test]
fn padding_is_accepted_in_the_header_of_amazon_alone() {
    let keys = || [Key::from_secret(SECRET.to_vec()).expect("long enough")];
    let padded = |text: &str| {
        let text = base64url(text);
        format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
    };
    let signed = format!(
        "{}.{}",
        padded(r#"{"alg":"HS256", "typ":"JWT"}"#),
        padded(r#"{"exp": 1900000000}"#)
    );
    assert!(signed.contains('='), "{signed}");
    let mac = base64url(Signer::Hs256(SECRET).signature(&signed));
    let admits = |header: &'static str, token: &str| {
        let gate = Authentication {
            sources: vec![Source::NamedHeader(header.to_owned())],
            ..gate_with(keys(), Expectations::default())
        };
        let ask = Ask::upgrade().with(header, token);
        check(&Bench::at(NOW), &gate, &ask, &[]).0.is_ok()
    };
    let amazon = "x-amzn-oidc-data";
    let canonical = crate::common::hs256(r#"{"exp":1900000000}"#);
    assert_rows([
        ("padded", admits(amazon, &format!("{signed}.{mac}=")), true),
        (
            "padded in part",
            admits(amazon, &format!("{signed}.{mac}")),
            true,
        ),
        ("unpadded", admits(amazon, &canonical), true),
        (
            "too much",
            admits(amazon, &format!("{signed}.{mac}==")),
            false,
        ),
        (
            "without the padding that was signed",
            admits(amazon, &format!("{}.{mac}", signed.replace('=', ""))),
            false,
        ),
        (
            "another header",
            admits("x-token", &format!("{signed}.{mac}=")),
            false,
        ),
    ]);
}
