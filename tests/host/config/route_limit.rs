//! `RATE_LIMIT_ROUTE`, for all routes and for one.

use portcullis::limits::quota::Quota;
use portcullis::policy::{ROUTE_QUOTA_BINDING, Site};
use serde_json::json;

use super::{site_errors, with_routes};
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
            expected(
                r#"RATE_LIMIT_ROUTE: "many" is not a quota; write one like "60/1m", or "off""#,
            ),
        ),
        (
            "nobody",
            error("0/1m"),
            expected(
                r#"RATE_LIMIT_ROUTE: "0/1m" has a count or a duration of zero; write one like "60/1m", or "off""#,
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
    let routes = json!([{"path": "/a", "rate_limit_route": "5/1s"}]);
    assert_eq!(site_errors(&with_routes(without(&[]), routes)), [problem]);
}

#[test]
fn a_route_may_have_its_own_and_turn_it_off() {
    let settings = minimal_with(&[("RATE_LIMIT_ROUTE", "5/1s")]);
    let routes = json!([
        {"path": "/a"},
        {"path": "/b", "rate_limit_route": "7/1m"},
        {"path": "/c", "rate_limit_route": "off"},
    ]);
    let site = Site::read(&with_routes(settings, routes)).expect("sound");
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
