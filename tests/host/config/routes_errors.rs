//! `ROUTES`: what is a configuration error, and whose.

use portcullis::config::Var;
use portcullis::policy::LEDGER_BINDING;
use serde_json::{Value, json};

use super::{site_errors, with_routes};
use crate::common::{assert_rows, minimal_with, object, read, strings};

/// The errors of routes over the minimal settings.
fn errors(routes: Value) -> Vec<String> {
    site_errors(&with_routes(minimal_with(&[]), routes))
}

#[test]
fn what_is_no_route_is_an_error_by_its_place() {
    let array = "ROUTES: it is not a JSON array with at least one element";
    let object_ = "it is not an object; write {\"path\": \"/chat\", ...}";
    let path = "it has no path; write one like \"path\": \"/chat\"";
    let at = |at: usize, problem: &str| strings(&[&format!("ROUTES[{at}]: {problem}")]);
    assert_rows([
        ("empty", errors(json!([])), strings(&[array])),
        ("object", errors(json!({"path": "/a"})), strings(&[array])),
        (
            "text in it",
            errors(json!([{"path": "/a"}, "/b"])),
            at(1, object_),
        ),
        ("no path", errors(json!([{"auth": "off"}])), at(0, path)),
        ("path a number", errors(json!([{"path": 1}])), at(0, path)),
        (
            "pattern",
            errors(json!([{"path": "/a"}, {"path": "/b*"}])),
            at(
                1,
                "\"/b*\": a parameter is a whole segment, and * is the last one; write a path like \"/chat\", \"/rooms/{room}\" or \"/api/*\"",
            ),
        ),
        (
            "text that is none",
            site_errors(&minimal_with(&[("ROUTES", "/a")])),
            strings(&["ROUTES: invalid JSON: expected value at line 1 column 1"]),
        ),
        (
            "duplicate member",
            site_errors(&minimal_with(&[(
                "ROUTES",
                r#"[{"path":"/a","path":"/b"}]"#,
            )])),
            strings(&["ROUTES: invalid JSON: a member stands twice at line 1 column 26"]),
        ),
    ]);
}

#[test]
fn routes_that_overlap_are_errors_that_name_both() {
    let pair = |first: &str, second: &str| errors(json!([{"path": first}, {"path": second}]));
    let overlap = |first: &str, second: &str| {
        strings(&[&format!(
            "ROUTES {second}: it overlaps the route {first}, and neither is more specific; change \
             one of the two"
        )])
    };
    let pairs = [
        ("/a", "/a"),
        ("/*", "/*"),
        ("/rooms/{a}", "/rooms/{b}"),
        ("/rooms/{a}/x", "/rooms/{b}/x"),
        ("/{a}/*", "/{b}/*"),
    ];
    assert_rows(pairs.map(|(first, second)| {
        (
            format!("{first} {second}"),
            pair(first, second),
            overlap(first, second),
        )
    }));
    let apart = [
        ("/", "/*"),
        ("/*", "/"),
        ("/api/*", "/api/"),
        ("/a", "/a/"),
        ("/{a}/*", "/{b}/"),
        ("/{a}/x", "/{b}/y"),
        ("/rooms/{a}", "/rooms/*"),
        ("/api/*", "/api/{version}/users"),
        ("/rooms/*", "/rooms/{a}/*"),
    ];
    assert_rows(
        apart.map(|(first, second)| (format!("{first} {second}"), pair(first, second), vec![])),
    );
}

#[test]
fn a_route_that_no_path_leads_to_is_an_error() {
    let of = |paths: &[&str]| {
        let routes: Vec<_> = paths.iter().map(|path| json!({ "path": path })).collect();
        errors(json!(routes))
    };
    let unreachable = |path: &str| {
        strings(&[&format!(
            "ROUTES {path}: no path leads to it: more specific routes match all of its; remove it"
        )])
    };
    let all = ["/rooms/*", "/rooms/", "/rooms/{a}", "/rooms/{b}/*"];
    assert_rows([
        ("all but its root", of(&["/*", "/{a}", "/{b}/*"]), vec![]),
        (
            "all but those of one segment",
            of(&["/*", "/", "/{b}/*"]),
            vec![],
        ),
        (
            "all but the longer ones",
            of(&["/*", "/", "/{a}", "/{a}/"]),
            vec![],
        ),
        (
            "all but other words",
            of(&["/*", "/", "/xx", "/x/*", "/xx/*"]),
            vec![],
        ),
        ("all", of(&["/*", "/", "/{a}", "/{b}/*"]), unreachable("/*")),
        ("all in depth", of(&all), unreachable("/rooms/*")),
        (
            "all, in more parts",
            of(&["/*", "/", "/{a}", "/{a}/", "/{a}/{b}", "/{a}/{b}/*"]),
            unreachable("/*"),
        ),
    ]);
}

