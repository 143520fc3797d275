//! What an identity must hold.

use portcullis::checks::permission::{ClaimRule, Permission, read_claims};
use portcullis::gateway::Place;
use portcullis::policy::Site;
use portcullis::request::parameters::Parameters;
use portcullis::response::answer::refusal;
use portcullis::response::reason::{Reason, Rejection};
use portcullis::routing::table::Match;
use portcullis::token::{Expectations, Identity};
use serde_json::{Value, json};

use crate::common::{Ask, NOW, assert_rows, minimal_with, object, strings};

/// The identity of a token with these claims.
fn identity(claims: Value) -> Identity {
    let mut all = object(r#"{"exp":1900000000}"#);
    all.extend(claims.as_object().expect("claims").clone());
    Expectations::default()
        .check(all, None, String::new, NOW)
        .expect("sound claims")
}

fn scopes(required: &[&str]) -> Permission {
    Permission {
        scopes: strings(required),
        claims: Vec::new(),
    }
}

fn lacks(scopes: &[&str], cause: &str) -> Result<(), Rejection> {
    Err(Reason::InsufficientScope {
        scopes: strings(scopes),
    }
    .because(cause.to_owned()))
}

#[test]
fn scopes_stand_in_three_claims_as_text_or_array() {
    let permission = scopes(&["chat:read", "chat:write"]);
    let check = |claims| permission.check(Some(&identity(claims)), &Parameters::default());
    let without = |scope| {
        lacks(
            &["chat:read", "chat:write"],
            &format!("the token lacks the scope {scope}"),
        )
    };
    assert_rows([
        (
            "scope, text",
            check(json!({"scope": "chat:write chat:read"})),
            Ok(()),
        ),
        (
            "scope, array",
            check(json!({"scope": ["chat:write", "chat:read"]})),
            Ok(()),
        ),
        (
            "scp, text",
            check(json!({"scp": "x  chat:write chat:read "})),
            Ok(()),
        ),
        (
            "scp, array",
            check(json!({"scp": ["chat:write", "chat:read"]})),
            Ok(()),
        ),
        (
            "permissions, text",
            check(json!({"permissions": "chat:write chat:read"})),
            Ok(()),
        ),
        (
            "permissions, array",
            check(json!({"permissions": ["chat:write", "chat:read"]})),
            Ok(()),
        ),
        (
            "one in each of two",
            check(json!({"scp": "chat:write", "scope": ["chat:read"]})),
            Ok(()),
        ),
        ("none", check(json!({})), without("chat:read")),
        (
            "only one",
            check(json!({"scope": "chat:read"})),
            without("chat:write"),
        ),
        (
            "other case",
            check(json!({"scope": "Chat:read chat:write"})),
            without("chat:read"),
        ),
        (
            "a longer one",
            check(json!({"scope": "chat:reader chat:write"})),
            without("chat:read"),
        ),
        (
            "two in an element",
            check(json!({"scp": ["chat:read chat:write"]})),
            without("chat:read"),
        ),
        (
            "commas",
            check(json!({"scope": "chat:read,chat:write"})),
            without("chat:read"),
        ),
        (
            "another claim",
            check(json!({"scopes": "chat:read chat:write"})),
            without("chat:read"),
        ),
    ]);
}

#[test]
fn nothing_asked_for_admits_anybody_and_a_permission_nobody_without_a_token() {
    let nobody = |permission: &Permission| permission.check(None, &Parameters::default());
    let missing = || Err(Reason::TokenMissing.because("this route requires permissions"));
    let claim = Permission {
        scopes: Vec::new(),
        claims: rules(r#"{"role": "admin"}"#, &[]).expect("sound"),
    };
    assert_rows([
        ("nothing", nobody(&Permission::default()), Ok(())),
        ("scope", nobody(&scopes(&["a"])), missing()),
        ("claim", nobody(&claim), missing()),
    ]);
}

#[test]
fn the_answer_names_all_that_the_route_asks_for() {
    let answer = |permission: &Permission| {
        let refused = permission.check(Some(&identity(json!({}))), &Parameters::default());
        let reason = refused.expect_err("nothing is held").reason;
        refusal(&reason, "id").headers[2..].to_vec()
    };
    let claim = rules(r#"{"role": "admin"}"#, &[]).expect("sound");
    let both = Permission {
        scopes: strings(&["a"]),
        claims: claim.clone(),
    };
    let only_claim = Permission {
        scopes: Vec::new(),
        claims: claim,
    };
    let header = |value: &str| vec![("WWW-Authenticate", value.to_owned())];
    let scoped = |scopes: &str| {
        header(&format!(
            r#"Bearer error="insufficient_scope", scope="{scopes}""#
        ))
    };
    assert_rows([
        (
            "two scopes",
            answer(&scopes(&["b", "a:x"])),
            scoped("b a:x"),
        ),
        ("both", answer(&both), scoped("a")),
        (
            "claim",
            answer(&only_claim),
            header(r#"Bearer error="insufficient_scope""#),
        ),
    ]);
}

fn rules(json: &str, parameters: &[&str]) -> Result<Vec<ClaimRule>, Vec<String>> {
    read_claims(&object(json), &strings(parameters))
}

/// Whether a token with these claims opens `/rooms/<path>` of a route `/rooms/{room}/{part}`.
fn opens(condition: &str, path: &str, claims: Value) -> bool {
    let route = format!(r#"[{{"path":"/rooms/{{room}}/{{part}}","claims":{condition}}}]"#);
    let site = Site::read(&minimal_with(&[("ROUTES", &route)])).expect("sound routes");
    let ask = Ask::upgrade().url(&format!("https://gate.example/rooms/{path}"));
    let Place::Route(Match {
        route, parameters, ..
    }) = site.find(&ask.request())
    else {
        panic!("{path} matches")
    };
    let checked = route
        .policy
        .permission
        .check(Some(&identity(claims.clone())), &parameters);
    if let Err(rejection) = &checked {
        let cause = match claims.get("c") {
            Some(_) => "the claim c does not fit",
            None => "the token lacks the claim c",
        };
        let expected = Reason::InsufficientScope { scopes: vec![] }.because(cause);
        assert_eq!(*rejection, expected);
    }
    checked.is_ok()
}

#[test]
fn each_condition_holds_for_what_it_says() {
    let equal = r#"{"c":"a"}"#;
    let parameter = r#"{"c":{"equal":"{room}"}}"#;
    let one_of = r#"{"c":{"one_of":["a",2,true,"{room}"]}}"#;
    let contains = r#"{"c":{"contains":"a"}}"#;
    let rooms = r#"{"c":{"contains":"{room}"}}"#;
    let rows = [
        ("equal", equal, "x/y", json!("a"), true),
        ("equal, longer", equal, "x/y", json!("ab"), false),
        ("equal, other case", equal, "x/y", json!("A"), false),
        ("equal, in an array", equal, "x/y", json!(["a"]), false),
        ("equal, null", equal, "x/y", json!(null), false),
        ("equal, number", r#"{"c":5}"#, "x/y", json!(5), true),
        (
            "equal, number as text",
            r#"{"c":5}"#,
            "x/y",
            json!("5"),
            false,
        ),
        (
            "equal, text as number",
            r#"{"c":"5"}"#,
            "x/y",
            json!(5),
            false,
        ),
        ("equal, true", r#"{"c":true}"#, "x/y", json!(true), true),
        (
            "equal, true as text",
            r#"{"c":true}"#,
            "x/y",
            json!("true"),
            false,
        ),
        ("equal, true as 1", r#"{"c":true}"#, "x/y", json!(1), false),
        (
            "equal, spelled out",
            r#"{"c":{"equal":"a"}}"#,
            "x/y",
            json!("a"),
            true,
        ),
        ("equal, empty", r#"{"c":""}"#, "x/y", json!(""), true),
        ("parameter", parameter, "blue/y", json!("blue"), true),
        (
            "parameter, short",
            r#"{"c":"{room}"}"#,
            "blue/y",
            json!("blue"),
            true,
        ),
        ("parameter, other", parameter, "blue/y", json!("red"), false),
        (
            "parameter, another's value",
            parameter,
            "red/blue",
            json!("blue"),
            false,
        ),
        (
            "parameter, decoded",
            parameter,
            "a%20b/y",
            json!("a b"),
            true,
        ),
        (
            "parameter, encoded claim",
            parameter,
            "a%20b/y",
            json!("a%20b"),
            false,
        ),
        (
            "parameter, its own name",
            parameter,
            "blue/y",
            json!("{room}"),
            false,
        ),
        ("parameter, number", parameter, "5/y", json!(5), true),
        ("parameter, negative", parameter, "-5/y", json!(-5), true),
        (
            "parameter, largest number",
            parameter,
            "18446744073709551615/y",
            json!(u64::MAX),
            true,
        ),
        (
            "parameter, other number",
            parameter,
            "50/y",
            json!(5),
            false,
        ),
        ("parameter, padded", parameter, "05/y", json!(5), false),
        ("parameter, signed", parameter, "+5/y", json!(5), false),
        ("parameter, spaced", parameter, "5%20/y", json!(5), false),
        ("parameter, fraction", parameter, "5.0/y", json!(5), false),
        (
            "parameter, of a fraction",
            parameter,
            "5/y",
            json!(5.0),
            false,
        ),
        (
            "parameter, a fraction",
            parameter,
            "5.5/y",
            json!(5.5),
            false,
        ),
        (
            "parameter, minus zero",
            parameter,
            "-0/y",
            json!(-0.0),
            false,
        ),
        ("parameter, true", parameter, "true/y", json!(true), false),
        ("parameter, null", parameter, "null/y", json!(null), false),
        ("one of, first", one_of, "x/y", json!("a"), true),
        ("one of, number", one_of, "x/y", json!(2), true),
        ("one of, boolean", one_of, "x/y", json!(true), true),
        ("one of, parameter", one_of, "x/y", json!("x"), true),
        ("one of, none", one_of, "x/y", json!("y"), false),
        ("one of, array", one_of, "x/y", json!(["a"]), false),
        ("contains, array", contains, "x/y", json!(["b", "a"]), true),
        ("contains, words", contains, "x/y", json!("b a"), true),
        ("contains, one word", contains, "x/y", json!("a"), true),
        (
            "contains, part of a word",
            contains,
            "x/y",
            json!("ab ba"),
            false,
        ),
        ("contains, nested", contains, "x/y", json!([["a"]]), false),
        ("contains, object", contains, "x/y", json!({"a": 1}), false),
        ("contains, empty array", contains, "x/y", json!([]), false),
        (
            "contains, number in array",
            r#"{"c":{"contains":5}}"#,
            "x/y",
            json!([1, 5]),
            true,
        ),
        (
            "contains, number in text",
            r#"{"c":{"contains":5}}"#,
            "x/y",
            json!("5"),
            false,
        ),
        (
            "rooms, holds",
            rooms,
            "blue/y",
            json!(["red", "blue"]),
            true,
        ),
        ("rooms, numbers", rooms, "7/y", json!([1, 7]), true),
        ("rooms, other numbers", rooms, "7/y", json!([17, 77]), false),
        ("rooms, one number", rooms, "7/y", json!(7), false),
        ("rooms, other", rooms, "blue/y", json!(["red"]), false),
        ("rooms, star", rooms, "blue/y", json!(["*"]), false),
        ("rooms, two words", rooms, "a%20b/y", json!("a b"), false),
        (
            "rooms, two words in array",
            rooms,
            "a%20b/y",
            json!(["a b"]),
            true,
        ),
    ];
    assert_rows(rows.map(|(name, condition, path, claim, expected)| {
        (name, opens(condition, path, json!({"c": claim})), expected)
    }));
    let without_claim = [equal, parameter, one_of, contains, rooms];
    assert_rows(without_claim.map(|rule| (rule, opens(rule, "a/a", json!({"d": "a"})), false)));
}

#[test]
fn all_rules_must_hold() {
    let both = r#"{"c":"{room}","d":{"contains":"{part}"}}"#;
    assert!(opens(both, "a/b", json!({"c": "a", "d": ["b"]})));
    assert!(!opens(both, "a/b", json!({"c": "b", "d": ["b"]})));
}
