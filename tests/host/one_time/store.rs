//! What can be used once: the steps, and the formats that a deployment must not change.

use portcullis::one_time::store::{
    StoreChange, StoreRequest, StoreResponse, StoredValue, step, wire,
};
use portcullis::util::time::Timestamp;

use crate::common::{NOW, assert_rows, ms};

fn later(milliseconds: u64) -> Timestamp {
    NOW + ms(milliseconds)
}

fn keep(until: Timestamp) -> StoreRequest {
    StoreRequest::keep(until, "content".into())
}

/// What is stored after a question was kept.
fn kept(until: Timestamp) -> StoredValue {
    match step(None, keep(until), NOW) {
        (StoreResponse::Kept, StoreChange::Write(stored)) => stored,
        (other, _) => panic!("it was not kept: {other:?}"),
    }
}

fn named(change: &StoreChange) -> &'static str {
    match change {
        StoreChange::Nothing => "nothing",
        StoreChange::Write(_) => "write",
        StoreChange::Delete => "delete",
    }
}

#[test]
fn a_name_is_kept_once_and_given_once() {
    let given = StoreResponse::Given("content".into());
    let stored = || Some(kept(later(1000)));
    let rows = [
        (
            "keep, nothing there",
            None,
            keep(later(5)),
            0,
            (StoreResponse::Kept, "write"),
        ),
        (
            "keep, something there",
            stored(),
            keep(later(5)),
            999,
            (StoreResponse::Exists, "nothing"),
        ),
        (
            "keep, something expired",
            stored(),
            keep(later(5)),
            1000,
            (StoreResponse::Kept, "write"),
        ),
        (
            "take, nothing there",
            None,
            StoreRequest::Take,
            0,
            (StoreResponse::Absent, "nothing"),
        ),
        (
            "take, something there",
            stored(),
            StoreRequest::Take,
            999,
            (given, "delete"),
        ),
        (
            "take, something expired",
            stored(),
            StoreRequest::Take,
            1000,
            (StoreResponse::Absent, "nothing"),
        ),
    ];
    assert_rows(rows.map(|(name, stored, request, offset, expected)| {
        let (response, change) = step(stored, request, later(offset));
        (name, (response, named(&change)), expected)
    }));
}

#[test]
fn nothing_is_kept_longer_than_a_date_can_say() {
    assert_eq!(
        kept(Timestamp(u64::MAX)).until,
        Timestamp(8_640_000_000_000_000)
    );
    let over_the_wire = wire::decode_request(&format!("/keep/{}", u64::MAX), String::new());
    assert_eq!(
        over_the_wire,
        Some(StoreRequest::keep(Timestamp(u64::MAX), String::new()))
    );
}

#[test]
fn the_stored_bytes_are_unchanged() {
    let bytes = b"\x00\x00\x01\xa3\x18\x5c\x50\x00content";
    let stored = kept(Timestamp(1_800_000_000_000));
    assert_eq!(stored.encode(), bytes);
    assert!(StoredValue::decode(bytes) == Some(stored));
    assert!(StoredValue::decode(&bytes[..7]).is_none());
    assert!(StoredValue::decode(b"\0\0\0\0\0\0\0\0\xff").is_none());
}

#[test]
fn questions_travel_unchanged() {
    let rows = [
        (keep(Timestamp(17)), ("/keep/17", "content")),
        (StoreRequest::Take, ("/take", "")),
    ];
    for (request, (path, body)) in rows {
        assert_eq!(wire::encode_request(&request), (path.to_owned(), body));
        assert_eq!(wire::decode_request(path, body.to_owned()), Some(request));
    }
    for path in [
        "", "/", "/keep", "/keep/", "/keep/x", "/keep/-1", "/keep/1/", "/take/", "/TAKE",
    ] {
        assert_eq!(wire::decode_request(path, String::new()), None, "{path}");
    }
}

#[test]
fn answers_travel_unchanged() {
    let rows = [
        (StoreResponse::Kept, "kept"),
        (StoreResponse::Exists, "exists"),
        (StoreResponse::Absent, "absent"),
        (StoreResponse::Given(String::new()), "given\n"),
        (
            StoreResponse::Given("two\nlines".into()),
            "given\ntwo\nlines",
        ),
    ];
    for (response, text) in rows {
        assert_eq!(wire::encode_response(&response), text);
        assert_eq!(wire::decode_response(text), Some(response));
    }
    for text in ["", "given", "kept\n", "absent\nx", "status 500"] {
        assert_eq!(wire::decode_response(text), None, "{text:?}");
    }
}

#[test]
fn what_is_kept_is_not_printed() {
    let printed = format!(
        "{:?} {:?}",
        keep(NOW),
        StoreResponse::Given("content".into())
    );
    assert_eq!(
        printed,
        "Keep(until 1800000000000, REDACTED) Given(REDACTED)"
    );
}
