//! Settings that are legal and worth a line in the log.

use portcullis::config::Var;
use portcullis::policy::Site;
use serde_json::json;

use super::with_routes;
use crate::common::{assert_rows, minimal_with, strings};

const NO_TOKEN: &str = "off, so nobody needs a token";
const NO_LIMIT: &str = "off, so an address may make any number of attempts";
const NO_TLS: &str = "off, so tokens and messages may cross networks unencrypted";
const SAME_SUB: &str = "two issuers may have users with the same sub; let your server read \
                        Portcullis-Issuer together with Portcullis-Subject, or the sub_id of an \
                        assertion (ASSERTION_KEY)";
const KEY: &str = r#"{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;

fn warnings(vars: &[(&str, &str)], routes: Option<serde_json::Value>) -> Vec<String> {
    let mut settings = minimal_with(vars);
    if vars.iter().any(|(name, _)| *name == "ISSUERS") {
        settings.vars.remove("JWT_SECRET");
    }
    let settings = match routes {
        Some(routes) => with_routes(settings, routes),
        None => settings,
    };
    Site::read(&settings).expect("sound settings").warnings
}

#[test]
fn what_opens_the_gate_further_is_a_warning() {
    let issuers = r#"[
        {"issuer":"a","jwks_url":"https://a.test/jwks","audience":"chat"},
        {"issuer":"b","jwks_url":"https://b.test/jwks","audience":"chat"}]"#;
    let one = |name: &str, remark: &str| vec![format!("{name}: {remark}")];
    let of = |vars: &[(&str, &str)]| warnings(vars, None);
    assert_rows([
        ("nothing", of(&[]), vec![]),
        (
            "off",
            of(&[("AUTH", "off")]),
            strings(&[
                "JWT_SECRET: AUTH is off, so it is not used",
                &format!("AUTH: {NO_TOKEN}"),
            ]),
        ),
        ("optional", of(&[("AUTH", "optional")]), vec![]),
        (
            "report mode",
            of(&[("MODE", "report")]),
            one("MODE", "report, so nobody is refused"),
        ),
        (
            "a canary",
            of(&[("MODE", "enforce:10%")]),
            one("MODE", "a share, so other addresses are not refused"),
        ),
        (
            "no TLS",
            of(&[("REQUIRE_TLS", "false")]),
            one("REQUIRE_TLS", NO_TLS),
        ),
        (
            "plaintext",
            of(&[("UPSTREAM_PLAINTEXT", "true")]),
            one(
                "UPSTREAM_PLAINTEXT",
                "identities and messages may reach the server unencrypted",
            ),
        ),
        (
            "no limit",
            of(&[("RATE_LIMIT_IP", "off")]),
            one("RATE_LIMIT_IP", NO_LIMIT),
        ),
        (
            "a token in the query",
            of(&[("TOKEN_SOURCES", "header, query:t")]),
            one(
                "TOKEN_SOURCES",
                "a token in the query is written to logs and histories; prefer one-time tickets",
            ),
        ),
        (
            "two issuers",
            of(&[("ISSUERS", issuers)]),
            one("ISSUERS", SAME_SUB),
        ),
        (
            "two names of an issuer",
            of(&[("JWT_ISSUER", "a b")]),
            one("JWT_ISSUER", SAME_SUB),
        ),
        (
            "two issuers, and a server that is told by assertion",
            of(&[("ISSUERS", issuers), ("ASSERTION_KEY", KEY)]),
            vec![],
        ),
        ("one issuer", of(&[("JWT_ISSUER", "a")]), vec![]),
        (
            "keys of a provider for any audience",
            of(&[
                ("JWT_JWKS_URL", "https://id.test/jwks"),
                ("JWT_AUDIENCE", "any"),
            ]),
            one(
                "JWT_AUDIENCE",
                "any, so tokens that the provider issued for other services open sockets here",
            ),
        ),
        (
            "plain requests",
            of(&[("PLAIN_HTTP", "proxy")]),
            one(
                "PLAIN_HTTP",
                "proxy, so requests that are not upgrades reach the server without a check",
            ),
        ),
    ]);
}

#[test]
fn a_registry_that_knows_no_sockets_is_a_warning() {
    let remark = "RELAY: passthrough, so open sockets are not listed, and outlive a revocation and \
                  a ban; set it to inspect";
    let token = "an-administrators-token-of-thirty-two-bytes";
    let of = |more: &[(&str, &str)]| {
        let mut settings = minimal_with(more);
        settings
            .vars
            .insert("ADMIN_TOKEN".into(), Var::Text(token.into()));
        settings.bindings.insert("REGISTRY".into());
        Site::read(&settings).expect("sound settings").warnings
    };
    assert_rows([
        ("passthrough", of(&[]), strings(&[remark])),
        ("inspect", of(&[("RELAY", "inspect")]), vec![]),
        ("implied", of(&[("MAX_LIFETIME", "1h")]), vec![]),
    ]);
}

#[test]
fn a_warning_names_the_route_that_set_it() {
    let routes = json!([
        {"path": "/a"},
        {"path": "/b", "auth": "off"},
        {"path": "/c", "require_tls": "false"},
    ]);
    let expected = strings(&[
        &format!("RATE_LIMIT_IP: {NO_LIMIT}"),
        &format!("ROUTES /b auth: {NO_TOKEN}"),
        &format!("ROUTES /c require_tls: {NO_TLS}"),
    ]);
    assert_eq!(
        warnings(&[("RATE_LIMIT_IP", "off")], Some(routes)),
        expected
    );
}

#[test]
fn what_is_set_about_first_messages_and_not_used_is_a_warning() {
    let unused = |name: &str| {
        vec![format!(
            "{name}: TOKEN_SOURCES has no message:, so it is not used"
        )]
    };
    let own = json!([{"path": "/a", "first_message": "drop"}, {"path": "/b"}]);
    let reads = json!([{"path": "/a", "token_sources": "message:/t"}, {"path": "/b"}]);
    let global = [("FIRST_MESSAGE", "pass")];
    assert_rows([
        (
            "everywhere",
            warnings(&global, None),
            unused("FIRST_MESSAGE"),
        ),
        (
            "in a route",
            warnings(&[], Some(own)),
            unused("ROUTES /a first_message"),
        ),
        ("used by a route", warnings(&global, Some(reads)), vec![]),
    ]);
}
