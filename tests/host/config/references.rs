//! `{secret:NAME}`: values that secrets of other names hold.

use serde_json::json;

use super::{site_errors, with_routes, without_warnings};
use crate::common::{assert_rows, minimal_with, read, strings};
use portcullis::policy::Site;

const KEY: (&str, &str) = ("PARTNERS_KEY", "a partner's secret of thirty-two bytes");

#[test]
fn a_reference_is_what_the_secret_holds() {
    let own = |value: &str| {
        let routes = json!([{"path": "/a", "jwt_secret": value}]);
        let site = Site::read(&with_routes(minimal_with(&[KEY]), routes)).expect("sound");
        site.routes
            .iter()
            .map(|route| without_warnings(&route.policy))
            .collect::<Vec<_>>()
    };
    let global = |value: &str| {
        let policy = read(&minimal_with(&[KEY, ("JWT_SECRET", value)])).expect("sound");
        without_warnings(&policy)
    };
    assert_eq!(own("{secret:PARTNERS_KEY}"), own(KEY.1));
    assert_eq!(own(" {secret:PARTNERS_KEY}\n"), own(KEY.1));
    assert_eq!(global("{secret:PARTNERS_KEY}"), global(KEY.1));
}

/// A reference that is taken for the secret itself would be a key that everybody can read.
#[test]
fn a_reference_without_a_secret_is_an_error_whatever_its_length() {
    let long = "A_NAME_THAT_IS_LONG_ENOUGH_TO_BE_A_KEY";
    let reference = format!("{{secret:{long}}}");
    let missing = format!("there is no secret {long}; set it with npx wrangler secret put {long}");
    let route = |value: &str, vars: &[(&str, &str)]| {
        let routes = json!([{"path": "/a", "jwt_secret": value}]);
        site_errors(&with_routes(minimal_with(vars), routes))
    };
    assert_rows([
        (
            "of a route",
            route(&reference, &[]),
            vec![format!("ROUTES /a jwt_secret: {missing}")],
        ),
        (
            "global",
            site_errors(&minimal_with(&[("JWT_SECRET", &reference)])),
            vec![format!("JWT_SECRET: {missing}")],
        ),
        (
            "of the administrators",
            site_errors(&minimal_with(&[("ADMIN_TOKEN", &reference)])),
            vec![format!("ADMIN_TOKEN: {missing}")],
        ),
        (
            "of the administrators, with routes",
            route(KEY.1, &[("ADMIN_TOKEN", &reference)]),
            vec![format!("ADMIN_TOKEN: {missing}")],
        ),
        (
            "to itself",
            site_errors(&minimal_with(&[("JWT_SECRET", "{secret:JWT_SECRET}")])),
            strings(&[
                "JWT_SECRET: the secret JWT_SECRET is itself a reference; put the value there",
            ]),
        ),
        (
            "to a reference",
            route("{secret:FIRST}", &[("FIRST", "{secret:PARTNERS_KEY}"), KEY]),
            strings(&[
                "ROUTES /a jwt_secret: the secret FIRST is itself a reference; put the value there",
            ]),
        ),
    ]);
}

/// What only resembles a reference is a value, and is judged as one.
#[test]
fn a_reference_is_the_whole_value() {
    let errors = |value: &str| site_errors(&minimal_with(&[KEY, ("UPSTREAM_URL", value)]));
    for value in [
        "{secret:}",
        "{secret:PARTNERS KEY}",
        "x{secret:PARTNERS_KEY}",
    ] {
        let errors = errors(value);
        assert!(
            errors.len() == 1 && errors[0].starts_with("UPSTREAM_URL: "),
            "{value}: {errors:?}"
        );
    }
}
