//! `UPSTREAM_HEADERS`: what a header becomes for a request, and what refuses the request.

use portcullis::request::RequestUrl;
use portcullis::request::parameters::Parameters;
use portcullis::request::path::CanonicalPath;
use portcullis::token::Identity;
use portcullis::upstream::{Facts, Upstream, UpstreamHeaders, UpstreamUrl};
use serde_json::{Value, json};

use crate::common::{assert_rows, identity, object};

const KEY: &str = "sk-1234567890";

fn secret(name: &str) -> Result<String, String> {
    match name {
        "KEY" => Ok(format!("{KEY}\n")),
        "EMPTY" => Ok(" \n".into()),
        "BAD" => Ok("a\u{7f}b".into()),
        _ => Err(format!("there is no secret {name}")),
    }
}

fn with(changes: &Value) -> Result<UpstreamHeaders, Vec<String>> {
    UpstreamHeaders::with(changes.as_object().expect("an object"), secret)
}

fn value(template: &str) -> UpstreamHeaders {
    with(&json!({ "X-Value": template })).expect("sound")
}

const CLAIMS: &str = r#"{"sub":"alice","team":"red","level":7,"admin":true,"empty":"","null":null,
    "user":{"id":"u/1","tags":["a","b"],"~":"tilde"},"commas":["a,b"],"mixed":[["a"]],
    "broken":"a\r\nX-Evil: 1","spaced":" a","percent":"100%","name":"J\u00f6rg \"x\", y",
    "win":"DOM\\user"}"#;

struct World {
    identity: Option<Identity>,
    token: Option<&'static str>,
    room: &'static str,
    upstream: Upstream,
}

impl World {
    fn known() -> Self {
        let url = UpstreamUrl::parse("wss://Chat.example.com:443/base", false).expect("sound");
        Self {
            identity: Some(identity(CLAIMS)),
            token: Some("the.to.ken"),
            room: "lobby 7",
            upstream: Upstream::Url(url),
        }
    }

    /// The one value, or reason and cause of the refusal.
    fn fill(&self, headers: &UpstreamHeaders, is_checked: bool) -> Result<Option<String>, String> {
        let path = CanonicalPath::parse("/rooms/x").expect("sound");
        let parameters = Parameters::new(path, vec![("room".into(), self.room.into())]);
        let facts = Facts {
            identity: self.identity.as_ref(),
            token: self.token,
            parameters: &parameters,
            to: &self.upstream.destination(&parameters),
            url: &RequestUrl::split("https://gate.example/rooms/x"),
        };
        let filled = if is_checked {
            headers.fill(&facts)
        } else {
            headers.fill_unchecked(&facts)
        };
        filled
            .map(|all| match <[_; 1]>::try_from(all) {
                Ok([(name, value)]) => {
                    assert_eq!(name, "X-Value");
                    value
                }
                Err(all) => panic!("one header, not {all:?}"),
            })
            .map_err(|rejection| format!("{} {}", rejection.reason.name(), rejection.cause))
    }
}

#[test]
fn placeholders_become_what_is_known() {
    let world = World::known();
    let rows = [
        ("text", "a b", "a b"),
        ("braces", "{{\"a\":1}}", "{\"a\":1}"),
        ("a claim", "{claim:team}", "red"),
        ("within another", "{claim:/user/id}", "u/1"),
        ("an escape of JSON Pointer", "{claim:/user/~0}", "tilde"),
        ("a number", "{claim:level}", "7"),
        ("a boolean", "{claim:admin}", "true"),
        ("several", "{claim:/user/tags}", "a,b"),
        (
            "between texts",
            "t-{claim:team}-{claim:sub}.x",
            "t-red-alice.x",
        ),
        ("a default that is not needed", "{claim:team|none}", "red"),
        ("a default", "{claim:other|no one}", "no one"),
        ("an empty claim", "{claim:empty|none}", "none"),
        ("null", "{claim:null|none}", "none"),
        ("a parameter", "{param:room}", "lobby 7"),
        ("the token", "Bearer {token}", "Bearer the.to.ken"),
        (
            "a secret, without its line break",
            "Bearer {secret:KEY}",
            "Bearer sk-1234567890",
        ),
        (
            "the server's origin",
            "{upstream_origin}",
            "https://chat.example.com",
        ),
        ("not ASCII", "{claim:name}", "J%C3%B6rg \"x\", y"),
        ("a percent sign", "{claim:percent}", "100%25"),
        ("a backslash", "{claim:win}", "DOM\\user"),
    ];
    assert_rows(rows.map(|(name, template, expected)| {
        let filled = world.fill(&value(template), true);
        (name, filled, Ok(Some(expected.to_owned())))
    }));
}

