//! Which paths are the gate's own.

mod common;

use common::{Ask, assert_rows};
use portcullis::route::{Endpoint, Route};

const UPSTREAM: Route = Route::Upstream { pattern: "/*" };
const HEALTH: Route = Route::Endpoint(Endpoint::Health);

#[test]
fn nothing_under_the_prefix_reaches_an_upstream() {
    let rows = [
        ("GET", "/_portcullis/health", HEALTH),
        ("HEAD", "/_portcullis/health", HEALTH),
        ("GET", "/_portcullis/health?x=1", HEALTH),
        ("POST", "/_portcullis/health", Route::Nowhere),
        ("GET", "/_portcullis/health/", Route::Nowhere),
        ("GET", "/_portcullis/healthy", Route::Nowhere),
        ("GET", "/_portcullis/HEALTH", Route::Nowhere),
        ("GET", "/_portcullis/he%61lth", Route::Nowhere),
        ("GET", "/_portcullis//health", Route::Nowhere),
        ("GET", "/_portcullis", Route::Nowhere),
        ("GET", "/_portcullis/", Route::Nowhere),
        ("GET", "/_portcullis?x", Route::Nowhere),
        ("POST", "/_portcullis/ticket", Route::Nowhere),
        ("GET", "/_portcullis/admin/sockets", Route::Nowhere),
        ("GET", "/%5fportcullis/health", Route::Nowhere),
        ("GET", "/_portcullis%2Fadmin", Route::Nowhere),
        ("GET", "/%5F%70ortcullis%2fadmin", Route::Nowhere),
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
            Route::find(&ask.request()),
            expected,
        )
    }));
}
