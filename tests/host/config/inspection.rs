//! What tools are told of settings.

use std::fs;

use portcullis::config::{GUARDED_HANDLER, Var, inspect};
use serde_json::{Value, json};

use super::with_routes;
use crate::common::minimal_with;

fn held(inspected: &Value, route: usize, name: &str) -> Value {
    inspected["routes"][route]["settings"][name].clone()
}

#[test]
fn each_route_has_its_own_settings_over_those_of_the_gate() {
    let settings = with_routes(
        minimal_with(&[("RATE_LIMIT_USER", " 30/1m ")]),
        json!([
            {"path": "/a"},
            {"path": "/b", "rate_limit_user": "5/1m", "claims": {"room": "7"}},
            {"path": "/c", "jwt_jwks_url": "https://id.test/jwks", "jwt_audience": "any"},
        ]),
    );
    let inspected = inspect(&settings);
    assert_eq!(inspected["errors"], json!([]));
    assert_eq!(inspected["guarded"], json!(false));
    assert_eq!(
        held(&inspected, 0, "RATE_LIMIT_USER"),
        json!({"value": "30/1m", "from": "gate"})
    );
    assert_eq!(
        held(&inspected, 1, "RATE_LIMIT_USER"),
        json!({"value": "5/1m", "from": "route"})
    );
    assert_eq!(inspected["routes"][1]["claims"], json!({"room": "7"}));
    assert_eq!(
        held(&inspected, 0, "RATE_LIMIT_IP"),
        json!({"value": "60/1m", "from": "default"})
    );
    // Keys of its own replace those of the gate.
    assert_eq!(held(&inspected, 2, "JWT_SECRET"), Value::Null);
}

#[test]
fn a_secret_is_told_of_and_not_told() {
    let inspected = inspect(&minimal_with(&[]));
    assert_eq!(
        held(&inspected, 0, "JWT_SECRET"),
        json!({"value": "set", "from": "gate"})
    );
    assert_eq!(inspected["routes"][0]["path"], json!("/*"));
}

#[test]
fn every_error_comes_with_the_name_of_its_setting() {
    let settings = with_routes(
        minimal_with(&[("REQUIRE_TLS", "maybe"), ("JWT_AUD", "x")]),
        json!([{"path": "/a", "rate_limit_ip": "often"}, 7]),
    );
    let errors = inspect(&settings)["errors"].clone();
    let errors = errors.as_array().expect("a list");
    let named: Vec<_> = errors
        .iter()
        .map(|error| error["setting"].as_str())
        .collect();
    for name in [
        "REQUIRE_TLS",
        "JWT_AUD",
        "ROUTES /a rate_limit_ip",
        "ROUTES[1]",
    ] {
        assert!(named.contains(&Some(name)), "{name} in {named:?}");
    }
}

/// The script hands over the handler under this name.
#[test]
fn a_guarded_worker_is_recognised_by_the_name_that_the_script_gives() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/js/main.js");
    let script = fs::read_to_string(script).expect("the script");
    assert!(script.contains(&format!("const GUARDED = '{GUARDED_HANDLER}';")));
    let mut settings = minimal_with(&[]);
    settings.vars.remove("UPSTREAM_URL");
    settings
        .vars
        .insert("UPSTREAM_SERVICE".into(), Var::Text(GUARDED_HANDLER.into()));
    settings.bindings.insert(GUARDED_HANDLER.into());
    assert_eq!(inspect(&settings)["guarded"], json!(true));
}