/// What a route may override or lack is no error before the routes can be read.
#[test]
fn wrong_global_variables_are_told_beside_routes_that_can_not_be_read() {
    let vars = [("UPSTREAM_TIMEOUT", "soon"), ("JWT_ISUER", "x")];
    let mut settings = minimal_with(&vars);
    for missing in ["UPSTREAM_URL", "ALLOWED_ORIGINS", "JWT_SECRET"] {
        settings.vars.remove(missing);
    }
    settings
        .vars
        .insert("AUTH".into(), json!("required").into());
    let told = |routes: Value| {
        let mut told = site_errors(&with_routes(settings.clone(), routes));
        told.sort();
        told
    };
    let others = [
        "JWT_ISUER: there is no such setting; did you mean JWT_ISSUER?",
        "UPSTREAM_TIMEOUT: \"soon\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\"",
    ];
    let with = |first: &str| strings(&[others[0], first, others[1]]);
    assert_rows([
        (
            "no array",
            told(json!({})),
            with("ROUTES: it is not a JSON array with at least one element"),
        ),
        (
            "no object",
            told(json!([7])),
            with("ROUTES[0]: it is not an object; write {\"path\": \"/chat\", ...}"),
        ),
    ]);
    let pattern = json!([{"path": "chat", "auth": "of", "x": 1}]);
    let told = errors(pattern);
    let settings: Vec<_> = told
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(settings, ["ROUTES[0]", "ROUTES chat", "ROUTES chat auth"]);
}

