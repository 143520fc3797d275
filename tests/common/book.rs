//! A ledger in a test's hands, and its answers in few words.

use portcullis::ledger::{Answer, Attempt, Change, Ledger, Quota, Terms};
use portcullis::time::Timestamp;

use super::ms;

pub const START: u64 = 1_800_000_000_000;

pub fn terms(count: u32, window: u64, replay_window: u64) -> Terms {
    Terms {
        quota: Quota::new(count, ms(window)),
        replay_window: (replay_window > 0).then(|| ms(replay_window)),
    }
}

pub fn counted(exhausted_for: u64) -> Answer {
    Answer::Counted {
        exhausted_for: ms(exhausted_for),
    }
}

pub fn limited(wait: u64) -> Answer {
    Answer::Limited { wait: ms(wait) }
}

pub fn replayed(exhausted_for: u64) -> Answer {
    Answer::Replayed {
        exhausted_for: ms(exhausted_for),
    }
}

/// A ledger and the offset of its clock from `START`.
pub struct Book {
    pub ledger: Ledger,
    pub terms: Terms,
}

impl Book {
    pub fn new(terms: Terms) -> Self {
        Self {
            ledger: Ledger::default(),
            terms,
        }
    }

    pub fn step(&mut self, offset: i64, key: Option<u8>) -> (Answer, Change) {
        let attempt = Attempt {
            terms: self.terms,
            key: key.map(|byte| [byte; 16]),
        };
        self.ledger
            .step(&attempt, Timestamp(START.strict_add_signed(offset)))
    }

    pub fn answer(&mut self, offset: i64, key: Option<u8>) -> Answer {
        self.step(offset, key).0
    }
}