/// A user may choose its own name, but not where the name ends.
#[test]
fn a_claim_next_to_text_adds_none_of_its_punctuation() {
    let world = World::known();
    let rows = [
        (
            "JSON",
            r#"{{"user":"{claim:name}"}}"#,
            r#"{"user":"J%C3%B6rg %22x%22, y"}"#,
        ),
        (
            "JSON and a backslash",
            r#""{claim:win}""#,
            r#""DOM%5Cuser""#,
        ),
        (
            "a list",
            "{claim:name}, {claim:team}",
            "J%C3%B6rg%20\"x\"%2C%20y, red",
        ),
        (
            "dashes and dots are no delimiters",
            "a-b._c{claim:sub}",
            "a-b._calice",
        ),
        ("a percent sign", "%{claim:percent}", "%100%25"),
    ];
    assert_rows(rows.map(|(name, template, expected)| {
        let filled = world.fill(&value(template), true);
        (name, filled, Ok(Some(expected.to_owned())))
    }));
}

#[test]
fn nothing_is_left_of_an_empty_default() {
    let world = World::known();
    assert_eq!(world.fill(&value("{claim:other|}"), true), Ok(None));
    assert_eq!(
        world.fill(&value("team {claim:other|}"), true),
        Ok(Some("team".into()))
    );
    let removed = with(&json!({ "X-Value": null })).expect("sound");
    assert_eq!(world.fill(&removed, true), Ok(None));
}

#[test]
fn what_has_no_value_refuses() {
    let world = World::known();
    let long = "x".repeat(4097);
    let claims = object(&json!({ "long": long }).to_string());
    let of_long = World {
        identity: Some(Identity {
            claims,
            ..identity("{}")
        }),
        ..World::known()
    };
    let nobody = World {
        identity: None,
        token: None,
        ..World::known()
    };
    let by_ticket = World {
        token: None,
        ..World::known()
    };
    let nowhere = World {
        room: "a ",
        ..World::known()
    };
    let no = |reason: &str, cause: &str| Err(format!("{reason} UPSTREAM_HEADERS: {cause}"));
    let lacks = |name: &str| {
        no(
            "insufficient_scope",
            &format!("{{claim:{name}}} has no value"),
        )
    };
    let wrong = |name: &str, problem: &str| {
        let cause = format!("{problem}, so {{claim:{name}}} has no value");
        no("insufficient_scope", &cause)
    };
    let bad = "it has a character that no header may have";
    let list = "an element is empty, has a comma or is no simple value";
    let of = |world: &World, template: &str| world.fill(&value(template), true);
    assert_rows([
        ("a claim", of(&world, "{claim:other}"), lacks("other")),
        (
            "an empty claim",
            of(&world, "{claim:empty}"),
            lacks("empty"),
        ),
        (
            "an object",
            of(&world, "{claim:user}"),
            wrong("user", "it is an object"),
        ),
        (
            "an object, whatever its default",
            of(&world, "{claim:user|x}"),
            wrong("user", "it is an object"),
        ),
        ("lines", of(&world, "{claim:broken}"), wrong("broken", bad)),
        (
            "lines, whatever the default",
            of(&world, "{claim:broken|x}"),
            wrong("broken", bad),
        ),
        (
            "a comma in an element",
            of(&world, "{claim:commas}"),
            wrong("commas", list),
        ),
        (
            "an array in one",
            of(&world, "{claim:mixed}"),
            wrong("mixed", list),
        ),
        (
            "white space at an end",
            of(&world, "{claim:spaced}"),
            wrong("spaced", "it begins or ends with white space"),
        ),
        (
            "too long",
            of(&of_long, "{claim:long}"),
            wrong("long", "it is longer than 4096 bytes"),
        ),
        (
            "a claim of nobody",
            of(&nobody, "{claim:sub}"),
            no("token_missing", "{claim:sub} has no value"),
        ),
        (
            "a token of nobody",
            of(&nobody, "{token}"),
            no("token_missing", "{token} has no value"),
        ),
        (
            "a token, with a ticket",
            of(&by_ticket, "{token}"),
            no("token_missing", "{token} has no value"),
        ),
        (
            "a parameter",
            of(&nowhere, "{param:room}"),
            no(
                "no_route",
                "it begins or ends with white space, so {param:room} has no value",
            ),
        ),
        (
            "nobody, with a default",
            of(&nobody, "{claim:sub|nobody}"),
            Ok(Some("nobody".into())),
        ),
    ]);
}

