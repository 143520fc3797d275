//! Digests of several parts.

use portcullis::util::digest::{digest, hex_digest};

#[test]
fn where_a_part_ends_and_whether_it_is_there_make_a_difference() {
    let all = [
        digest([Some("a"), Some("bc")]),
        digest([Some("ab"), Some("c")]),
        digest([Some(""), Some("abc")]),
        digest([None, Some("abc")]),
        digest([Some("abc"), None]),
        digest([Some("abc")]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at));
    }
}

/// Names of stored objects hold such digests.
#[test]
fn the_digest_is_unchanged() {
    assert_eq!(
        hex_digest([None, Some("alice")]),
        "302bcd247b95c90a14ba0d0de67907e418021009ef0175f77e640a335dac4382"
    );
}
