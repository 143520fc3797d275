//! The endpoints that anyone may ask, and the places that lead nowhere.

use portcullis::config::Settings;
use portcullis::gateway::Gate;

use crate::common::scripted::{ADMIN, Scripted, whole};
use crate::common::{Ask, RFC8037_D, RFC8037_X, assert_rows};

fn get(path: &str) -> Ask {
    Ask::plain("GET", &format!("https://gate.example{path}"))
}

#[test]
fn open_endpoints_answer_without_asking_any_object() {
    let key = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","d":"{RFC8037_D}","x":"{RFC8037_X}"}}"#
    );
    let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN), ("ASSERTION_KEY", &key)]);
    let rows = [
        ("health", get("/_portcullis/health"), "health at route"),
        (
            "the key set",
            get("/_portcullis/jwks.json"),
            "key set at route",
        ),
        (
            "an unknown endpoint",
            get("/_portcullis/x"),
            "no_route at route",
        ),
        (
            "another method for health",
            get("/_portcullis/health").method("POST"),
            "no_route at route",
        ),
    ];
    assert_rows(rows.map(|(name, ask, expected)| {
        let answer = gate.knock(&ask);
        let line = format!("{} at {}", answer.what, answer.record.stage.name());
        (name, line, expected.to_owned())
    }));
    assert_eq!(gate.take_asked(), Vec::<String>::new());
}

#[test]
fn endpoints_that_no_setting_turns_on_do_not_exist() {
    let gate = Scripted::with(&[]);
    let rows = ["refresh", "admin/sockets", "jwks.json"].map(|name| {
        let answer = gate.knock(&get(&format!("/_portcullis/{name}")));
        (name, answer.what, "no_route".to_owned())
    });
    assert_rows(rows);
}

#[test]
fn a_wrong_configuration_leaves_health_alone() {
    let settings: Settings = whole(&[("AUTH", "x")]);
    let gate = Gate::new(&settings);
    assert!(!gate.is_configured());
    let health = get("/_portcullis/health");
    let other = get("/chat");
    let place = |ask: &Ask| format!("{:?}", gate.place(&ask.request()));
    assert_rows([
        ("health", place(&health), "Endpoint(Health)".to_owned()),
        ("a route", place(&other), "Nowhere(NoRoute)".to_owned()),
    ]);
}