/// Otherwise anyone could use the key by a request that nobody checks.
#[test]
fn a_request_that_nobody_checked_gets_no_secret_and_nobodys_name() {
    let world = World::known();
    let rows = [
        ("a secret", "Bearer {secret:KEY}", None),
        ("a claim", "{claim:sub}", None),
        ("a claim with a default", "{claim:sub|nobody}", None),
        ("the token", "{token}", None),
        ("text", "a", Some("a")),
        ("a parameter", "{param:room}", Some("lobby 7")),
        (
            "the origin",
            "{upstream_origin}",
            Some("https://chat.example.com"),
        ),
    ];
    assert_rows(rows.map(|(name, template, expected)| {
        let filled = world.fill(&value(template), false);
        (name, filled, Ok(expected.map(str::to_owned)))
    }));
}

#[test]
fn wrong_settings_are_told_all_at_once_without_their_values() {
    let long = "x".repeat(8193);
    let cant = "the value can't stand in a header; write visible ASCII, with spaces only inside";
    let gates = "the gate or Cloudflare decides on this header; give yours another name, and read \
                 the client's address from X-Forwarded-For";
    let connections =
        "it belongs to the connection or the handshake, which no setting can change; leave it out";
    let unknown = "it has an unknown placeholder; write {claim:NAME}, {param:NAME}, {secret:NAME}, \
                   {token} or {upstream_origin}, and {{ and }} for braces themselves";
    let brace = "a brace has no partner; write {{ and }} for braces themselves";
    let rows: Vec<(&str, Value, &str)> = vec![
        ("Portcullis-Subject", json!("a"), gates),
        ("portcullis_anything", json!(null), gates),
        ("X-Forwarded-For", json!("a"), gates),
        ("X_Real_IP", json!("a"), gates),
        ("CF-Connecting-IP", json!("a"), gates),
        ("Host", json!("a"), connections),
        ("Sec-WebSocket-Protocol", json!(null), connections),
        ("Upgrade", json!("a"), connections),
        ("Content-Length", json!("0"), connections),
        ("a b", json!("a"), "it is not the name of a header"),
        (
            "X",
            json!(1),
            "write a string, or null to remove the header",
        ),
        ("X", json!(""), cant),
        ("X", json!(" a"), cant),
        ("X", json!("a\r\nb"), cant),
        ("X", json!("\u{e9}"), cant),
        ("X", json!(long), "the value has more than 8192 bytes"),
        ("X", json!("{claim:team"), brace),
        ("X", json!("a}"), brace),
        ("X", json!("{user}"), unknown),
        ("X", json!("{param:}"), unknown),
        ("X", json!("{upstream_origin|a}"), unknown),
        ("X", json!("{secret:NONE}"), "there is no secret NONE"),
        (
            "X",
            json!("{secret:EMPTY}"),
            "the secret EMPTY is empty; set a value",
        ),
        (
            "X",
            json!("{secret:BAD}"),
            "the secret BAD can't stand in a header: it is more than visible ASCII and spaces",
        ),
        (
            "X",
            json!("{secret:KEY|a}"),
            "{secret:KEY} takes no default; set the secret",
        ),
        (
            "X",
            json!("{claim:a.b}"),
            "\"a.b\" is not a claim's name; write \"/a/b\" for a claim within another, or \"/a.b\" for one of exactly this name",
        ),
    ];
    assert_rows(rows.into_iter().map(|(name, value, problem)| {
        let errors = with(&json!({ name: value })).err();
        (
            format!("{name}: {value}"),
            errors,
            Some(vec![format!("{name:?}: {problem}")]),
        )
    }));
    let two = with(&json!({ "X": 1, "Y": 2 })).err().unwrap_or_default();
    assert_eq!(two.len(), 2);
    let twice = with(&json!({ "X-A": "a", "x-a": "b" }))
        .err()
        .unwrap_or_default();
    assert!(
        twice
            .iter()
            .all(|error| error.ends_with("it stands twice; remove one")),
        "{twice:?}"
    );
    let many: serde_json::Map<_, _> = (0..33).map(|at| (format!("X-{at}"), json!("a"))).collect();
    assert_eq!(
        with(&Value::Object(many)).err(),
        Some(vec!["it has more than 32 headers".into()])
    );
}

#[test]
fn what_frameworks_trust_may_be_set() {
    assert!(
        with(&json!({ "x-partykit-props": "{{}}", "X-Forwarded-User": "{claim:sub}" })).is_ok()
    );
}

#[test]
fn no_secret_and_no_text_is_printed() {
    let headers = value("Bearer {secret:KEY} and {claim:sub|password}");
    let shown = format!("{headers:?}");
    assert!(
        shown.contains("{claim:sub}") && shown.contains("REDACTED"),
        "{shown}"
    );
    for hidden in [KEY, "Bearer", "password"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
