//! The rows in which the ledger is stored.

mod common;

use common::assert_rows;
use common::book::{Book, limited, terms};
use portcullis::ledger::{Answer, Change, CorruptRow, Ledger, Row};

#[test]
fn more_attempts_than_fit_into_a_row_go_into_the_next() {
    let mut book = Book::new(terms(2000, 10_000, 0));
    let row = |step: (Answer, Change)| {
        let row = step.1.write.expect("counted");
        (row.number, row.data[..8].to_vec(), row.data.len())
    };
    let at =
        |first: u64, entries: usize| (first / 512, first.to_be_bytes().to_vec(), 8 + 24 * entries);
    let rows: Vec<_> = (0..1030).map(|n| row(book.step(n, None))).collect();
    assert_rows([
        ("first", rows[0].clone(), at(0, 1)),
        ("last of a row", rows[511].clone(), at(0, 512)),
        ("first of the next", rows[512].clone(), at(512, 1)),
        ("last of the next", rows[1023].clone(), at(512, 512)),
        ("first of the third", rows[1024].clone(), at(1024, 1)),
    ]);
    let (_, change) = book.step(10_000 + 510, None);
    assert_eq!(change.delete_before, None, "entry 511 still matters");
    let (_, change) = book.step(10_000 + 511, None);
    assert_eq!(change.delete_before, Some(1));
    let (_, change) = book.step(10_000 + 512, None);
    assert_eq!(change.delete_before, None, "said once");
    let (_, change) = book.step(100_000, None);
    assert_eq!(change.delete_before, Some(2));
    let written = change.write.expect("counted");
    assert_eq!(
        (written.number, &written.data[..8]),
        (2, &1033_u64.to_be_bytes()[..])
    );
    assert_eq!(written.data.len(), 8 + 24);
}

#[test]
fn a_limited_attempt_writes_nothing_but_deletes_what_is_over() {
    let mut book = Book::new(terms(513, 1000, 0));
    for _ in 0..512 {
        book.step(0, None);
    }
    book.step(500, None);
    assert_eq!(book.step(999, None), (limited(1), Change::default()));
    book.terms = terms(1, 1000, 0);
    let change = Change {
        write: None,
        delete_before: Some(1),
    };
    assert_eq!(book.step(1000, None), (limited(500), change));
}

/// A row of entries of 24 bytes each, numbered from `first`.
fn row(number: u64, first: u64, entries: &[[u8; 24]]) -> Row {
    let mut data = first.to_be_bytes().to_vec();
    data.extend(entries.as_flattened());
    Row { number, data }
}

#[test]
fn a_row_that_is_none_of_ours_is_an_error() {
    let entry = [0; 24];
    let cut = |length| {
        let mut row = row(0, 0, &[entry]);
        row.data.truncate(length);
        row
    };
    let full = || row(0, 0, &[entry; 512]);
    let rows = [
        ("none", vec![], None),
        ("one", vec![full()], None),
        ("two", vec![full(), row(1, 512, &[entry])], None),
        (
            "the first deleted",
            vec![row(7, 7 * 512 + 3, &[entry])],
            None,
        ),
        ("no data", vec![cut(0)], Some(0)),
        ("half of the ordinal", vec![cut(7)], Some(0)),
        ("half of an entry", vec![cut(31)], Some(0)),
        (
            "number and ordinal differ",
            vec![row(1, 0, &[entry])],
            Some(1),
        ),
        ("a gap", vec![full(), row(2, 1024, &[entry])], Some(2)),
        ("an overlap", vec![full(), row(1, 513, &[entry])], Some(1)),
        ("the same twice", vec![full(), full()], Some(0)),
        (
            "a row that is not full before another",
            vec![row(0, 0, &[entry; 511]), row(1, 512, &[entry])],
            Some(1),
        ),
        (
            "in wrong order",
            vec![row(1, 512, &[entry]), full()],
            Some(0),
        ),
        (
            "more entries than fit",
            vec![row(0, 0, &[entry; 513])],
            Some(0),
        ),
    ];
    assert_rows(
        rows.map(|(name, rows, expected)| {
            (name, Ledger::load(rows).err(), expected.map(CorruptRow))
        }),
    );
}
