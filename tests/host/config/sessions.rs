//! The settings of sessions and of the assertion, globally and by route.

use portcullis::config::Settings;
use portcullis::policy::Site;
use portcullis::token::Identity;

use crate::common::{
    NOW, RFC8037_D, RFC8037_X, assert_rows, object, read, seconds, settings, strings,
};

const BASE: [(&str, &str); 2] = [
    ("ALLOWED_ORIGINS", "https://app.example.com"),
    ("UPSTREAM_URL", "wss://chat.example.com"),
];
const URL: (&str, &str) = ("SESSION_URL", "https://id.example.com/introspect");
const AUTH: (&str, &str) = ("SESSION_URL_AUTH", "Basic dXNlcjpwYXNz");

fn with(vars: &[(&str, &str)]) -> Settings {
    settings(&[&BASE, vars].concat())
}

fn errors(vars: &[(&str, &str)]) -> Vec<String> {
    read(&with(vars)).err().unwrap_or_default()
}

#[test]
fn sessions_alone_are_enough_to_tell_clients_by() {
    let policy = read(&with(&[URL, AUTH])).expect("sound");
    let authentication = policy.authentication.expect("AUTH is required");
    assert!(authentication.required && authentication.issuers.is_empty());
    assert!(authentication.sessions.is_some());
    let off = read(&with(&[URL, AUTH, ("AUTH", "off")])).expect("sound");
    assert!(off.authentication.is_none());
    let neither = read(&with(&[])).err().unwrap_or_default();
    assert!(neither[0].contains("SESSION_URL"), "{neither:?}");
}

/// By this a live socket ends, a ticket runs out, and a `jti` is forgotten.
#[test]
fn a_session_stops_being_accepted_by_the_same_settings_as_a_token() {
    let of_now = |age: u64| format!(r#"{{"iat": {}}}"#, NOW.0 / 1000 - age);
    let session = |age| Identity {
        claims: object(&of_now(age)),
        expires: NOW + seconds(600),
        ..Identity::default()
    };
    let ends = |vars: &[(&str, &str)], age| {
        let policy = read(&with(&[&[URL, AUTH], vars].concat())).expect("sound");
        policy.one_time.accepted_until(&session(age))
    };
    let (leeway, max_age) = (("JWT_LEEWAY", "30s"), ("JWT_MAX_AGE", "5m"));
    assert_rows([
        ("plain", ends(&[], 0), NOW + seconds(610)),
        ("leeway", ends(&[leeway], 0), NOW + seconds(630)),
        ("age", ends(&[max_age], 100), NOW + seconds(210)),
        ("both", ends(&[leeway, max_age], 100), NOW + seconds(230)),
    ]);
}

#[test]
fn what_is_set_wrongly_is_told_without_its_value() {
    let header = "it is not a value of an Authorization header; write a scheme and credentials in \
                  ASCII, like \"Basic ...\" or \"Bearer ...\"";
    let url = "it is not an https URL without user name and fragment; write a URL like \
               \"https://id.example.com/introspect\", or \"off\"";
    let missing = "it must be set with SESSION_URL: providers answer only to callers they know \
                   (RFC 7662 §2.1); write the value of the Authorization header";
    let auth = |value| errors(&[URL, ("SESSION_URL_AUTH", value)]);
    let at = |value| errors(&[("SESSION_URL", value), AUTH]);
    let wrong = |name: &str, problem: &str| vec![format!("{name}: {problem}")];
    assert_rows([
        (
            "no credentials",
            errors(&[URL]),
            wrong("SESSION_URL_AUTH", missing),
        ),
        (
            "no scheme",
            auth("dXNlcjpwYXNz"),
            wrong("SESSION_URL_AUTH", header),
        ),
        (
            "a scheme alone",
            auth("Basic"),
            wrong("SESSION_URL_AUTH", header),
        ),
        (
            "two lines",
            auth("Basic x\r\nX-Admin: 1"),
            wrong("SESSION_URL_AUTH", header),
        ),
        (
            "beyond ASCII",
            auth("Bearer \u{e9}"),
            wrong("SESSION_URL_AUTH", header),
        ),
        ("a line's end is none of it", auth("Bearer x\n"), vec![]),
        (
            "several parts",
            auth("Digest username=\"a\", uri=\"b\""),
            vec![],
        ),
        (
            "http",
            at("http://id.example.com/"),
            wrong("SESSION_URL", url),
        ),
        (
            "a password",
            at("https://a:b@id.example.com/"),
            wrong("SESSION_URL", url),
        ),
        (
            "a fragment",
            at("https://id.example.com/#a"),
            wrong("SESSION_URL", url),
        ),
        (
            "a query is fine",
            at("https://id.example.com/?realm=a"),
            vec![],
        ),
        (
            "a cache of nothing",
            errors(&[URL, AUTH, ("SESSION_CACHE", "0s")]),
            vec![],
        ),
        (
            "no duration",
            errors(&[URL, AUTH, ("SESSION_CACHE", "30")]),
            wrong(
                "SESSION_CACHE",
                "\"30\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\"",
            ),
        ),
        (
            "credentials without use",
            errors(&[AUTH, ("AUTH", "off")]),
            vec![],
        ),
    ]);
}

#[test]
fn beside_several_issuers_two_settings_are_about_sessions() {
    let issuers = r#"[{"issuer":"https://id.example.com","jwks_url":"https://id.example.com/k","audience":"any"}]"#;
    let vars = [("ISSUERS", issuers), ("JWT_AUDIENCE", "chat"), URL, AUTH];
    assert_eq!(errors(&vars), Vec::<String>::new());
    assert_eq!(
        errors(&vars[..2]).len(),
        1,
        "and without sessions about nothing"
    );
}

fn okp() -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{RFC8037_X}","d":"{RFC8037_D}"}}"#)
}

