//! `UPSTREAM_HEADERS`: what contradicts it, and the secrets that it names.

use portcullis::config::{Settings, Var};
use portcullis::policy::Site;
use serde_json::{Value, json};

use super::{site_errors, with_routes};
use crate::common::{assert_rows, minimal_with, strings};

fn set(headers: &Value, vars: &[(&str, &str)]) -> Settings {
    let mut settings = minimal_with(vars);
    let value = Var::Json(headers.clone());
    settings.vars.insert("UPSTREAM_HEADERS".into(), value);
    settings
}

#[test]
fn what_no_request_could_be_told_is_an_error() {
    let errors = |headers: Value, vars: &[(&str, &str)]| site_errors(&set(&headers, vars));
    let at = |header: &str, problem: &str| vec![format!("UPSTREAM_HEADERS: {header:?}: {problem}")];
    let off = [("AUTH", "off")];
    assert_rows([
        (
            "a secret that is missing",
            errors(json!({"X-Key": "{secret:VOICE_KEY}"}), &[]),
            at(
                "X-Key",
                "there is no secret VOICE_KEY; set it with npx wrangler secret put VOICE_KEY",
            ),
        ),
        (
            "a secret that is empty",
            errors(
                json!({"X-Key": "{secret:VOICE_KEY}"}),
                &[("VOICE_KEY", " ")],
            ),
            at("X-Key", "the secret VOICE_KEY is empty; set a value"),
        ),
        (
            "a key of the gate",
            errors(json!({"X-Key": "{secret:JWT_SECRET}"}), &[]),
            at(
                "X-Key",
                "JWT_SECRET is a setting of the gate, which no server may see; put the value into \
                 a secret of another name",
            ),
        ),
        (
            "a claim of nobody",
            errors(json!({"X-User": "{claim:sub}"}), &off),
            strings(&[
                "UPSTREAM_HEADERS: AUTH is off, so nobody has {claim:sub}; give it a default, like \
                 {claim:sub|none}, or set AUTH to required",
            ]),
        ),
        (
            "a claim of nobody, with a default",
            errors(json!({"X-User": "{claim:sub|nobody}"}), &off),
            vec![],
        ),
        (
            "a parameter without routes",
            errors(json!({"X-Room": "{param:room}"}), &[]),
            strings(&[
                "UPSTREAM_HEADERS: the path \"/*\" has no parameter {room}; write one that it has, \
                 in a route",
            ]),
        ),
    ]);
}

#[test]
fn a_route_has_its_own_and_its_own_parameters() {
    let headers = json!({"X-Room": "{param:room}"});
    let routes = json!([
        {"path": "/rooms/{room}"},
        {"path": "/lobby", "upstream_headers": {"X-Room": "lobby"}},
        {"path": "/other/{name}"},
    ]);
    assert_eq!(
        site_errors(&with_routes(set(&headers, &[]), routes)),
        [
            "UPSTREAM_HEADERS: the path \"/other/{name}\" has no parameter {room}; write one that \
             it has, in a route"
        ]
    );
}

/// A secret that is named nowhere else is no misspelt setting, and nothing prints it.
#[test]
fn a_secret_is_found_by_its_name_and_never_printed() {
    let headers = json!({"Authorization": "Bearer {secret:UPSTREAM_KEY}"});
    let settings = set(&headers, &[("UPSTREAM_KEY", "s3cret")]);
    let site = Site::read(&settings).expect("sound");
    assert_eq!(site.warnings, Vec::<String>::new());
    assert!(!format!("{site:?}").contains("s3cret"));

    let open = set(&headers, &[("UPSTREAM_KEY", "s3cret"), ("AUTH", "off")]);
    let mut open = open;
    open.vars.remove("JWT_SECRET");
    let warnings = Site::read(&open).expect("sound").warnings;
    assert!(warnings.contains(
        &"UPSTREAM_HEADERS: AUTH is off, so anyone uses the secrets that are sent to the server"
            .to_owned()
    ), "{warnings:?}");
}
