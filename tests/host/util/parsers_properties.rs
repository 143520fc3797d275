//! Whatever comes in, the strict parsers answer: never a panic, and never more than was said.

use portcullis::checks::permission::read_claims;
use portcullis::config::{Settings, Var};
use portcullis::gateway::Place;
use portcullis::policy::Site;
use portcullis::routing::Pattern;
use portcullis::routing::table::Match;
use portcullis::token::{Document, Expectations, Key, RemoteKeys};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::common::runtime::{Bench, admit, check, gate_with};
use crate::common::{self, Ask, SECRET, base64url, cases, minimal_with, object};

/// Bytes of which many are JSON's own.
fn jsonish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0061", "null", "true", "1e5", "-0.0",
            " ", "\"keys\"", "\"kty\"", "\"RSA\"", "\"EC\"", "\"OKP\"", "\"oct\"", "\"n\"",
            "\"e\"", "\"AQAB\"", "\"alg\"", "\"kid\"", "\"crv\"", "\"x\"", "\"crit\"", "\"exp\"",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Halves survive being written and read.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 2.0)),
        "[a-zA-Z{}_/*\"% -]{0,8}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| base64url(bytes).into()),
        prop::sample::select(vec![
            "RSA", "EC", "OKP", "oct", "P-256", "P-521", "Ed25519", "sig", "verify", "AQAB",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            members(inner).prop_map(Value::from),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(vec![
        "kty", "n", "e", "k", "crv", "x", "y", "d", "use", "key_ops", "alg", "kid", "path",
        "claims", "auth", "equal", "one_of", "contains", "iss", "exp", "scope", "aud",
    ]);
    prop::collection::btree_map(name.prop_map(str::to_owned), value, 0..8)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn arbitrary_tokens_are_refused_without_a_panic(
        token in prop_oneof![
            any::<String>(),
            (jsonish(), jsonish(), any::<Vec<u8>>()).prop_map(|(header, payload, signature)| {
                format!("{}.{}.{}", base64url(header), base64url(payload), base64url(signature))
            }),
            ("[-_A-Za-z0-9.=+/]{0,40}"),
        ],
    ) {
        let secret = Key::from_secret(SECRET.to_vec()).expect("long enough");
        let gate = gate_with([secret], Expectations::default());
        // A header has no line breaks and such; what it can't hold can't come.
        prop_assert!(admit(&Bench::saying(Ok(true)), &gate, &token).is_err());
    }

    #[test]
    fn arbitrary_claims_under_a_signature_are_judged_without_a_panic(claims in members(value())) {
        let gate = gate_with(
            [Key::from_secret(SECRET.to_vec()).expect("long enough")],
            Expectations { types: vec![], ..Expectations::default() },
        );
        let token = common::hs256(&Value::from(claims.clone()).to_string());
        let ask = Ask::upgrade().with("authorization", &format!("Bearer {token}"));
        let (checked, _) = check(&Bench::saying(Ok(false)), &gate, &ask, &[]);
        if let Ok(found) = checked {
            prop_assert_eq!(found.identity.map(|identity| identity.claims), Some(claims));
        }
    }

    #[test]
    fn arbitrary_keys_are_read_without_a_panic_and_never_repeated(jwk in members(value())) {
        match Key::from_jwk(&jwk) {
            Ok(key) => prop_assert!(!key.algorithms().is_empty()),
            Err(problem) => {
                for name in ["n", "k", "d", "x", "y"] {
                    if let Some(Value::String(text)) = jwk.get(name) && text.len() > 20 {
                        prop_assert!(!problem.contains(text.as_str()));
                    }
                }
            }
        }
    }

    #[test]
    fn arbitrary_key_sets_are_taken_without_a_panic(
        text in prop_oneof![jsonish(), value().prop_map(|keys| format!(r#"{{"keys":{keys}}}"#))],
    ) {
        let keys = RemoteKeys::new(String::new(), vec![], common::seconds(1));
        let document = Document { text, max_age: None, since: common::NOW };
        let remarks = keys.take(Ok(document), common::NOW).remarks;
        prop_assert!(!remarks.is_empty() || keys.ring(common::NOW).is_some());
    }

    /// A pattern that is accepted matches the path that it is when its parameters are words.
    #[test]
    fn a_pattern_that_is_accepted_is_reached(
        text in prop_oneof![any::<String>(), "/[a-c{}*/.%\\\\ é_]{0,12}", "(/(\\{[a-c]\\}|[a-c]{1,2}|)){1,5}(/\\*)?"],
    ) {
        let Ok(pattern) = Pattern::parse(&text) else { return Ok(()) };
        let mut settings = minimal_with(&[]);
        settings.vars.insert("ROUTES".into(), Var::Json(serde_json::json!([{"path": text}])));
        let site = Site::read(&settings).expect("one sound route");
        let mut path = text.clone();
        for name in &pattern.parameters {
            path = path.replace(&format!("{{{name}}}"), &format!("to{name}"));
        }
        let path = path.replace('*', "rest");
        let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
        match site.find(&ask.request()) {
            Place::Route(Match { parameters, .. }) => for name in &pattern.parameters {
                let expected = format!("to{name}");
                prop_assert_eq!(parameters.get(name), Some(expected.as_str()));
            },
            other => prop_assert!(false, "{} at {}: {:?}", text, path, other),
        }
    }

    #[test]
    fn arbitrary_paths_find_a_place_without_a_panic(path in "/([a-c/.\\\\]|%2[fFeE]|%5[cC]|%[0-9a-f]{1,2}|é|\\PC){0,16}") {
        let routes = serde_json::json!([
            {"path": "/a"}, {"path": "/a/{b}"}, {"path": "/a/{b}/c"}, {"path": "/b/*"}, {"path": "/*"},
        ]);
        let mut settings = minimal_with(&[]);
        settings.vars.insert("ROUTES".into(), Var::Json(routes));
        let site = Site::read(&settings).expect("sound");
        let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
        if let Place::Route(Match { parameters, .. }) = site.find(&ask.request()) {
            prop_assert!(parameters.get("b").is_none_or(|value| !value.is_empty() && !value.contains('/')));
        }
    }

    #[test]
    fn arbitrary_rules_are_read_without_a_panic(rules in members(value())) {
        let parameters = [String::from("a")];
        if let Err(problems) = read_claims(&rules, &parameters) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn arbitrary_routes_and_issuers_are_read_without_a_panic(routes in value(), issuers in jsonish()) {
        let mut settings = minimal_with(&[("ISSUERS", &issuers)]);
        settings.vars.insert("ROUTES".into(), Var::from(routes));
        prop_assert!(Site::read(&settings).is_err());
        let environment = object(r#"{"bindings":[]}"#);
        prop_assert!(Settings::from_json(&Value::from(environment).to_string()).is_err());
    }
}
