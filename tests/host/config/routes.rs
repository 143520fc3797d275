//! `ROUTES`: settings inherited and overridden.

use portcullis::config::{ConfigError, Settings, Var};
use portcullis::policy::{Counting, Site};
use serde_json::{Value, json};

use super::{with_routes, without_warnings};
use crate::common::{self, MINIMAL, assert_rows, minimal_with, read, settings, strings};

/// The policies of sound routes, as they show.
fn policies(settings: &Settings) -> Vec<String> {
    let site = Site::read(settings).expect("sound settings");
    site.routes
        .iter()
        .map(|route| without_warnings(&route.policy))
        .collect()
}

/// Each setting that a route may have, with a value other than its default.
const SETTINGS: [(&str, &str); 24] = [
    ("ALLOWED_ORIGINS", "https://other.example.com"),
    ("AUTH", "optional"),
    ("JWT_ALGORITHMS", "HS256"),
    ("JWT_AUDIENCE", "chat"),
    ("JWT_ISSUER", "https://id.example.com"),
    ("JWT_JWKS_STALE", "5m"),
    ("JWT_LEEWAY", "5s"),
    ("JWT_MAX_AGE", "1h"),
    (
        "JWT_SECRET",
        "another secret, of sixty-four characters or more, for HS512 as well",
    ),
    ("JWT_TYP", "at+jwt"),
    ("KEY_REPLAY_WINDOW", "off"),
    ("LIMITER_TIMEOUT", "1s"),
    ("ON_LIMITER_FAILURE", "admit"),
    ("ON_REGISTRY_FAILURE", "admit"),
    ("ORIGIN_MISSING", "allow"),
    ("PLAIN_HTTP", "proxy"),
    ("REJECT_WITH", "close"),
    ("REQUIRED_SCOPES", "a b"),
    ("REQUIRE_TLS", "false"),
    ("SECURITY_HEADERS", r#"{"X-Frame-Options":null}"#),
    ("TOKEN_SOURCES", "cookie:token"),
    ("UPSTREAM_PLAINTEXT", "true"),
    ("UPSTREAM_TIMEOUT", "1s"),
    ("UPSTREAM_URL", "wss://other.example.com"),
];

#[test]
fn every_setting_is_inherited_or_overridden() {
    let own = policies(&settings(&MINIMAL)).remove(0);
    assert_rows(SETTINGS.into_iter().flat_map(|(name, value)| {
        let changed = policies(&minimal_with(&[(name, value)])).remove(0);
        let invisible = ["UPSTREAM_PLAINTEXT", "JWT_JWKS_STALE"];
        assert_eq!(changed == own, invisible.contains(&name), "{name} shows");
        let two = json!([{"path": "/a", name.to_lowercase(): value}, {"path": "/b"}]);
        let overridden = policies(&with_routes(minimal_with(&[]), two.clone()));
        let back = policies(&with_routes(minimal_with(&[(name, value)]), two));
        [
            (
                format!("{name} overridden"),
                overridden,
                vec![changed.clone(), own.clone()],
            ),
            (
                format!("{name} inherited"),
                back,
                vec![changed.clone(), changed],
            ),
        ]
    }));
}

#[test]
fn a_limit_of_its_own_counts_apart() {
    let routes = json!([
        {"path": "/a", "rate_limit_ip": "5/1s"},
        {"path": "/b", "rate_limit_ip": "60/1m"},
        {"path": "/c", "key_replay_window": "off", "rate_limit_user": "5/1s"},
    ]);
    let site = Site::read(&with_routes(minimal_with(&[]), routes)).expect("sound");
    let groups = |counting: &Counting| {
        let Counting { address, user, .. } = counting;
        (address.group.clone(), user.group.clone())
    };
    let of_routes: Vec<_> = site
        .routes
        .iter()
        .map(|route| groups(&route.policy.counting))
        .collect();
    let pair = |address: &str, user: &str| (address.to_owned(), user.to_owned());
    assert_eq!(of_routes, [pair("/a", ""), pair("/b", ""), pair("", "/c")]);
    assert_eq!(groups(&site.elsewhere.counting), pair("", ""));
}

#[test]
fn toml_tables_and_json_text_say_the_same() {
    let routes = json!([
        {"path": "/a", "require_tls": false, "allowed_origins": ["https://a.test", "https://b.test"]},
        {"path": "/b/*", "security_headers": {"X-Frame-Options": null}},
    ]);
    let tables = with_routes(minimal_with(&[]), routes.clone());
    let text = minimal_with(&[("ROUTES", &routes.to_string())]);
    assert_eq!(policies(&tables), policies(&text));
    let first = minimal_with(&[
        ("REQUIRE_TLS", "false"),
        ("ALLOWED_ORIGINS", "https://a.test https://b.test"),
    ]);
    assert_eq!(policies(&tables)[0], policies(&first)[0]);
}

/// One upstream replaces the other; two of a route are a contradiction.
#[test]
fn a_route_has_one_upstream() {
    let mut bound = minimal_with(&[]);
    bound.bindings.insert("CHAT".into());
    let mut by_service = bound.clone();
    by_service.vars.remove("UPSTREAM_URL");
    by_service
        .vars
        .insert("UPSTREAM_SERVICE".into(), Var::Text("CHAT".into()));
    let upstream = |settings: &Settings, route: Value| {
        let site = Site::read(&with_routes(settings.clone(), json!([route])));
        site.map(|site| {
            format!(
                "{:?}",
                site.routes
                    .iter()
                    .next()
                    .map(|route| &route.policy.upstream)
            )
        })
        .map_err(|errors| {
            errors
                .iter()
                .map(ConfigError::to_string)
                .collect::<Vec<_>>()
        })
    };
    let service = || Ok("Some(Service(\"CHAT\"))".to_owned());
    let to_service = upstream(&bound, json!({"path": "/a", "upstream_service": "CHAT"}));
    let inherited = upstream(&by_service, json!({"path": "/a"}));
    assert_rows([
        ("a service over a URL", to_service, service()),
        ("inherited", inherited, service()),
    ]);
    let to_url = upstream(
        &by_service,
        json!({"path": "/a", "upstream_url": "wss://chat.example.com"}),
    );
    let url = upstream(&bound, json!({"path": "/a"}));
    assert_eq!(to_url, url, "a URL over a service");
    let both = json!({"path": "/a", "upstream_service": "CHAT", "upstream_url": "wss://a.test"});
    let mut global = bound.clone();
    global.vars.extend(by_service.vars.clone());
    let problems = read(&global).err().unwrap_or_default().concat();
    let problem = problems.replace("UPSTREAM_SERVICE: ", "ROUTES /a upstream_service: ");
    assert_eq!(upstream(&bound, both), Err(strings(&[&problem])));
    let missing = "ROUTES /a upstream_service: there is no service binding \"MAIL\"; add it under [[services]]";
    let unbound = upstream(&bound, json!({"path": "/a", "upstream_service": "MAIL"}));
    assert_eq!(unbound, Err(strings(&[missing])));
}

/// Keys and sessions are replaced as a whole; what else a token must say is inherited.
#[test]
fn a_route_with_keys_of_its_own_inherits_none() {
    let secret = ("JWT_SECRET", "another secret of thirty-two characters");
    let url = ("JWT_JWKS_URL", "https://id.example/jwks");
    let audience = ("JWT_AUDIENCE", "any");
    let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let jwks = ("JWT_JWKS", set);
    let entry =
        json!([{"issuer": "one", "jwks_url": "https://one.example/jwks", "audience": "any"}])
            .to_string();
    let issuers = ("ISSUERS", entry.as_str());
    let sources = [secret, url, jwks, issuers];
    let without_keys = |vars: &[(&str, &str)]| {
        let mut settings = minimal_with(&[("JWT_LEEWAY", "7s")]);
        settings.vars.remove("JWT_SECRET");
        if vars.contains(&url) {
            settings.vars.extend(common::settings(&[audience]).vars);
        }
        settings.vars.extend(common::settings(vars).vars);
        settings
    };
    let own_over = |global: &[(&str, &str)], own: (&str, &str)| {
        let mut route = json!([{"path": "/a", own.0.to_lowercase(): own.1}]);
        if own == url {
            route[0][audience.0.to_lowercase()] = audience.1.into();
        }
        policies(&with_routes(without_keys(global), route))
    };
    assert_rows(sources.into_iter().flat_map(|own| {
        sources.map(|global| {
            let inherits = global == url && own != issuers;
            let inherited: &[_] = if inherits { &[own, audience] } else { &[own] };
            let alone = policies(&without_keys(inherited));
            (
                format!("{} over {}", own.0, global.0),
                own_over(&[global], own),
                alone,
            )
        })
    }));
    let said = [
        ("JWT_ISSUER", "one two"),
        ("JWT_AUDIENCE", "chat"),
        ("JWT_ALGORITHMS", "HS256"),
    ];
    let with = |source| [&[source], &said[..]].concat();
    let sessions = [
        ("SESSION_URL", "https://id.example/introspect"),
        ("SESSION_URL_AUTH", "Bearer x"),
        ("JWT_AUDIENCE", "chat"),
    ];
    let beside = |source| [&[source], &sessions[..]].concat();
    let no_sessions = json!([{"path": "/a", "session_url": "off"}]);
    let own_sessions = json!([{"path": "/a", "session_url": sessions[0].1}]);
    assert_rows([
        (
            "keys alone",
            own_over(&with(("JWT_SECRET", MINIMAL[1].1)), secret),
            policies(&without_keys(&with(secret))),
        ),
        (
            "issuers bring all of theirs",
            own_over(&with(secret), issuers),
            policies(&without_keys(&[issuers])),
        ),
        (
            "keys replace sessions",
            own_over(&beside(url), secret),
            policies(&without_keys(&[secret, sessions[2]])),
        ),
        (
            "issuers replace sessions and what was said of them",
            own_over(&beside(secret), issuers),
            policies(&without_keys(&[issuers])),
        ),
        (
            "sessions replace keys",
            policies(&with_routes(without_keys(&beside(secret)), own_sessions)),
            policies(&without_keys(&sessions)),
        ),
        (
            "off removes sessions alone",
            policies(&with_routes(without_keys(&beside(secret)), no_sessions)),
            policies(&without_keys(&[secret, sessions[2]])),
        ),
    ]);
}

#[test]
fn warnings_are_told_once() {
    let site = Site::read(&with_routes(
        minimal_with(&[("ALLOWED_ORIGINS", "*")]),
        json!([{"path": "/a"}, {"path": "/b"}]),
    ));
    assert_eq!(site.expect("sound").warnings.len(), 1);
}
