//! `PATH_CASE` and `PATH_TRAILING_SLASH`.

use portcullis::config::Settings;
use portcullis::gateway::Place;
use portcullis::policy::Site;

use crate::common::{Ask, assert_rows, minimal_with};

fn with(vars: &[(&str, &str)], routes: &str) -> Settings {
    let mut all = vars.to_vec();
    all.push(("ROUTES", routes));
    minimal_with(&all)
}

/// The pattern that a path leads to; empty for none.
fn found(site: &Site, path: &str) -> String {
    let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
    match site.find(&ask.request()) {
        Place::Route(found) => found.route.pattern.clone(),
        _ => String::new(),
    }
}

const ROUTES: &str = r#"[{"path":"/*"},{"path":"/admin"},{"path":"/api/*"},
    {"path":"/Rooms/{room}"},{"path":"/caf\u00e9"}]"#;

#[test]
fn the_route_is_found_as_the_server_reads_the_path() {
    let case = ("PATH_CASE", "insensitive");
    let slash = ("PATH_TRAILING_SLASH", "same");
    let exact = Site::read(&with(&[], ROUTES)).expect("sound");
    let insensitive = Site::read(&with(&[case], ROUTES)).expect("sound");
    let same = Site::read(&with(&[slash], ROUTES)).expect("sound");
    let both = Site::read(&with(&[case, slash], ROUTES)).expect("sound");
    let rows = [
        ("/admin", ["/admin"; 4]),
        ("/Admin", ["/*", "/admin", "/*", "/admin"]),
        ("/%41DMIN", ["/*", "/admin", "/*", "/admin"]),
        ("/admin/", ["/*", "/*", "/admin", "/admin"]),
        ("/ADMIN/", ["/*", "/*", "/*", "/admin"]),
        ("/api/", ["/api/*"; 4]),
        ("/api", ["/*", "/*", "/api/*", "/api/*"]),
        ("/api/x/", ["/api/*"; 4]),
        ("/API/x", ["/*", "/api/*", "/*", "/api/*"]),
        ("/Rooms/A", ["/Rooms/{room}"; 4]),
        ("/rooms/A/", ["/*", "/*", "/*", "/Rooms/{room}"]),
        ("/Rooms/A/", ["/*", "/*", "/Rooms/{room}", "/Rooms/{room}"]),
        ("/", ["/*"; 4]),
        ("/caf%C3%A9", ["/caf\u{e9}"; 4]),
        // Servers that ignore case may fold these or not.
        ("/CAF%C3%89", ["/*", "", "/*", ""]),
        ("/%C5%BFomething", ["/*"; 4]),
        ("/_PORTCULLIS/x", ["/*", "", "/*", ""]),
        ("/_portcullis/", [""; 4]),
    ];
    let sites = [&exact, &insensitive, &same, &both];
    assert_rows(rows.map(|(path, expected)| {
        (
            path,
            sites.map(|site| found(site, path)),
            expected.map(str::to_owned),
        )
    }));
    let ask = Ask::plain("GET", "https://gate.example/rooms/Kitchen/");
    match both.find(&ask.request()) {
        Place::Route(found) => {
            assert_eq!(found.parameters.get("room"), Some("Kitchen"));
            assert_eq!(found.parameters.path(), "/rooms/Kitchen/");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_root_is_a_path_with_or_without_a_trailing_slash() {
    let slash = ("PATH_TRAILING_SLASH", "same");
    let with_root = r#"[{"path":"/"},{"path":"/{a}"},{"path":"/*"}]"#;
    let without = r#"[{"path":"/{a}"},{"path":"/*"}]"#;
    let of = |routes, path| found(&Site::read(&with(&[slash], routes)).expect("sound"), path);
    assert_rows([
        ("the root", of(with_root, "/"), "/".to_owned()),
        ("a segment", of(with_root, "/x/"), "/{a}".to_owned()),
        ("segments", of(with_root, "/x/y"), "/*".to_owned()),
        ("the root by a star", of(without, "/"), "/*".to_owned()),
    ]);
}

#[test]
fn a_letter_that_only_some_servers_fold_leads_nowhere() {
    let routes = r#"[{"path":"/*","auth":"off"},{"path":"/secret"}]"#;
    let site = Site::read(&with(&[("PATH_CASE", "insensitive")], routes)).expect("sound");
    let rows = [
        ("/SECRET", "/secret"),
        ("/%C5%BFecret", ""),
        ("/%C5%BFomething", "/*"),
    ];
    assert_rows(rows.map(|(path, expected)| (path, found(&site, path), expected.to_owned())));
}

#[test]
fn routes_that_only_case_or_a_slash_tells_apart_overlap() {
    let overlap = |vars: &[(&str, &str)], one: &str, other: &str| {
        let routes = format!(r#"[{{"path":"{one}"}},{{"path":"{other}"}}]"#);
        let errors = Site::read(&with(vars, &routes)).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let case = [("PATH_CASE", "insensitive")];
    let slash = [("PATH_TRAILING_SLASH", "same")];
    let error = |one: &str, other: &str| {
        vec![format!(
            "ROUTES {other}: it overlaps the route {one}, and neither is more specific; change \
             one of the two"
        )]
    };
    assert_rows([
        ("apart", overlap(&[], "/a", "/A"), vec![]),
        ("apart by a slash", overlap(&[], "/a", "/a/"), vec![]),
        ("by case", overlap(&case, "/a", "/A"), error("/a", "/A")),
        (
            "by a letter beyond ASCII",
            overlap(&case, "/\u{e9}", "/\u{c9}"),
            error("/\u{e9}", "/\u{c9}"),
        ),
        (
            "by a slash",
            overlap(&slash, "/a", "/a/"),
            error("/a", "/a/"),
        ),
        (
            "by a name",
            overlap(&[], "/A/{b}", "/A/{c}"),
            error("/A/{b}", "/A/{c}"),
        ),
        ("a star", overlap(&slash, "/a/*", "/a"), vec![]),
    ]);
}

/// The warnings about paths.
fn warnings(vars: &[(&str, &str)], routes: &str) -> Vec<String> {
    let site = Site::read(&with(vars, routes)).expect("sound");
    let warnings = site.warnings.into_iter();
    warnings
        .filter(|warning| warning.starts_with("PATH_"))
        .collect()
}

#[test]
fn a_guarded_route_with_a_looser_neighbour_is_warned_of() {
    let case = |path: &str, neighbour: &str, route: &str| {
        format!(
            "PATH_CASE: {path} leads to the route {neighbour}, which asks for less than {route}; \
             if your server takes the two paths for one, set PATH_CASE to \"insensitive\", else to \
             its default"
        )
    };
    let slash = |path: &str, neighbour: &str, route: &str| {
        format!(
            "PATH_TRAILING_SLASH: {path} leads to the route {neighbour}, which asks for less than \
             {route}; if your server takes the two paths for one, set PATH_TRAILING_SLASH to \
             \"same\", else to its default"
        )
    };
    let open = r#"{"path":"/*","auth":"off"}"#;
    let optional = r#"{"path":"/*","auth":"optional"}"#;
    let with = |neighbour: &str, route: &str| format!("[{neighbour},{route}]");
    let admin = r#"{"path":"/admin"}"#;
    let both = |neighbour| {
        vec![
            case("/ADMIN", neighbour, "/admin"),
            slash("/admin/", neighbour, "/admin"),
        ]
    };
    let rows = [
        ("no token there", vec![], with(open, admin), both("/*")),
        ("an optional one", vec![], with(optional, admin), both("/*")),
        (
            "fewer scopes there",
            vec![],
            with(
                r#"{"path":"/*","required_scopes":"a"}"#,
                r#"{"path":"/admin","required_scopes":"a b"}"#,
            ),
            both("/*"),
        ),
        (
            "no claims there",
            vec![],
            with(
                r#"{"path":"/*"}"#,
                r#"{"path":"/admin","claims":{"role":"a"}}"#,
            ),
            both("/*"),
        ),
        (
            "as much there",
            vec![],
            with(r#"{"path":"/*"}"#, admin),
            vec![],
        ),
        (
            "more there",
            vec![],
            with(
                r#"{"path":"/*","required_scopes":"a","claims":{"role":"a"}}"#,
                r#"{"path":"/admin","auth":"off"}"#,
            ),
            vec![],
        ),
        (
            "nothing there",
            vec![],
            with(admin, r#"{"path":"/b"}"#),
            vec![],
        ),
        (
            "a setting that is written out is believed",
            vec![
                ("PATH_CASE", "sensitive"),
                ("PATH_TRAILING_SLASH", "distinct"),
            ],
            with(open, admin),
            vec![],
        ),
        (
            "one that is settled",
            vec![("PATH_CASE", "insensitive")],
            with(open, admin),
            vec![slash("/admin/", "/*", "/admin")],
        ),
        (
            "parameters and a star",
            vec![],
            with(open, r#"{"path":"/a/{b}/*"}"#),
            vec![
                case("/A/{b}/*", "/*", "/a/{b}/*"),
                slash("/a/{b}", "/*", "/a/{b}/*"),
            ],
        ),
        (
            "a slash to be removed, and digits alone",
            vec![],
            with(open, r#"{"path":"/7/"}"#),
            vec![slash("/7", "/*", "/7/")],
        ),
        (
            "upper case",
            vec![],
            with(open, r#"{"path":"/A1-b"}"#),
            vec![case("/a1-B", "/*", "/A1-b"), slash("/A1-b/", "/*", "/A1-b")],
        ),
    ];
    assert_rows(
        rows.map(|(name, vars, routes, expected)| (name, warnings(&vars, &routes), expected)),
    );
}

#[test]
fn they_are_settings_of_the_whole_gate_with_two_values_each() {
    let errors = |settings: &Settings| -> Vec<String> {
        let errors = Site::read(settings).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    };
    let wrong = errors(&minimal_with(&[
        ("PATH_CASE", "Insensitive"),
        ("PATH_TRAILING_SLASH", "true"),
    ]));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("PATH_CASE: ") && wrong[0].contains("\"insensitive\""));
    assert!(wrong[1].starts_with("PATH_TRAILING_SLASH: ") && wrong[1].contains("\"same\""));
    let of_a_route = errors(&with(&[], r#"[{"path":"/a","path_case":"insensitive"}]"#));
    assert_eq!(of_a_route.len(), 1, "{of_a_route:?}");
}