#[test]
fn a_doubtful_assertion_key_is_an_error_that_does_not_repeat_it() {
    let with_key = |jwk: &str| errors(&[("AUTH", "off"), ("ASSERTION_KEY", jwk)]);
    let rows = [
        ("{}", "ASSERTION_KEY: kty must be \"oct\" or \"OKP\""),
        (
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            "ASSERTION_KEY: k has 6 bytes; HS256 takes 32 or more",
        ),
        (
            "secret",
            "ASSERTION_KEY: invalid JSON object: \
             expected value at line 1 column 1",
        ),
        (
            r#"{"kty":"oct","kty":"oct"}"#,
            "ASSERTION_KEY: invalid JSON object: \
             a member stands twice at line 1 column 25",
        ),
    ];
    assert_rows(rows.map(|(jwk, problem)| (jwk, with_key(jwk), strings(&[problem]))));
    assert_eq!(with_key(&okp()), Vec::<String>::new());
}

/// An upstream that knows the secret could else write tokens, and any assertion would be one.
#[test]
fn assertions_have_a_key_of_their_own() {
    let secret = r#"{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;
    let public = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}]}}"#);
    let expected = strings(&[
        "ASSERTION_KEY: tokens are verified with this key too, so that an assertion would pass \
         for a token; give it a key of its own",
    ]);
    let secret_text = ("JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let other = ("JWT_SECRET", "0123456789abcdef0123456789abcdeF");
    let pair = okp();
    let with_key = |jwk: &str, token_key| errors(&[token_key, ("ASSERTION_KEY", jwk)]);
    assert_rows([
        (
            "the same secret",
            with_key(secret, secret_text),
            expected.clone(),
        ),
        (
            "the same pair",
            with_key(&pair, ("JWT_JWKS", &public)),
            expected,
        ),
        ("another secret", with_key(secret, other), vec![]),
        (
            "a pair beside a secret",
            with_key(&pair, secret_text),
            vec![],
        ),
    ]);
}

#[test]
fn nothing_of_the_secrets_is_printed() {
    let key = okp();
    let vars = [URL, AUTH, ("ASSERTION_KEY", key.as_str())];
    let printed = format!("{:?}", read(&with(&vars)).expect("sound"));
    assert!(!printed.contains(RFC8037_D) && !printed.contains("dXNlcjpwYXNz"));
}

#[test]
fn each_route_may_have_its_own() {
    let routes = format!(
        r#"[{{"path":"/a","assertion_key":{0}}},
            {{"path":"/b","assertion_key":{0}}},
            {{"path":"/c","session_url":"https://c.example.com/introspect","session_cache":"0s"}}]"#,
        okp()
    );
    let secret = r#"{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;
    let vars = [URL, AUTH, ("ASSERTION_KEY", secret), ("ROUTES", &routes)];
    let site = Site::read(&with(&vars)).expect("sound");
    let published = [&site.key_set()].map(|set| set.matches("\"kid\":\"a\"").count());
    assert_eq!(published, [1], "each key once, and no secret");
    assert!(!site.key_set().contains("oct"));
}