#[test]
fn an_unknown_key_is_an_error_and_brings_no_others() {
    let mut without_upstream = minimal_with(&[]);
    without_upstream.vars.remove("UPSTREAM_URL");
    let of = |key: &str| {
        let mut route = object(r#"{"path":"/a","upstream_url":"wss://a.test"}"#);
        route.insert(key.to_owned(), json!("x"));
        site_errors(&with_routes(without_upstream.clone(), json!([route])))
    };
    let names = [
        ("origins", ""),
        ("REQUIRE_TLS", "; did you mean require_tls?"),
        ("Auth", "; did you mean auth?"),
        ("routes", ""),
        ("allowed_origin", "; did you mean allowed_origins?"),
        ("max_socket_user", "; did you mean max_sockets_user?"),
        ("admin_tokn", ""),
        ("", ""),
        ("paths", ""),
        ("DATABASE_URL", ""),
    ];
    assert_rows(names.map(|(name, guess)| {
        let expected = format!("ROUTES /a: {name:?} is not a setting of a route{guess}");
        (name, of(name), vec![expected])
    }));
}

#[test]
fn an_error_is_told_once_by_the_name_of_who_made_it() {
    let two = |first: Value| json!([first, {"path": "/b"}]);
    let over =
        |vars: &[(&str, &str)], routes| site_errors(&with_routes(minimal_with(vars), routes));
    let auth = |name: &str| {
        format!("{name}: invalid value \"x\"; write \"required\" or \"optional\" or \"off\"")
    };
    let tls = "REQUIRE_TLS: invalid value \"x\"; write \"true\" or \"false\"";
    let wrong = "MODE: invalid value \"x\"; write \"enforce\" or \"report\", or \"enforce:10%\"";
    let url = ("JWT_JWKS_URL", "https://a.test/jwks");
    let secret = "a secret of thirty-two characters!";
    let mut unbound = minimal_with(&[]);
    unbound.bindings.remove(LEDGER_BINDING);
    let mut no_upstream = minimal_with(&[]);
    no_upstream.vars.remove("UPSTREAM_URL");
    let mut by_url = minimal_with(&[url, ("JWT_AUDIENCE", "chat")]);
    by_url.vars.remove("JWT_SECRET");
    let global = read(&no_upstream).err().unwrap_or_default().concat();
    let upstream = global.replace("UPSTREAM_URL: ", "ROUTES /b upstream_url: ");
    let claim = "claim \"a\": a value is a string, a number or a boolean";
    assert_rows([
        (
            "global, for two routes",
            over(&[("AUTH", "x")], two(json!({"path": "/a"}))),
            vec![auth("AUTH")],
        ),
        (
            "global, elsewhere as well",
            over(&[("REQUIRE_TLS", "x")], two(json!({"path": "/a"}))),
            strings(&[tls]),
        ),
        (
            "of a route",
            errors(two(json!({"path": "/a", "auth": "x"}))),
            vec![auth("ROUTES /a auth")],
        ),
        (
            "of both",
            over(&[("AUTH", "x")], two(json!({"path": "/a", "auth": "x"}))),
            vec![auth("ROUTES /a auth"), auth("AUTH")],
        ),
        (
            "global, mended by a route",
            over(&[("AUTH", "x")], json!([{"path": "/a", "auth": "off"}])),
            vec![],
        ),
        (
            "misspelt",
            over(&[("JWT_ISUER", "x")], two(json!({"path": "/a"}))),
            strings(&["JWT_ISUER: there is no such setting; did you mean JWT_ISSUER?"]),
        ),
        (
            "mode, global",
            over(&[("MODE", "x")], two(json!({"path": "/a"}))),
            strings(&[wrong]),
        ),
        (
            "mode, of a route",
            errors(two(json!({"path": "/a", "mode": "x"}))),
            vec![format!("ROUTES /a mode: {}", &wrong[6..])],
        ),
        (
            "no ledger",
            site_errors(&with_routes(
                unbound,
                two(json!({"path": "/a", "rate_limit_ip": "5/1s"})),
            )),
            strings(&[
                "LEDGER: the Durable Object binding is missing, and RATE_LIMIT_IP, RATE_LIMIT_USER, MAX_SOCKETS_IP, MAX_SOCKETS_USER, BAN_AFTER and KEY_REPLAY_WINDOW count there; bind it to the class Ledger as the project's wrangler.toml does",
            ]),
        ),
        (
            "no object for what is used once",
            errors(two(json!({"path": "/a", "ticket_ttl": "5s"}))),
            strings(&[
                "ONE_TIME: the Durable Object binding is missing, and TICKET_TTL and JWT_REPLAY need it; bind it to the class OneTime as the project's wrangler.toml does",
            ]),
        ),
        (
            "no upstream",
            site_errors(&with_routes(
                no_upstream,
                two(json!({"path": "/a", "upstream_url": "wss://a.test"})),
            )),
            vec![upstream],
        ),
        (
            "two sources of keys hold together",
            site_errors(&with_routes(
                by_url,
                two(json!({"path": "/a", "jwt_secret": secret, "jwt_jwks_url": "https://b.test"})),
            )),
            vec![],
        ),
        (
            "scopes without identities",
            errors(json!([{"path": "/a", "auth": "off", "required_scopes": "x"}])),
            strings(&[
                "ROUTES /a required_scopes: AUTH is off, so nobody has scopes; remove this, or set AUTH to required",
            ]),
        ),
        (
            "claims without identities",
            errors(json!([{"path": "/a", "auth": "off", "claims": {"a": 1}}])),
            strings(&[
                "ROUTES /a: AUTH is off, so nobody has claims; remove claims, or set auth to required",
            ]),
        ),
        (
            "claims no object",
            errors(json!([{"path": "/a", "claims": []}])),
            strings(&["ROUTES /a: claims is not an object"]),
        ),
        (
            "a claim's rule",
            errors(json!([{"path": "/a", "claims": {"a": null}}])),
            vec![format!("ROUTES /a: {claim}")],
        ),
        (
            "a parameter",
            errors(json!([{"path": "/{a}", "claims": {"a": "{b}"}}])),
            strings(&["ROUTES /{a}: claim \"a\": the path has no parameter {b}"]),
        ),
        (
            "a table for a text",
            errors(json!([{"path": "/a", "auth": {"x": 1}}])),
            strings(&["ROUTES /a auth: it is a table or an array; write a string"]),
        ),
        (
            "all at once",
            errors(
                json!([{"path": "/a", "auth": "x", "y": 1, "claims": {"a": null}}, {"path": 5}]),
            ),
            vec![
                "ROUTES /a: \"y\" is not a setting of a route".into(),
                format!("ROUTES /a: {claim}"),
                auth("ROUTES /a auth"),
                "ROUTES[1]: it has no path; write one like \"path\": \"/chat\"".into(),
            ],
        ),
    ]);
}

#[test]
fn a_scope_that_no_token_can_hold_is_an_error() {
    let of = |scopes: Value| {
        let mut settings = minimal_with(&[]);
        settings
            .vars
            .insert("REQUIRED_SCOPES".into(), Var::from(scopes));
        read(&settings).err().unwrap_or_default()
    };
    let bad = |scope: &str| {
        vec![format!(
            "REQUIRED_SCOPES: {scope:?} is not a scope; write visible ASCII without quotes and backslashes"
        )]
    };
    assert_rows([
        ("text", of(json!("chat:read chat:write")), vec![]),
        ("every byte's range", of(json!("!#[]~")), vec![]),
        ("a quote", of(json!("a\"b")), bad("a\"b")),
        ("a backslash", of(json!("a\\b")), bad("a\\b")),
        ("a space in an array", of(json!(["a b"])), bad("a b")),
        ("a line break in an array", of(json!(["a\nb"])), bad("a\nb")),
        ("not ASCII", of(json!("\u{e9}")), bad("\u{e9}")),
    ]);
}
