//! A ledger in a test's hands, and its answers in few words.

use std::collections::BTreeMap;

use portcullis::limits::ledger::{Answer, Ask, Change, Ledger, Outlook, Question, Row};
use portcullis::limits::quota::{Quota, Terms};
use portcullis::util::time::Timestamp;

use super::ms;

pub const START: u64 = 1_800_000_000_000;

pub fn terms(count: u32, window: u64, replay_window: u64) -> Terms {
    Terms {
        quota: Quota::new(count, ms(window)),
        replay_window: (replay_window > 0).then(|| ms(replay_window)),
        ban: None,
    }
}

pub fn outlook(exhausted_for: u64, banned_for: u64) -> Outlook {
    Outlook {
        exhausted_for: ms(exhausted_for),
        banned_for: ms(banned_for),
    }
}

pub fn counted(exhausted_for: u64) -> Answer {
    Answer::Counted(outlook(exhausted_for, 0))
}

pub fn limited(wait: u64) -> Answer {
    Answer::Limited { wait: ms(wait) }
}

pub fn banned(left: u64) -> Answer {
    Answer::Banned { left: ms(left) }
}

pub fn replayed(exhausted_for: u64) -> Answer {
    Answer::Replayed(outlook(exhausted_for, 0))
}

/// To be admitted with this key, or counted only.
pub fn attempt(key: Option<u8>) -> Ask {
    match key {
        Some(byte) => Ask::Admit {
            mark: Some([byte; 16]),
        },
        None => Ask::Count { is_failure: false },
    }
}

pub fn at(offset: i64) -> Timestamp {
    Timestamp(START.strict_add_signed(offset))
}

/// A ledger, the terms and the group of the next question, and how far the caller's clock is
/// ahead.
pub struct Book {
    pub ledger: Ledger,
    pub terms: Terms,
    pub group: &'static str,
    pub caller_ahead: i64,
}

impl Book {
    pub fn new(terms: Terms) -> Self {
        Self {
            ledger: Ledger::default(),
            terms,
            group: "",
            caller_ahead: 0,
        }
    }

    /// Asks at an offset of the object's clock from `START`.
    pub fn ask(&mut self, offset: i64, ask: Ask) -> (Answer, Change) {
        let question = Question {
            group: self.group.to_owned(),
            terms: self.terms,
            ask,
            now: at(offset + self.caller_ahead),
        };
        self.ledger.step(&question, at(offset))
    }

    pub fn step(&mut self, offset: i64, key: Option<u8>) -> (Answer, Change) {
        self.ask(offset, attempt(key))
    }

    pub fn answer(&mut self, offset: i64, key: Option<u8>) -> Answer {
        self.step(offset, key).0
    }
}

/// A ledger, and what an object would have stored of it.
#[derive(Default)]
pub struct Shelf {
    pub ledger: Ledger,
    pub rows: BTreeMap<u64, Row>,
}

impl Shelf {
    /// Steps at the object's time `now`, and stores.
    pub fn step(&mut self, question: &Question, now: u64) -> Answer {
        let (answer, change) = self.ledger.step(question, Timestamp(now));
        for row in change.write {
            self.rows.insert(row.number, row);
        }
        for number in change.delete {
            self.rows.remove(&number);
        }
        answer
    }

    /// The object loses its memory.
    pub fn evict(&mut self) {
        self.ledger = Ledger::load(self.rows.values().cloned()).expect("its own rows");
    }
}
