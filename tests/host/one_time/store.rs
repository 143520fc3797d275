//! What can be used once: the steps, and the formats that a deployment must not change.

use portcullis::one_time::store::{Answer, Change, Question, Stored, step, wire};
use portcullis::util::time::Timestamp;

use crate::common::{NOW, assert_rows, ms};

fn later(milliseconds: u64) -> Timestamp {
    NOW + ms(milliseconds)
}

fn keep(until: Timestamp) -> Question {
    Question::keep(until, "content".into())
}

/// What is stored after a question was kept.
fn kept(until: Timestamp) -> Stored {
    match step(None, keep(until), NOW) {
        (Answer::Kept, Change::Write(stored)) => stored,
        (other, _) => panic!("it was not kept: {other:?}"),
    }
}

fn named(change: &Change) -> &'static str {
    match change {
        Change::Nothing => "nothing",
        Change::Write(_) => "write",
        Change::Delete => "delete",
    }
}

#[test]
fn a_name_is_kept_once_and_given_once() {
    let given = Answer::Given("content".into());
    let stored = || Some(kept(later(1000)));
    let rows = [
        (
            "keep, nothing there",
            None,
            keep(later(5)),
            0,
            (Answer::Kept, "write"),
        ),
        (
            "keep, something there",
            stored(),
            keep(later(5)),
            999,
            (Answer::Exists, "nothing"),
        ),
        (
            "keep, something expired",
            stored(),
            keep(later(5)),
            1000,
            (Answer::Kept, "write"),
        ),
        (
            "take, nothing there",
            None,
            Question::Take,
            0,
            (Answer::Absent, "nothing"),
        ),
        (
            "take, something there",
            stored(),
            Question::Take,
            999,
            (given, "delete"),
        ),
        (
            "take, something expired",
            stored(),
            Question::Take,
            1000,
            (Answer::Absent, "nothing"),
        ),
    ];
    assert_rows(rows.map(|(name, stored, question, offset, expected)| {
        let (answer, change) = step(stored, question, later(offset));
        (name, (answer, named(&change)), expected)
    }));
}

#[test]
fn nothing_is_kept_longer_than_a_date_can_say() {
    assert_eq!(
        kept(Timestamp(u64::MAX)).until,
        Timestamp(8_640_000_000_000_000)
    );
    let over_the_wire = wire::decode_question(&format!("/keep/{}", u64::MAX), String::new());
    assert_eq!(
        over_the_wire,
        Some(Question::keep(Timestamp(u64::MAX), String::new()))
    );
}

#[test]
fn the_stored_bytes_are_unchanged() {
    let bytes = b"\x00\x00\x01\xa3\x18\x5c\x50\x00content";
    let stored = kept(Timestamp(1_800_000_000_000));
    assert_eq!(stored.encode(), bytes);
    assert!(Stored::decode(bytes) == Some(stored));
    assert!(Stored::decode(&bytes[..7]).is_none());
    assert!(Stored::decode(b"\0\0\0\0\0\0\0\0\xff").is_none());
}

#[test]
fn questions_travel_unchanged() {
    let rows = [
        (keep(Timestamp(17)), ("/keep/17", "content")),
        (Question::Take, ("/take", "")),
    ];
    for (question, (path, body)) in rows {
        assert_eq!(wire::encode_question(&question), (path.to_owned(), body));
        assert_eq!(wire::decode_question(path, body.to_owned()), Some(question));
    }
    for path in [
        "", "/", "/keep", "/keep/", "/keep/x", "/keep/-1", "/keep/1/", "/take/", "/TAKE",
    ] {
        assert_eq!(wire::decode_question(path, String::new()), None, "{path}");
    }
}

#[test]
fn answers_travel_unchanged() {
    let rows = [
        (Answer::Kept, "kept"),
        (Answer::Exists, "exists"),
        (Answer::Absent, "absent"),
        (Answer::Given(String::new()), "given\n"),
        (Answer::Given("two\nlines".into()), "given\ntwo\nlines"),
    ];
    for (answer, text) in rows {
        assert_eq!(wire::encode_answer(&answer), text);
        assert_eq!(wire::decode_answer(text), Some(answer));
    }
    for text in ["", "given", "kept\n", "absent\nx", "status 500"] {
        assert_eq!(wire::decode_answer(text), None, "{text:?}");
    }
}

#[test]
fn what_is_kept_is_not_printed() {
    let printed = format!("{:?} {:?}", keep(NOW), Answer::Given("content".into()));
    assert_eq!(
        printed,
        "Keep(until 1800000000000, REDACTED) Given(REDACTED)"
    );
}
