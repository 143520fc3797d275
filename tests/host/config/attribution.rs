//! Whose an error is: a route's, or the global settings'.

use serde_json::{Value, json};

use super::{site_errors, with_routes};
use crate::common::{assert_rows, minimal_with, strings};

/// What is wrong with a global value is global. What a route's own value makes wrong is the route's,
/// whichever of the two settings the error is about.
#[test]
fn an_error_belongs_to_whoever_set_one_of_the_values_that_contradict() {
    let errors = |vars: &[(&str, &str)], route: Value| {
        let mut settings = minimal_with(vars);
        settings.bindings.insert("ROOMS".into());
        site_errors(&with_routes(settings, json!([route])))
    };
    let names = |errors: Vec<String>| -> Vec<String> {
        let name = |line: &String| line.split(": ").next().unwrap_or_default().to_owned();
        errors.iter().map(name).collect()
    };
    let plaintext = ("UPSTREAM_PLAINTEXT", "true");
    let url = ("UPSTREAM_URL", "ws://chat.example.com");
    let ban = ("BAN_AFTER", "30/1m for 1h");
    let few = ("RATE_LIMIT_IP", "5/1m");
    let path = "/a/{x}";
    let rows = [
        (
            "a route forbids what the global URL needs",
            errors(
                &[url, plaintext],
                json!({"path": path, "upstream_plaintext": false}),
            ),
            "ROUTES /a/{x} upstream_url",
        ),
        (
            "a global URL that no route changes",
            errors(&[url], json!({"path": path})),
            "UPSTREAM_URL",
        ),
        (
            "a route admits too few attempts for the global ban",
            errors(&[ban], json!({"path": path, "rate_limit_ip": "5/1m"})),
            "ROUTES /a/{x} ban_after",
        ),
        (
            "a global ban under a global limit",
            errors(&[ban, few], json!({"path": path})),
            "BAN_AFTER",
        ),
        (
            "a global algorithm for a route's key",
            errors(
                &[
                    ("JWT_SECRET", "x".repeat(64).as_str()),
                    ("JWT_ALGORITHMS", "HS512"),
                ],
                json!({"path": path, "jwt_secret": "y".repeat(64), "jwt_algorithms": "ES256"}),
            ),
            "ROUTES /a/{x} jwt_algorithms",
        ),
        (
            "a route's object",
            errors(&[], json!({"path": path, "upstream_object": "ROOMS/{y}"})),
            "ROUTES /a/{x} upstream_object",
        ),
    ];
    assert_rows(rows.map(|(name, errors, expected)| {
        let mut names = names(errors);
        names.dedup();
        (name, names, strings(&[expected]))
    }));
    let mut global = minimal_with(&[("UPSTREAM_OBJECT", "ROOMS/{y}")]);
    global.vars.remove("UPSTREAM_URL");
    global.bindings.insert("ROOMS".into());
    let with_route = with_routes(global.clone(), json!([{"path": path}]));
    assert_eq!(names(site_errors(&with_route)), ["UPSTREAM_OBJECT"]);
    assert_eq!(names(site_errors(&global)), ["UPSTREAM_OBJECT"]);
}
