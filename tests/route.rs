//! Which paths are the gate's own.

mod common;

use common::{Ask, MINIMAL, assert_rows, settings};
use portcullis::config::Site;
use portcullis::route::{Endpoint, Place};

const UPSTREAM: &str = "/*";
const HEALTH: &str = "health";
const NOWHERE: &str = "nowhere";

#[test]
fn nothing_under_the_prefix_reaches_an_upstream() {
    let site = Site::read(&settings(&MINIMAL)).expect("sound settings");
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
        ("GET", "/%5F%70ortcullis%2fadmin", NOWHERE),
        ("GET", "/", UPSTREAM),
        ("GET", "/chat", UPSTREAM),
        ("POST", "/chat", UPSTREAM),
        ("GET", "/_portcullisx", UPSTREAM),
        ("GET", "/portcullis/health", UPSTREAM),
        ("GET", "/a/_portcullis/health", UPSTREAM),
        ("GET", "/?/_portcullis/health", UPSTREAM),
        ("GET", "/%255fportcullis", UPSTREAM),
        ("GET", "/%ff%zz", UPSTREAM),
    ];
    assert_rows(rows.map(|(method, path, expected)| {
        let ask = Ask::plain(method, &format!("https://gate.example{path}"));
        (
            format!("{method} {path}"),
            match site.routes.find(&ask.request()) {
                Place::Endpoint(Endpoint::Health) => HEALTH.to_owned(),
                Place::Route { route, .. } => route.pattern.clone(),
                Place::Nowhere => NOWHERE.to_owned(),
            },
            expected.to_owned(),
        )
    }));
}
