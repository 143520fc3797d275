//! The headers that no client may send on.

use portcullis::upstream::{PLATFORM_HEADERS, Setter, TRUSTED_HEADERS};

/// Names in the second cell of the table in docs/headers.md, as the list writes them.
fn documented() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/headers.md");
    let page = std::fs::read_to_string(path).expect("docs/headers.md");
    let (_, table) = page
        .split_once("| what servers take from it | headers of the client that are removed |")
        .expect("the table of removed headers");
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| {
        let cell = row.split('|').nth(2).expect("a second cell");
        let names = cell.split('`').skip(1).step_by(2);
        names.map(|name| name.trim_end_matches('*').to_lowercase())
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn the_documentation_lists_every_header_that_is_removed() {
    let mut list: Vec<_> = TRUSTED_HEADERS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    list.sort();
    let mut once = list.clone();
    once.dedup();
    assert_eq!(list, once, "no name twice");
    // Under a prefix that is there as well, three names are the gate's own.
    list.retain(|name| !name.starts_with("x-forwarded-") || name == "x-forwarded-");
    assert_eq!(documented(), list);
}

#[test]
fn names_are_written_as_they_are_compared() {
    for (name, _) in TRUSTED_HEADERS {
        let is_folded = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(is_folded), "{name}");
    }
    assert_eq!(PLATFORM_HEADERS, ["cf-"]);
}

/// Contract §7: these are the gate's, whoever sets them.
#[test]
fn who_the_client_is_only_the_gate_says() {
    for name in [
        "portcullis-",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-real-ip",
        "true-client-ip",
        "x-client-ip",
    ] {
        assert!(TRUSTED_HEADERS.contains(&(name, Setter::Gate)), "{name}");
    }
}
