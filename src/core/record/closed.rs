//! The record of an inspected socket that closed, or that would have been closed.

use serde::Serialize;

use super::{Outcome, Record, Stage, cut};
use crate::relay::{CloseReason, Closed, Traffic};

/// What is recorded of an inspected socket that closed: the admission that opened it, how it
/// ended, and what each side sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClosedRecord {
    #[serde(flatten)]
    record: Record,
    /// The close code as the client's side saw it.
    code: u16,
    client: Traffic,
    upstream: Traffic,
}

impl ClosedRecord {
    /// Makes it from the record of the admission. The duration becomes that of the socket.
    pub fn of(admission: Record, closed: Closed, time: String) -> Self {
        let end = CloseReason::from_name(&closed.reason);
        Self {
            // Evidence of the admission is in the record of the admission.
            record: Record {
                detail: None,
                setting: None,
                remedy: None,
                party: None,
                until: None,
                denial: None,
                findings: Vec::new(),
                time,
                outcome: Outcome::Closed,
                reason: end.map(CloseReason::name),
                cause: closed.cause.map(cut),
                stage: Stage::Live,
                duration_ms: closed.duration,
                ..admission
            },
            code: closed.code,
            client: closed.client,
            upstream: closed.upstream,
        }
    }

    /// The record of a live socket that `MODE=enforce` would have closed.
    pub fn of_kept(admission: Record, kept: Closed, time: String) -> Self {
        let mut closed = Self::of(admission, kept, time);
        let record = &mut closed.record;
        record.outcome = Outcome::Kept;
        record.would_be = record.reason.take();
        closed
    }

    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("structs of strings and numbers")
    }

    /// The record from which a data point takes its texts and index.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The close code at the client's end.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The numbers of a data point: the duration as in any record, the close code, and the messages
    /// and bytes of the client and of the upstream.
    pub fn numbers(&self) -> [f64; 6] {
        [
            self.record.duration_ms,
            u64::from(self.code),
            self.client.messages,
            self.client.bytes,
            self.upstream.messages,
            self.upstream.bytes,
        ]
        .map(|number| number as f64)
    }
}
