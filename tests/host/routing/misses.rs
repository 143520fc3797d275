//! Why a path leads to no route.

use portcullis::gateway::Place;
use portcullis::policy::Site;
use portcullis::request::path::AmbiguousPath;
use portcullis::response::reason::{Reason, Rejection};
use portcullis::routing::table::Miss;

use crate::common::{Ask, assert_rows, minimal_with};

/// A gate with one route.
fn site(path: &str) -> Site {
    let routes = format!(r#"[{{"path":"{path}"}}]"#);
    Site::read(&minimal_with(&[("ROUTES", &routes)])).expect("a sound route")
}

/// The path of such a request could begin elsewhere.
#[test]
fn a_request_to_a_malformed_host_has_no_route() {
    let site = site("/*");
    let is_ambiguous = |url: &str, host: &str| {
        let ask = Ask::plain("GET", url).with("host", host);
        let place = site.find(&ask.request());
        matches!(place, Place::Nowhere(Miss::Ambiguous(AmbiguousPath::Host)))
    };
    assert_rows([
        ("sound", is_ambiguous("https://a.test/b", "a.test"), false),
        ("in the URL", is_ambiguous("https://a\\b/b", "a.test"), true),
        ("in the header", is_ambiguous("https://a/b", "a/b"), true),
    ]);
}

/// What the log has of a path without a route.
#[test]
fn a_miss_says_why() {
    let site = site("/a");
    let cause = |path: &str| {
        let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
        match site.find(&ask.request()) {
            Place::Nowhere(miss) | Place::Unserved(miss) => {
                let rejection = Rejection::from(miss);
                (rejection.reason, rejection.cause.into_owned())
            }
            other => panic!("{other:?}"),
        }
    };
    let no_route = || (Reason::NoRoute, "no route or endpoint matches".to_owned());
    let ambiguous = |text: &str| {
        let cause = format!("the path is ambiguous: {text}");
        (Reason::AmbiguousPath, cause)
    };
    assert_rows([
        ("no route", cause("/b"), no_route()),
        ("the gate's own", cause("/_portcullis/x"), no_route()),
        (
            "a dot segment",
            cause("/a/../a"),
            ambiguous("a dot segment"),
        ),
        ("path parameters", cause("/a;x"), no_route()),
        ("no ticket", cause("/_portcullis/ticket"), no_route()),
        (
            "a ticket for an ambiguous path",
            cause("/_portcullis/ticket?path=/a//"),
            ambiguous("an empty segment"),
        ),
        (
            "a ticket for a malformed one",
            cause("/_portcullis/refresh?path=/%"),
            ambiguous("a percent sign without two hexadecimal digits after it"),
        ),
    ]);
}
