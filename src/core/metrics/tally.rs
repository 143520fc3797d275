//! The counts of one isolate since its last report.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::heavy_hitters::HeavyHitters;
use super::histogram::Histogram;
use super::pairs::{self, Pairs};
use crate::record::{ClosedRecord, Outcome, Record, Stage};
use crate::util::from_json::{Fields, FromJson, from_fields, from_name, read_fields};
use crate::util::time::Timestamp;

/// A name that the gate has as a constant, or one that was parsed.
pub type Name = Cow<'static, str>;

/// How many texts of each kind an isolate remembers between two reports.
const MAX_FREQUENT: usize = 64;

/// The labels of a decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Decision {
    pub outcome: Name,
    /// Empty if nothing was refused.
    pub reason: Name,
    /// The pattern of the route; empty where none matched.
    pub route: Name,
    pub mode: Name,
    /// In report mode, the reason with which `MODE=enforce` would have refused it.
    pub would_be: Name,
}

/// The labels of a live socket's end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Closing {
    pub code: u16,
    pub reason: Name,
    pub route: Name,
}

/// The labels of a call to a Durable Object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Called {
    pub object: ObjectKind,
    pub result: CallResult,
}

/// The kinds of Durable Objects, by the names of their bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    Ledger,
    OneTime,
    Registry,
    RouteQuota,
}

impl ObjectKind {
    const ALL: [Self; 4] = [
        Self::Ledger,
        Self::OneTime,
        Self::Registry,
        Self::RouteQuota,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::OneTime => "one_time",
            Self::Registry => "registry",
            Self::RouteQuota => "route_quota",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    Answered,
    Failed,
    TimedOut,
}

impl CallResult {
    const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::TimedOut];

    /// The result that an answer counts as. `timed_out` is the error's text after a timeout.
    pub fn of<T>(answer: &Result<T, String>, timed_out: &str) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(error) if error == timed_out => Self::TimedOut,
            Err(_) => Self::Failed,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// When the newest copy of a key set was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeySetAge {
    pub fetched: Timestamp,
}

from_name!(ObjectKind, CallResult);
from_fields!(Decision {
    outcome,
    reason,
    route,
    mode,
    would_be,
}
Closing {
    code,
    reason,
    route,
}
Called {
    object,
    result,
}
KeySetAge {
    fetched,
});

/// Counts since the last report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    #[serde(with = "pairs")]
    pub decisions: BTreeMap<Decision, u64>,
    #[serde(with = "pairs")]
    pub closings: BTreeMap<Closing, u64>,
    #[serde(with = "pairs")]
    pub calls: BTreeMap<Called, u64>,
    /// How long attempts stayed in each stage.
    pub stages: BTreeMap<Name, Histogram>,
    /// How long decisions took.
    pub durations: Histogram,
    pub refused: Refused<MAX_FREQUENT>,
    /// By URL.
    pub key_sets: BTreeMap<String, KeySetAge>,
}

impl FromJson for Tally {
    fn from_value(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        let Pairs(decisions) = fields.take("decisions")?;
        let Pairs(closings) = fields.take("closings")?;
        let Pairs(calls) = fields.take("calls")?;
        let read = Self {
            decisions,
            closings,
            calls,
            stages: fields.take("stages")?,
            durations: fields.take("durations")?,
            refused: fields.take("refused")?,
            key_sets: fields.take("key_sets")?,
        };
        fields.end()?;
        Some(read)
    }
}

/// The clients that were refused most, or would have been where the mode only reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Refused<const MAX: usize> {
    pub addresses: HeavyHitters<MAX>,
    pub origins: HeavyHitters<MAX>,
    pub subjects: HeavyHitters<MAX>,
}

impl<const MAX: usize> FromJson for Refused<MAX> {
    fn from_value(value: Value) -> Option<Self> {
        read_fields!(value => Self { addresses, origins, subjects })
    }
}

impl<const MAX: usize> Refused<MAX> {
    fn note(&mut self, record: &Record) {
        self.addresses.note(&record.address);
        if let Some(origin) = &record.origin {
            self.origins.note(origin);
        }
        if let Some(subject) = &record.subject {
            self.subjects.note(subject);
        }
    }

    pub fn merge<const OTHER: usize>(&mut self, other: &Refused<OTHER>) {
        self.addresses.merge(&other.addresses);
        self.origins.merge(&other.origins);
        self.subjects.merge(&other.subjects);
    }

    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }
}

/// Adds the counts of `from` to those of `to`.
pub fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(key.clone()).or_default() += count;
    }
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a decision.
    pub fn note(&mut self, record: &Record) {
        let decision = Decision {
            outcome: record.outcome.name().into(),
            reason: record.reason.unwrap_or_default().into(),
            route: record.route.clone().unwrap_or_default().into(),
            mode: record.mode.into(),
            would_be: record.would_be.unwrap_or_default().into(),
        };
        *self.decisions.entry(decision).or_default() += 1;
        self.durations.note(record.duration_ms);
        // In report mode it is these that tell whose clients to mend first.
        if record.outcome == Outcome::Refused || record.would_be.is_some() {
            self.refused.note(record);
        }
    }

    /// Counts the end of a live socket.
    pub fn note_closed(&mut self, closed: &ClosedRecord) {
        let record = closed.record();
        let closing = Closing {
            code: closed.code(),
            reason: record.reason.unwrap_or_default().into(),
            route: record.route.clone().unwrap_or_default().into(),
        };
        *self.closings.entry(closing).or_default() += 1;
    }

    pub fn note_stage(&mut self, stage: Stage, milliseconds: u64) {
        let histogram = self.stages.entry(stage.name().into()).or_default();
        histogram.note(milliseconds);
    }

    pub fn note_call(&mut self, object: ObjectKind, result: CallResult) {
        *self.calls.entry(Called { object, result }).or_default() += 1;
    }

    /// Adds another tally, such as one that could not be reported.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.decisions, &other.decisions);
        add(&mut self.closings, &other.closings);
        add(&mut self.calls, &other.calls);
        for (stage, histogram) in &other.stages {
            self.stages
                .entry(stage.clone())
                .or_default()
                .merge(histogram);
        }
        self.durations.merge(&other.durations);
        self.refused.merge(&other.refused);
        self.key_sets.extend(other.key_sets.clone());
    }
}
