//! `RATE_LIMIT_ROUTE`, for all routes and for one.

use portcullis::config::Var;
use portcullis::limits::quota::Quota;
use portcullis::policy::{ROUTE_QUOTA_BINDING, Site};
use serde_json::json;

use crate::common::{assert_rows, errors_with, minimal_with, read, seconds, strings};

#[test]
fn good_values_are_taken() {
    let quota = |vars: &[(&str, &str)]| read(&minimal_with(vars)).expect("sound").counting.route;
    assert_rows([
        ("not set", quota(&[]), None),
        ("off", quota(&[("RATE_LIMIT_ROUTE", "off")]), None),
        (
            "a quota",
            quota(&[("RATE_LIMIT_ROUTE", "10000/1s")]),
            Quota::new(10_000, seconds(1)),
        ),
    ]);
}

#[test]
fn bad_values_are_errors() {
    let error = |value| errors_with("RATE_LIMIT_ROUTE", value);
    let expected = |problem| strings(&[problem]);
    assert_rows([
        (
            "no quota",
            error("many"),
            expected(r#"RATE_LIMIT_ROUTE: "many" is no quota; write one like "60/1m", or "off""#),
        ),
        (
            "nobody",
            error("0/1m"),
            expected(
                r#"RATE_LIMIT_ROUTE: "0/1m" would admit nobody or everybody; write one like "60/1m", or "off""#,
            ),
        ),
    ]);
}

#[test]
fn it_needs_its_binding() {
    let without = |vars: &[(&str, &str)]| {
        let mut settings = minimal_with(vars);
        settings.bindings.remove(ROUTE_QUOTA_BINDING);
        settings
    };
    let problem = "ROUTE_QUOTA: the Durable Object binding is missing, and RATE_LIMIT_ROUTE counts \
                   there; bind it to the class RouteQuota as the project's wrangler.toml does";
    let errors = |settings| read(&settings).err().unwrap_or_default();
    assert_rows([
        ("not set", errors(without(&[])), vec![]),
        (
            "off",
            errors(without(&[("RATE_LIMIT_ROUTE", "off")])),
            vec![],
        ),
        (
            "set",
            errors(without(&[("RATE_LIMIT_ROUTE", "5/1s")])),
            strings(&[problem]),
        ),
    ]);
    let mut of_a_route = without(&[]);
    let routes = json!([{"path": "/a", "rate_limit_route": "5/1s"}]);
    of_a_route.vars.insert("ROUTES".into(), Var::Json(routes));
    let told: Vec<_> = Site::read(&of_a_route)
        .expect_err("the binding is missing")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told, [problem]);
}

#[test]
fn a_route_may_have_its_own_and_turn_it_off() {
    let mut settings = minimal_with(&[("RATE_LIMIT_ROUTE", "5/1s")]);
    let routes = json!([
        {"path": "/a"},
        {"path": "/b", "rate_limit_route": "7/1m"},
        {"path": "/c", "rate_limit_route": "off"},
    ]);
    settings.vars.insert("ROUTES".into(), Var::Json(routes));
    let site = Site::read(&settings).expect("sound");
    let quotas: Vec<_> = site
        .routes
        .iter()
        .map(|route| route.policy.counting.route)
        .collect();
    assert_eq!(
        quotas,
        [Quota::new(5, seconds(1)), Quota::new(7, seconds(60)), None]
    );
}
