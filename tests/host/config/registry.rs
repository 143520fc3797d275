//! `ADMIN_TOKEN`, and which sockets the registry is asked about.

use portcullis::config::Settings;
use portcullis::gateway::{Endpoint, Gate, Place};
use portcullis::policy::{Judging, ONE_TIME_BINDING, REGISTRY_BINDING, Site};
use portcullis::routing::table::Match;

use super::site_errors;
use crate::common::{Ask, assert_rows, minimal_with, read};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ADMIN: (&str, &str) = ("ADMIN_TOKEN", TOKEN);
const TEAM: (&str, &str) = ("ADMIN_ACCESS_TEAM", "https://team.cloudflareaccess.com");
const INSPECT: (&str, &str) = ("RELAY", "inspect");
const EXPIRY: (&str, &str) = ("CLOSE_ON_EXPIRY", "true");

fn bound(vars: &[(&str, &str)]) -> Settings {
    let mut settings = minimal_with(vars);
    settings.bindings.insert(REGISTRY_BINDING.into());
    settings
}

#[test]
fn the_registry_judges_wherever_it_could_store_a_denial() {
    let (always, while_any) = (Judging::Always, Judging::WhileDenialsExist);
    let rows = [
        ("nothing set", bound(&[]), (while_any, false)),
        ("an administrator", bound(&[ADMIN]), (always, false)),
        ("who sees sockets", bound(&[ADMIN, INSPECT]), (always, true)),
        ("inspection alone", bound(&[INSPECT]), (while_any, false)),
        ("expiry", bound(&[EXPIRY]), (while_any, true)),
        ("both", bound(&[ADMIN, EXPIRY]), (always, true)),
        (
            "expiry without binding",
            minimal_with(&[EXPIRY]),
            (Judging::Never, false),
        ),
    ];
    assert_rows(rows.map(|(name, settings, expected)| {
        let asked =
            read(&settings).map(|policy| (policy.registering.judging, policy.registering.is_held));
        (name, asked, Ok(expected))
    }));
}

#[test]
fn what_is_wrong_is_said() {
    let errors = site_errors;
    let route = r#"[{"path":"/","admin_token":"0123456789abcdef0123456789abcdef"}]"#;
    assert_rows([
        ("sound", errors(&bound(&[ADMIN])), vec![]),
        (
            "no binding",
            errors(&minimal_with(&[ADMIN])),
            vec![
                "REGISTRY: the Durable Object binding is missing, and ADMIN_TOKEN needs it; bind it \
                 to the class Registry as the project's wrangler.toml does"
                    .into(),
            ],
        ),
        (
            "too short",
            errors(&bound(&[("ADMIN_TOKEN", "admin")])),
            vec![
                "ADMIN_TOKEN: it is shorter than 32 characters; write a random one, like openssl \
                 rand -base64 32 gives"
                    .into(),
            ],
        ),
        (
            "empty",
            errors(&bound(&[("ADMIN_TOKEN", "")])),
            vec!["ADMIN_TOKEN: it is empty; write a value or remove the setting".into()],
        ),
        (
            "metrics for nobody",
            errors(&bound(&[("METRICS", "true")])),
            vec![
                "METRICS: nobody may read metrics without ADMIN_TOKEN; set that secret, or write \
                 false"
                    .into(),
            ],
        ),
        (
            "Access",
            errors(&bound(&[ADMIN, TEAM, ("ADMIN_ACCESS_AUDIENCE", "tag")])),
            vec![],
        ),
        (
            "Access for any application",
            errors(&bound(&[ADMIN, TEAM])),
            vec![
                "ADMIN_ACCESS_TEAM: it needs ADMIN_ACCESS_AUDIENCE too; set both, or neither"
                    .into(),
            ],
        ),
        (
            "Access alone",
            errors(&bound(&[TEAM, ("ADMIN_ACCESS_AUDIENCE", "tag")])),
            vec!["ADMIN_ACCESS_TEAM: it needs ADMIN_TOKEN too; set both, or neither".into()],
        ),
        (
            "a team with a path",
            errors(&bound(&[
                ADMIN,
                ("ADMIN_ACCESS_TEAM", "https://t.cloudflareaccess.com/x"),
                ("ADMIN_ACCESS_AUDIENCE", "tag"),
            ])),
            vec![
                "ADMIN_ACCESS_TEAM: it has a path; write a URL like \
                 \"https://team.cloudflareaccess.com\""
                    .into(),
            ],
        ),
        (
            "in a route",
            errors(&bound(&[("ROUTES", route)])),
            vec!["ROUTES /: \"admin_token\" is not a setting of a route".into()],
        ),
    ]);
}

fn place_of(settings: &Settings, path: &str) -> &'static str {
    let gate = Gate::new(settings);
    let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
    match gate.place(&ask.request()) {
        Place::Admin(_) => "admin",
        Place::Refresh(_) => "refresh",
        Place::Nowhere(_) | Place::Unserved(_) => "nowhere",
        Place::Route(_) => "route",
        Place::Endpoint(Endpoint::Dashboard) => "dashboard",
        _ => "else",
    }
}

