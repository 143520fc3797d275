//! The headers stamped on every answer, and `SECURITY_HEADERS` laid over them.

use portcullis::response::security_headers::{HIDDEN, SecurityHeaders, Stamps};

use crate::common::{assert_rows, object};

const DEFAULTS: [(&str, &str); 7] = [
    (
        "Strict-Transport-Security",
        "max-age=63072000; includeSubDomains; preload",
    ),
    (
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

const PERMISSIONS: &str = "accelerometer=(), ambient-light-sensor=(), autoplay=(), battery=(), \
     bluetooth=(), browsing-topics=(), camera=(), display-capture=(), document-domain=(), \
     encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), \
     identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), \
     microphone=(), midi=(), otp-credentials=(), payment=(), picture-in-picture=(), \
     publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), \
     serial=(), speaker-selection=(), storage-access=(), sync-xhr=(), usb=(), web-share=(), \
     window-management=(), xr-spatial-tracking=()";

type Pairs = Vec<(String, String)>;

fn owned(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn defaults() -> Pairs {
    let mut pairs: Pairs = DEFAULTS.map(|(name, value)| owned(name, value)).into();
    pairs.push(owned("Permissions-Policy", PERMISSIONS));
    pairs
}

fn with(changes: &str) -> Result<Pairs, Vec<String>> {
    let headers = SecurityHeaders::with(&object(changes))?;
    Ok(headers
        .iter()
        .map(|(name, value)| owned(name, value))
        .collect())
}

#[test]
fn the_defaults_are_the_contracts() {
    let headers = SecurityHeaders::default();
    let pairs: Pairs = headers
        .iter()
        .map(|(name, value)| owned(name, value))
        .collect();
    assert_eq!(pairs, defaults());
    assert_eq!(with("{}"), Ok(defaults()));
    assert_eq!(HIDDEN, ["server", "x-powered-by"]);
}

#[test]
fn a_string_replaces_or_adds_and_null_removes() {
    let changed = |name: &str, value: Option<&str>| {
        let mut pairs = defaults();
        let at = pairs.iter().position(|(known, _)| known == name);
        match (at, value) {
            (Some(at), Some(value)) => value.clone_into(&mut pairs[at].1),
            (Some(at), None) => drop(pairs.remove(at)),
            (None, value) => pairs.push(owned(name, value.unwrap_or_default())),
        }
        Ok(pairs)
    };
    assert_rows([
        (
            "replaced",
            with(r#"{"X-Frame-Options":"SAMEORIGIN"}"#),
            changed("X-Frame-Options", Some("SAMEORIGIN")),
        ),
        (
            "replaced in other case",
            with(r#"{"x-frame-options":"SAMEORIGIN"}"#),
            changed("X-Frame-Options", Some("SAMEORIGIN")),
        ),
        (
            "removed",
            with(r#"{"Permissions-Policy":null}"#),
            changed("Permissions-Policy", None),
        ),
        (
            "removed in other case",
            with(r#"{"REFERRER-POLICY":null}"#),
            changed("Referrer-Policy", None),
        ),
        (
            "added",
            with(r#"{"X-Extra":"a b\tc"}"#),
            changed("X-Extra", Some("a b\tc")),
        ),
    ]);
}

#[test]
fn what_can_not_be_stamped_is_an_error_and_all_are_told() {
    const OWN: &str = "the gate itself decides on this header; leave it out";
    const VALUE: &str = "the value can't stand in a header";
    const KIND: &str = "write a string, or null to remove the header";
    const NONE: &str = "null removes a default, and this is none of them";
    const NAME: &str = "it is no header name";
    let rows = [
        ("Allow", r#""x""#, OWN),
        ("Connection", r#""x""#, OWN),
        ("Content-Encoding", r#""x""#, OWN),
        ("Content-Length", r#""x""#, OWN),
        ("Content-Type", r#""x""#, OWN),
        ("Location", r#""x""#, OWN),
        ("RateLimit", r#""x""#, OWN),
        ("RateLimit-Policy", r#""x""#, OWN),
        ("Retry-After", r#""x""#, OWN),
        ("Set-Cookie", r#""x""#, OWN),
        ("Transfer-Encoding", r#""x""#, OWN),
        ("Upgrade", r#""x""#, OWN),
        ("WWW-Authenticate", r#""x""#, OWN),
        ("Server", r#""x""#, OWN),
        ("X-Powered-By", "null", OWN),
        ("Sec-WebSocket-Accept", r#""x""#, OWN),
        ("sec-websocket-protocol", r#""x""#, OWN),
        ("Portcullis-Request-Id", r#""x""#, OWN),
        ("X-Extra", "null", NONE),
        ("X-Extra", "1", KIND),
        ("X-Extra", "true", KIND),
        ("X-Extra", "[]", KIND),
        ("X-Extra", "{}", KIND),
        ("X-Extra", r#""a\r\nSet-Cookie: b""#, VALUE),
        ("X-Extra", r#""a\u0000""#, VALUE),
        ("X-Extra", r#""a\u007f""#, VALUE),
        ("X-Extra", r#""é""#, VALUE),
        ("X-Extra", r#"" a""#, VALUE),
        ("X-Extra", r#""a ""#, VALUE),
        ("", r#""x""#, NAME),
        ("X Extra", r#""x""#, NAME),
        ("X-Extra:", r#""x""#, NAME),
        ("X-Éxtra", r#""x""#, NAME),
        ("X-Extra\\r\\n", r#""x""#, NAME),
    ];
    assert_rows(rows.map(|(name, value, problem)| {
        let shown = name.replace("\\r\\n", "\r\n");
        let expected = Err(vec![format!("{shown:?}: {problem}")]);
        (
            format!("{name} {value}"),
            with(&format!(r#"{{"{name}":{value}}}"#)),
            expected,
        )
    }));
    let all = with(r#"{"Allow":"x","B c":"x","X-Extra":1,"X-Frame-Options":"DENY"}"#);
    let expected = ["\"Allow\": ", "\"B c\": ", "\"X-Extra\": "];
    let expected = expected.iter().zip([OWN, NAME, KIND]);
    assert_eq!(
        all,
        Err(expected
            .map(|(name, problem)| format!("{name}{problem}"))
            .collect())
    );
}

/// The second would undo the first, and which is second is nobody's choice.
#[test]
fn a_header_that_is_named_in_two_spellings_is_an_error() {
    let both = with(r#"{"X-Frame-Options":null,"x-frame-options":"SAMEORIGIN"}"#);
    assert!(both.is_err(), "{both:?}");
}

type Shown = (Vec<String>, Vec<String>, Vec<&'static str>);

/// Names of headers that are set and added, and of the server's that never pass.
fn shown(stamps: &Stamps<'_>) -> Shown {
    let names = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
    (
        names(&stamps.set),
        names(&stamps.add),
        stamps.hidden.clone(),
    )
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const OVER_HTTP: [&str; 3] = ["server", "x-powered-by", "strict-transport-security"];
const ADDED: [&str; 3] = [
    "Strict-Transport-Security",
    "X-Frame-Options",
    "X-Content-Type-Options",
];

/// RFC 6797 §7.2.
#[test]
fn strict_transport_security_is_on_answers_over_https_alone() {
    let all: Vec<_> = defaults().into_iter().map(|(name, _)| name).collect();
    let headers = SecurityHeaders::default();
    assert_rows([
        (
            "own, over https",
            shown(&headers.stamps(true)),
            (all.clone(), vec![], HIDDEN.to_vec()),
        ),
        (
            "own, over http",
            shown(&headers.stamps(false)),
            (all[1..].to_vec(), vec![], OVER_HTTP.to_vec()),
        ),
        (
            "an application's, over https",
            shown(&headers.application_stamps(true)),
            (vec![], names(&ADDED), HIDDEN.to_vec()),
        ),
        (
            "an application's, over http",
            shown(&headers.application_stamps(false)),
            (vec![], names(&ADDED[1..]), OVER_HTTP.to_vec()),
        ),
    ]);
    let added = headers.application_stamps(true).add;
    assert_eq!(
        added,
        [
            ("Strict-Transport-Security", "max-age=63072000"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("X-Content-Type-Options", "nosniff"),
        ]
    );
    let changes = r#"{"strict-transport-security":"max-age=1"}"#;
    let changed = SecurityHeaders::with(&object(changes)).expect("sound");
    let set = |stamps: Stamps<'_>| {
        stamps
            .set
            .contains(&("Strict-Transport-Security", "max-age=1"))
    };
    assert!(set(changed.application_stamps(true)));
    assert!(!set(changed.application_stamps(false)) && !set(changed.stamps(false)));
}

#[test]
fn an_applications_answer_has_what_was_chosen_and_lacks_what_was_removed() {
    let changes = r#"{"Referrer-Policy":"origin","X-Extra":"a","X-Frame-Options":null,"X-Content-Type-Options":"nosniff"}"#;
    let headers = SecurityHeaders::with(&object(changes)).expect("sound");
    let stamps = headers.application_stamps(true);
    let set = [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "origin"),
        ("X-Extra", "a"),
    ];
    assert_eq!(stamps.set, set);
    let added = stamps.add.iter().map(|(name, _)| *name);
    assert_eq!(added.collect::<Vec<_>>(), ["Strict-Transport-Security"]);
}
