//! What the ledger stores and how it is asked: pinned, since old rows and old isolates must be
//! understood after a deployment.

mod common;

use common::{assert_rows, ms, seconds};
use portcullis::ledger::{Answer, Attempt, Change, Ledger, Quota, Row, Terms, wire};
use portcullis::time::Timestamp;

fn terms() -> Terms {
    Terms {
        quota: Quota::new(60, seconds(60)),
        replay_window: Some(seconds(90)),
    }
}

const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];

#[rustfmt::skip] // a row as it is stored, by its parts
const STORED: [u8; 56] = [
    // the ordinal of the first entry
    0, 0, 0, 0, 0, 0, 0, 0,
    // 1 800 000 000 000 ms with a key
    0x80, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255,
    // 1 800 000 000 001 ms without one
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x01,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const AT: u64 = 1_800_000_000_000;

#[test]
fn the_stored_bytes_are_unchanged() {
    let mut ledger = Ledger::default();
    let attempt = |key| Attempt {
        terms: terms(),
        key,
    };
    ledger.step(&attempt(Some(KEY)), Timestamp(AT));
    let (_, change) = ledger.step(&attempt(None), Timestamp(AT + 1));
    let expected = Change {
        write: Some(Row {
            number: 0,
            data: STORED.to_vec(),
        }),
        delete_before: None,
    };
    assert_eq!(change, expected);
}

#[test]
fn stored_bytes_are_understood() {
    let stored = || {
        Ledger::load([Row {
            number: 0,
            data: STORED.to_vec(),
        }])
        .expect("ours")
    };
    let ask = |now, key| {
        let quota = Quota::new(3, seconds(60));
        let terms = Terms { quota, ..terms() };
        stored().step(&Attempt { terms, key }, Timestamp(now)).0
    };
    let exhausted_for = ms(59_998);
    assert_rows([
        (
            "the key",
            ask(AT + 2, Some(KEY)),
            Answer::Replayed { exhausted_for },
        ),
        (
            "zeros are no key",
            ask(AT + 2, Some([0; 16])),
            Answer::Counted { exhausted_for },
        ),
        (
            "the key, when its window is over",
            ask(AT + 90_000, Some(KEY)),
            Answer::Counted {
                exhausted_for: ms(0),
            },
        ),
    ]);
    assert_eq!(
        stored().idle_from(seconds(90)),
        Some(Timestamp(AT + 90_001))
    );
}

#[test]
fn an_attempt_travels_as_a_path() {
    let attempt = |count, window, replay_window, key| Attempt {
        terms: Terms {
            quota: Quota::new(count, ms(window)),
            replay_window,
        },
        key,
    };
    let rows = [
        (
            attempt(60, 60_000, Some(seconds(90)), Some(KEY)),
            "/60/60000/90000/000102030405060708090a0b0c0d0eff",
        ),
        (
            attempt(60, 60_000, Some(seconds(90)), None),
            "/60/60000/90000/",
        ),
        (attempt(1, 500, None, None), "/1/500/0/"),
        (
            attempt(0, 0, Some(ms(1)), Some([0; 16])),
            "/0/0/1/00000000000000000000000000000000",
        ),
        (attempt(u32::MAX, 1, None, None), "/4294967295/1/0/"),
    ];
    assert_rows(
        rows.map(|(attempt, path)| (path, wire::encode_attempt(&attempt), path.to_owned())),
    );
    assert_rows(rows.map(|(attempt, path)| (path, wire::decode_attempt(path), Some(attempt))));
}

#[test]
fn what_is_no_attempt_is_not_read_as_one() {
    let paths = [
        "",
        "/",
        "60/60000/0/",
        "/60",
        "/60/60000",
        "/60/60000/0",
        "/60/60000/0//",
        "/60/60000/0/xyz",
        "/-1/1/0/",
        "/4294967296/1/0/",
        "/1/1.5/0/",
        "/1/1/18446744073709551616/",
        "/ 1/1/0/",
        "/1/1/0/100000000000000000000000000000000",
    ];
    assert_rows(paths.map(|path| (path, wire::decode_attempt(path), None)));
}

#[test]
fn an_answer_travels_as_a_word_and_a_number() {
    let rows = [
        (
            Answer::Counted {
                exhausted_for: ms(0),
            },
            "counted 0",
        ),
        (
            Answer::Counted {
                exhausted_for: seconds(60),
            },
            "counted 60000",
        ),
        (Answer::Limited { wait: ms(12_345) }, "limited 12345"),
        (
            Answer::Replayed {
                exhausted_for: ms(1),
            },
            "replayed 1",
        ),
    ];
    assert_rows(rows.map(|(answer, text)| (text, wire::encode_answer(&answer), text.to_owned())));
    assert_rows(rows.map(|(answer, text)| (text, wire::decode_answer(text), Some(answer))));
    let others = [
        "",
        "counted",
        "counted ",
        "counted -1",
        "counted 1.5",
        "counted 1 2",
        "Counted 1",
        "admitted 1",
        " 1",
        "status 500",
    ];
    assert_rows(others.map(|text| (text, wire::decode_answer(text), None)));
}
