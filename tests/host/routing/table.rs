//! Which route a path takes, and which paths are the gate's own.

use portcullis::gateway::{Endpoint, Place};
use portcullis::policy::Site;
use portcullis::routing::Pattern;
use portcullis::routing::table::Match;

use crate::common::{Ask, MINIMAL, assert_rows, minimal_with, settings, strings};

const HEALTH: &str = "health";
const NOWHERE: &str = "nowhere";

/// A gate with these routes in this order.
fn site(patterns: &[&str]) -> Site {
    let entries: Vec<_> = patterns
        .iter()
        .map(|path| format!(r#"{{"path":"{path}"}}"#))
        .collect();
    let routes = format!("[{}]", entries.join(","));
    Site::read(&minimal_with(&[("ROUTES", &routes)])).expect("sound routes")
}

/// The pattern that wins, and these parameters of the path.
fn place(site: &Site, method: &'static str, path: &str, names: &[&str]) -> (String, Vec<String>) {
    let ask = Ask::plain(method, &format!("https://gate.example{path}"));
    match site.find(&ask.request()) {
        Place::Ticket(found) => (format!("a ticket for {}", found.route.pattern), vec![]),
        Place::Refresh(found) => (format!("a refresh of {}", found.route.pattern), vec![]),
        Place::Admin(_) => ("an administrator's".into(), vec![]),
        Place::Endpoint(Endpoint::Health) => (HEALTH.into(), vec![]),
        Place::Endpoint(Endpoint::KeySet) => ("jwks.json".into(), vec![]),
        Place::Endpoint(Endpoint::Dashboard) => ("the dashboard".into(), vec![]),
        Place::Nowhere(_) | Place::Unserved(_) => (NOWHERE.into(), vec![]),
        Place::Route(Match {
            number,
            route,
            parameters,
        }) => {
            let same = site.routes.iter().nth(number).expect("a number of a route");
            assert_eq!(same.pattern, route.pattern);
            let value = |name: &&str| parameters.get(name).map(str::to_owned);
            let values = names.iter().filter_map(value).collect();
            (route.pattern.clone(), values)
        }
    }
}

fn found(pattern: &str, values: &[&str]) -> (String, Vec<String>) {
    (pattern.to_owned(), strings(values))
}

#[test]
fn nothing_under_the_prefix_reaches_an_upstream() {
    let rows = [
        ("GET", "/_portcullis/health", HEALTH),
        ("HEAD", "/_portcullis/health", HEALTH),
        ("GET", "/_portcullis/health?x=1", HEALTH),
        ("POST", "/_portcullis/health", NOWHERE),
        ("GET", "/_portcullis/health/", NOWHERE),
        ("GET", "/_portcullis/healthy", NOWHERE),
        ("GET", "/_portcullis/HEALTH", NOWHERE),
        ("GET", "/_portcullis/he%61lth", NOWHERE),
        ("GET", "/_portcullis//health", NOWHERE),
        ("GET", "/_portcullis", NOWHERE),
        ("GET", "/_portcullis/", NOWHERE),
        ("GET", "/_portcullis?x", NOWHERE),
        ("POST", "/_portcullis/ticket", NOWHERE),
        ("GET", "/_portcullis/admin/sockets", NOWHERE),
        ("GET", "/%5fportcullis/health", NOWHERE),
        ("GET", "/_portcullis%2Fadmin", NOWHERE),
        ("GET", "/_portcullis%5Cadmin", NOWHERE),
        ("GET", "/%5F%70ortcullis%2fadmin", NOWHERE),
        ("GET", "//_portcullis/admin", NOWHERE),
        ("GET", "/%2F_portcullis/admin", NOWHERE),
        ("GET", "/a/..%2f_portcullis/admin", NOWHERE),
        ("GET", "/a%2f..%2f_portcullis%2fadmin", NOWHERE),
        ("GET", "/.%2f_portcullis/admin", NOWHERE),
        ("GET", "/", "/*"),
        ("GET", "/chat", "/*"),
        ("POST", "/chat", "/*"),
        ("GET", "/_portcullisx", "/*"),
        ("GET", "/portcullis/health", "/*"),
        ("GET", "/a/_portcullis/health", "/*"),
        ("GET", "/?/_portcullis/health", "/*"),
        ("GET", "/%255fportcullis", NOWHERE),
        ("GET", "/%ff%zz", NOWHERE),
        ("GET", "//chat//", NOWHERE),
        ("GET", "/a%2Fb/..%2Fc", NOWHERE),
        ("GET", "/a/../_portcullis/x", NOWHERE),
        ("GET", "/_portcullis;x/admin", NOWHERE),
        ("GET", "/_portcullis/../chat", NOWHERE),
        ("GET", "/_portcullis/health/../../chat", NOWHERE),
    ];
    let one = Site::read(&settings(&MINIMAL)).expect("sound settings");
    let same_by_a_route = site(&["/*"]);
    for (name, site) in [("without ROUTES", one), ("with ROUTES", same_by_a_route)] {
        assert_rows(rows.map(|(method, path, expected)| {
            (
                format!("{name}: {method} {path}"),
                place(&site, method, path, &[]),
                found(expected, &[]),
            )
        }));
    }
}

#[test]
fn the_most_specific_route_wins_in_whatever_order_they_stand() {
    let mut patterns = [
        "/*",
        "/",
        "/chat",
        "/chat/",
        "/rooms/lobby",
        "/rooms/{room}",
        "/rooms/{room}/members/ada",
        "/rooms/{room}/{part}",
        "/rooms/{room}/members/*",
        "/api/*",
        "/api/v1/*",
        "/caf\u{e9}",
    ];
    let rows = [
        ("/", "/", &[][..]),
        ("/other", "/*", &[]),
        ("/chat", "/chat", &[]),
        ("/chat/", "/chat/", &[]),
        ("/CHAT", "/*", &[]),
        ("/chat/x", "/*", &[]),
        ("/chatter", "/*", &[]),
        ("/rooms", "/*", &[]),
        ("/rooms/", "/*", &[]),
        ("/rooms/lobby", "/rooms/lobby", &[]),
        ("/rooms/blue", "/rooms/{room}", &["blue"]),
        ("/rooms/blue/", "/*", &[]),
        ("/rooms/lobby/", "/*", &[]),
        (
            "/rooms/lobby/members/",
            "/rooms/{room}/members/*",
            &["lobby"],
        ),
        (
            "/rooms/blue/members/ada",
            "/rooms/{room}/members/ada",
            &["blue"],
        ),
        (
            "/rooms/lobby/members/x/y",
            "/rooms/{room}/members/*",
            &["lobby"],
        ),
        (
            "/rooms/lobby/members",
            "/rooms/{room}/{part}",
            &["lobby", "members"],
        ),
        ("/api", "/*", &[]),
        ("/api/", "/api/*", &[]),
        ("/api/x", "/api/*", &[]),
        ("/api/v1", "/api/*", &[]),
        ("/api/v1/", "/api/v1/*", &[]),
        ("/api/v1/x", "/api/v1/*", &[]),
        ("/caf%C3%A9", "/caf\u{e9}", &[]),
        ("/%63hat", "/chat", &[]),
        ("/rooms/%6Cobby", "/rooms/lobby", &[]),
    ];
    for _ in 0..patterns.len() {
        patterns.rotate_left(1);
        let mut reversed = patterns;
        reversed.reverse();
        for patterns in [patterns, reversed] {
            let site = site(&patterns);
            assert_rows(rows.map(|(path, pattern, values)| {
                let actual = place(&site, "GET", path, &["room", "part"]);
                (
                    format!("{path} in {patterns:?}"),
                    actual,
                    found(pattern, values),
                )
            }));
        }
    }
}

#[test]
fn no_match_is_nowhere() {
    let site = site(&["/chat", "/rooms/{room}", "/api/*"]);
    let paths = [
        "/",
        "/chat/",
        "/chat/x",
        "/cha",
        "/chats",
        "/rooms",
        "/rooms/",
        "/rooms//",
        "/rooms/a/b",
        "/rooms/a/",
        "/api",
        "/apis/x",
        "/x/chat",
        "/chat%2F",
        "/chat%00",
    ];
    assert_rows(paths.map(|path| (path, place(&site, "GET", path, &[]), found(NOWHERE, &[]))));
}

#[test]
fn parameters_are_percent_decoded_once() {
    let site = site(&["/rooms/{room}"]);
    let rows = [
        ("blue", "blue"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("caf%C3%A9", "caf\u{e9}"),
        ("%7Broom%7D", "{room}"),
        ("a:b@c,d&e=f", "a:b@c,d&e=f"),
        ("100%25", "100%"),
        ("%25zz", "%zz"),
        ("%EF%BF%BD", "\u{fffd}"),
        ("..a", "..a"),
        ("{a}", "{a}"),
        ("\u{e9}", "\u{e9}"),
    ];
    assert_rows(rows.map(|(sent, value)| {
        let actual = place(&site, "GET", &format!("/rooms/{sent}"), &["room"]);
        (sent, actual, found("/rooms/{room}", &[value]))
    }));
}

/// An upstream that decodes before it routes must not serve `/admin` to whom the gate let
/// through to `/public/*`.
#[test]
fn a_path_that_two_servers_would_read_as_two_routes_has_none() {
    let site = site(&[
        "/public/*",
        "/admin",
        "/rooms/{room}",
        "/rooms/{room}/{part}",
        "/*",
    ]);
    let names = ["room", "part"];
    let nowhere = [
        "/public/..%2Fadmin",
        "/public/..%2fadmin",
        "/public/..%5Cadmin",
        "/public%2F..%2Fadmin",
        "/x/..%2Fadmin",
        "//admin",
        "/%2Fadmin",
        "/.%2Fadmin",
        "/rooms/a%2Fadmin",
        "/rooms/b/..%2Fa",
        "/rooms/b/..%2Fa%2Fx",
        "/rooms/x%2F..%2Fa",
        "/rooms/%2e%2e%2fadmin",
        "/rooms//a",
        "/rooms%2Fa",
        "/rooms%5Ca",
    ];
    assert_rows(nowhere.map(|path| (path, place(&site, "GET", path, &names), found(NOWHERE, &[]))));
    let more = [
        "/public/a%2Fb",
        "/public//a",
        "/public/x/..%2Fa",
        "/x%2Fy",
        "/%2e%2e%2f",
        "/public/../admin",
        "/public/..;/admin",
        "/public/..%3b/admin",
        "/public/%2e%2e/admin",
        "/public\\..\\admin",
        "/public/%252e%252e/admin",
        "/admin;x=1",
        "/rooms/a;x=1",
        "/admin%3fx",
        "/admin%23",
        "/public/..%3f",
        "/public/..%23/admin",
        "/public/..%20%3f",
    ];
    assert_rows(more.map(|path| (path, place(&site, "GET", path, &names), found(NOWHERE, &[]))));
    let alike = [
        ("/public/a%20b", "/public/*"),
        ("/public/a;v=1/b", "/public/*"),
        ("/x;y", "/*"),
        ("/public/what%3f", "/public/*"),
        ("/x%23y", "/*"),
        ("/public/..a", "/public/*"),
        ("/public/", "/public/*"),
    ];
    assert_rows(
        alike.map(|(path, pattern)| (path, place(&site, "GET", path, &names), found(pattern, &[]))),
    );
}

#[test]
fn a_pattern_is_a_path_with_parameters_and_perhaps_a_star_at_its_end() {
    let parameters = |text: &str| Pattern::parse(text).map(|pattern| pattern.parameters);
    let good = [
        ("/", &[][..]),
        ("/*", &[]),
        ("/chat", &[]),
        ("/chat/", &[]),
        ("/a.b-c~d_e!$&'()+,=:@", &[]),
        ("/caf\u{e9}", &[]),
        ("/...", &[]),
        ("/_portcullisx", &[]),
        ("/x/_portcullis", &[]),
        ("/rooms/{room}", &["room"]),
        ("/{a}/{b_1}/*", &["a", "b_1"]),
        ("/{rest}/*", &["rest"]),
        ("/{A}/{a}", &["A", "a"]),
    ];
    assert_rows(good.map(|(text, names)| (text, parameters(text), Ok(strings(names)))));
    let example = "write a path like \"/chat\", \"/rooms/{room}\" or \"/api/*\"";
    let no_slash = format!("does not begin with a slash; {example}");
    let whole = format!("a parameter is a whole segment, and * is the last one; {example}");
    let name = "a parameter has a name of its own, of letters, digits and _";
    let more = format!("it is more than a path; {example}");
    let decoded = "paths are decoded before they are compared; write it without %";
    let resolved = format!(
        "no request has such a path once its dots are resolved and its slashes merged; {example}"
    );
    let semicolon = format!(
        "some servers drop what follows a semicolon, so no request can have this path; {example}"
    );
    let control = format!("it has a control character, which no request may have; {example}");
    let not_utf8 = format!(
        "matches no request: the path is ambiguous: percent-encoding that is not UTF-8; {example}"
    );
    let look_alike = format!(
        "matches no request: the path is ambiguous: a character that looks like a dot or a slash; \
         {example}"
    );
    let ours = "what is under /_portcullis is the gate's own and never reaches an upstream";
    let bad = [
        ("", " ", no_slash.as_str()),
        ("chat", " ", &no_slash),
        ("*", " ", &no_slash),
        ("https://a.test/", " ", &no_slash),
        ("/a*", ": ", &whole),
        ("/*/a", ": ", &whole),
        ("/**", ": ", &whole),
        ("/a{b}", ": ", &whole),
        ("/{b}a", ": ", &whole),
        ("/{a", ": ", &whole),
        ("/a}", ": ", &whole),
        ("/{}", ": ", name),
        ("/{a-b}", ": ", name),
        ("/{*rest}", ": ", name),
        ("/{a b}", ": ", name),
        ("/{\u{e9}}", ": ", name),
        ("/{a}/{a}", ": ", name),
        ("/{{a}}", ": ", name),
        ("/a?b", ": ", &more),
        ("/a#b", ": ", &more),
        ("/a b", ": ", &more),
        ("/%61dmin", ": ", decoded),
        ("/a%2Fb", ": ", decoded),
        ("/a;b", ": ", &semicolon),
        ("/a\tb", ": ", &control),
        ("/a\u{7f}", ": ", &control),
        ("//", ": ", &resolved),
        ("/a//b", ": ", &resolved),
        ("//*", ": ", &resolved),
        ("/.", ": ", &resolved),
        ("/a/../b", ": ", &resolved),
        ("/a\\b", ": ", &resolved),
        ("/a\u{fffd}", " ", &not_utf8),
        ("/..\u{ff0f}a", " ", &look_alike),
        ("/_portcullis", ": ", ours),
        ("/_portcullis/", ": ", ours),
        ("/_Portcullis/x", ": ", ours),
        ("/_portcullis/*", ": ", ours),
        ("/_portcullis/{endpoint}", ": ", ours),
    ];
    assert_rows(bad.map(|(text, joint, problem)| {
        (
            text,
            parameters(text),
            Err(format!("{text:?}{joint}{problem}")),
        )
    }));
}