#[test]
fn endpoints_are_there_where_they_can_do_something() {
    let rows = [
        (
            "no administrator",
            bound(&[]),
            "/_portcullis/admin/sockets",
            "nowhere",
        ),
        (
            "an administrator",
            bound(&[ADMIN]),
            "/_portcullis/admin/sockets",
            "admin",
        ),
        (
            "the dashboard",
            bound(&[ADMIN]),
            "/_portcullis/admin/",
            "dashboard",
        ),
        ("no slash", bound(&[ADMIN]), "/_portcullis/admin", "nowhere"),
        (
            "no dashboard without administrators",
            bound(&[]),
            "/_portcullis/admin/",
            "nowhere",
        ),
        (
            "another path",
            bound(&[ADMIN]),
            "/_portcullis/administrator",
            "nowhere",
        ),
        (
            "encoded",
            bound(&[ADMIN]),
            "/_portcullis/%61dmin/sockets",
            "nowhere",
        ),
        (
            "refresh",
            bound(&[EXPIRY]),
            "/_portcullis/refresh",
            "refresh",
        ),
        (
            "of a path",
            bound(&[EXPIRY]),
            "/_portcullis/refresh?path=%2Fchat",
            "refresh",
        ),
        (
            "of two",
            bound(&[EXPIRY]),
            "/_portcullis/refresh?path=%2Fa&path=%2Fb",
            "nowhere",
        ),
        (
            "without expiry",
            bound(&[ADMIN]),
            "/_portcullis/refresh",
            "nowhere",
        ),
        (
            "without binding",
            minimal_with(&[EXPIRY]),
            "/_portcullis/refresh",
            "nowhere",
        ),
    ];
    assert_rows(
        rows.map(|(name, settings, path, expected)| (name, place_of(&settings, path), expected)),
    );
}

const JWK: &str =
    r#"{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const SECRET: &str = r#"{"kty": "oct", "k": "c2VjcmV0IG9mIHRoaXJ0eS10d28gY2hhcmFjdGVycyE"}"#;

/// The realms of sockets to these paths.
fn realms(routes: &str, paths: &[&str]) -> Vec<String> {
    let mut settings = bound(&[("ROUTES", routes), EXPIRY]);
    settings.bindings.insert(ONE_TIME_BINDING.into());
    let site = Site::read(&settings).expect("sound routes");
    let realm = |path: &&str| {
        let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
        match site.find(&ask.request()) {
            Place::Route(Match {
                route, parameters, ..
            }) => {
                let policy = &route.policy;
                policy.registering.realm(&policy.permission, &parameters)
            }
            other => panic!("{path}: {other:?}"),
        }
    };
    paths.iter().map(realm).collect()
}

#[test]
fn sockets_have_one_realm_where_the_same_tokens_open_them() {
    let routes = r#"[
        {"path": "/a"}, {"path": "/b", "idle_timeout": "1m"},
        {"path": "/scopes", "required_scopes": "x"},
        {"path": "/issuer", "jwt_issuer": "x"},
        {"path": "/audience", "jwt_audience": "x"},
        {"path": "/algorithms", "jwt_algorithms": "HS256"},
        {"path": "/leeway", "jwt_leeway": "1s"},
        {"path": "/age", "jwt_max_age": "1h"},
        {"path": "/typ", "jwt_typ": "at+jwt"},
        {"path": "/replay", "jwt_replay": "reject"},
        {"path": "/key", "jwt_secret": "another secret of thirty-two bytes!"},
        {"path": "/set", "jwt_jwks": {"keys": [JWK]}},
        {"path": "/other/set", "jwt_jwks": {"keys": [JWK, SECRET]}},
        {"path": "/url", "jwt_jwks_url": "https://id.example/jwks",
            "jwt_audience": "any"},
        {"path": "/other/url", "jwt_jwks_url": "https://other.example/jwks",
            "jwt_audience": "any"},
        {"path": "/issuers", "issuers":
            [{"issuer": "https://id.example", "jwks_url": "https://id.example/jwks",
              "audience": "any"}]},
        {"path": "/other/issuers", "issuers":
            [{"issuer": "https://other.example", "jwks_url": "https://id.example/jwks",
              "audience": "any"}]},
        {"path": "/session", "session_url": "https://id.example/session",
            "session_url_auth": "Bearer x"},
        {"path": "/other/session", "session_url": "https://other.example/session",
            "session_url_auth": "Bearer x"},
        {"path": "/claims", "claims": {"role": "admin"}},
        {"path": "/rooms/{room}", "claims": {"rooms": {"contains": "{room}"}}},
        {"path": "/any/{room}"}]"#
        .replace("JWK", JWK)
        .replace("SECRET", SECRET);
    let routes = routes.as_str();
    let same = realms(routes, &["/a", "/b", "/any/1", "/any/2"]);
    assert!(same.iter().all(|realm| *realm == same[0]), "{same:?}");
    let paths = [
        "/a",
        "/scopes",
        "/issuer",
        "/audience",
        "/algorithms",
        "/leeway",
        "/age",
        "/typ",
        "/replay",
        "/key",
        "/set",
        "/other/set",
        "/url",
        "/other/url",
        "/issuers",
        "/other/issuers",
        "/session",
        "/other/session",
        "/claims",
        "/rooms/1",
        "/rooms/2",
    ];
    let mut others = realms(routes, &paths);
    assert_eq!(
        others[paths.len() - 2..],
        realms(routes, &["/rooms/1", "/rooms/2"])
    );
    others.sort();
    others.dedup();
    assert_eq!(others.len(), paths.len());
}
