//! A ledger in a test's hands, and its answers in few words.

use std::collections::BTreeMap;

use portcullis::limits::ledger::{
    Ledger, LedgerChange, LedgerRequest, LedgerResponse, Operation, Outlook, Row,
};
use portcullis::limits::quota::{Limits, Quota};
use portcullis::util::time::{Timestamp, millis};

use super::ms;

pub const START: u64 = 1_800_000_000_000;

pub fn limits(count: u32, window: u64, replay_window: u64) -> Limits {
    Limits {
        quota: Quota::new(count, ms(window)),
        replay_window: (replay_window > 0).then(|| ms(replay_window)),
        ban: None,
    }
}

pub fn outlook(exhausted_for: u64, banned_for: u64) -> Outlook {
    Outlook {
        exhausted_for: ms(exhausted_for),
        banned_for: ms(banned_for),
        few_left: None,
        lent: 0,
    }
}

pub fn counted(exhausted_for: u64) -> LedgerResponse {
    LedgerResponse::Counted(outlook(exhausted_for, 0))
}

pub fn limited(wait: u64) -> LedgerResponse {
    LedgerResponse::Limited { wait: ms(wait) }
}

pub fn banned(left: u64) -> LedgerResponse {
    LedgerResponse::Banned { left: ms(left) }
}

pub fn replayed(exhausted_for: u64) -> LedgerResponse {
    LedgerResponse::Replayed(outlook(exhausted_for, 0))
}

/// A failure that is no attempt, or was counted as one before.
pub const FAILURE: Operation = Operation::Count {
    attempts: 0,
    failures: 1,
};

/// To be admitted with this key, or counted only.
pub fn attempt(key: Option<u8>) -> Operation {
    match key {
        Some(byte) => Operation::Admit {
            id: Some([byte; 16]),
        },
        None => Operation::Count {
            attempts: 1,
            failures: 0,
        },
    }
}

pub fn at(offset: i64) -> Timestamp {
    Timestamp(START.strict_add_signed(offset))
}

/// A ledger, the terms and the group of the next question, and how far the caller's clock is
/// ahead.
pub struct TestLedger {
    pub ledger: Ledger,
    pub limits: Limits,
    pub group: &'static str,
    pub caller_ahead: i64,
}

impl TestLedger {
    pub fn new(limits: Limits) -> Self {
        Self {
            ledger: Ledger::default(),
            limits,
            group: "",
            caller_ahead: 0,
        }
    }

    /// Asks at an offset of the object's clock from `START`.
    pub fn ask(&mut self, offset: i64, ask: Operation) -> (LedgerResponse, LedgerChange) {
        let request = LedgerRequest {
            group: self.group.to_owned(),
            limits: self.limits,
            operation: ask,
            now: at(offset + self.caller_ahead),
        };
        self.ledger.step(&request, at(offset))
    }

    pub fn step(&mut self, offset: i64, key: Option<u8>) -> (LedgerResponse, LedgerChange) {
        self.ask(offset, attempt(key))
    }

    pub fn response(&mut self, offset: i64, key: Option<u8>) -> LedgerResponse {
        self.step(offset, key).0
    }
}

/// A ledger, and what an object would have stored of it.
#[derive(Default)]
pub struct Shelf {
    pub ledger: Ledger,
    pub rows: BTreeMap<u64, Row>,
    /// When the object's alarm is set for.
    pub wakes_at: Option<u64>,
}

impl Shelf {
    /// Steps at the object's time `now`, and stores.
    pub fn step(&mut self, request: &LedgerRequest, now: u64) -> LedgerResponse {
        let (answer, change) = self.ledger.step(request, Timestamp(now));
        self.apply(change, now);
        answer
    }

    pub fn apply(&mut self, change: LedgerChange, now: u64) {
        for row in change.write {
            self.rows.insert(row.number, row);
        }
        for number in change.delete {
            self.rows.remove(&number);
        }
        if let Some(length) = change.wake_in {
            self.wakes_at = Some(now + millis(length));
        }
    }

    /// The object loses its memory.
    pub fn evict(&mut self) {
        self.ledger = Ledger::load(self.rows.values().cloned()).expect("its own rows");
    }
}
