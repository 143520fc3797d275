//! The sum of all isolates' tallies in one object, as a pure step.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::histogram::Histogram;
use super::pairs::{self, Pairs};
use super::tally::{Called, Closing, Decision, KeySetAge, Name, Refused, Tally};
use crate::util::from_json::{Fields, FromJson, from_fields, from_json, variant};
use crate::util::time::Timestamp;

/// How many minutes are kept one by one.
pub const MINUTES: usize = 180;

/// The largest number of series of decisions, and of closings. Further routes count as `OTHER`.
pub const MAX_SERIES: usize = 4096;

/// How many actions of administrators are kept.
pub const MAX_ACTIONS: usize = 100;

/// The largest number of names of stages and key sets that are kept.
const MAX_NAMES: usize = 256;

/// The length of the windows in which refused clients are counted, and how many are kept.
const WINDOW: Duration = Duration::from_mins(10);
const WINDOWS: usize = 6;

/// How many texts of each kind a window remembers.
const MAX_FREQUENT: usize = 100;

/// The route under which series beyond [`MAX_SERIES`] are counted.
const OTHER: &str = "(other)";

const MINUTE: Duration = Duration::from_mins(1);

/// A request to the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricsRequest {
    /// Adds a tally.
    Report(Box<Tally>),
    /// Keeps an action of an administrator.
    Act(Action),
    /// Adds a tally and returns everything.
    Read(Box<Tally>),
}

/// Its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricsResponse {
    Noted,
    Statistics(Box<Statistics>),
}

macro_rules! as_json {
    ($($name:ident),*) => {$(
        impl $name {
            pub fn to_json(&self) -> String {
                serde_json::to_string(self).expect("texts and numbers")
            }

            /// `None` for any other text.
            pub fn from_json(text: &str) -> Option<Self> {
                from_json(text)
            }
        }
    )*};
}
as_json!(MetricsRequest, MetricsResponse, Statistics);

/// When a step's changes are to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// Within [`super::STORE_EVERY`].
    Soon,
    Now,
}

/// An action of an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    pub at: Timestamp,
    /// Who did it: an e-mail address, or `ADMIN_TOKEN`.
    pub by: String,
    /// The action as the record names it.
    pub what: String,
    /// The method and the path, after the prefix of the endpoints, of the request that undoes it.
    pub undo: Option<(String, String)>,
}

/// Counts of one minute, by reason, or by outcome for what was not refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Minute {
    /// Minutes since 1970.
    pub at: u64,
    pub counts: BTreeMap<String, u64>,
    /// Attempts that report mode let through, by the reason that would have refused them.
    pub reported: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Window {
    at: u64,
    refused: Refused<MAX_FREQUENT>,
}

/// Everything that was added up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Statistics {
    #[serde(with = "pairs")]
    pub(super) decisions: BTreeMap<Decision, u64>,
    #[serde(with = "pairs")]
    pub(super) closings: BTreeMap<Closing, u64>,
    #[serde(with = "pairs")]
    pub(super) calls: BTreeMap<Called, u64>,
    pub(super) stages: BTreeMap<Name, Histogram>,
    pub(super) durations: Histogram,
    pub(super) key_sets: BTreeMap<String, KeySetAge>,
    /// From the oldest to the newest.
    pub(super) minutes: VecDeque<Minute>,
    windows: VecDeque<Window>,
    /// From the newest to the oldest.
    pub(super) actions: VecDeque<Action>,
    pub(super) reports: u64,
}

impl FromJson for MetricsRequest {
    fn from_value(value: Value) -> Option<Self> {
        let (name, content) = variant(value)?;
        match name.as_str() {
            "report" => FromJson::from_value(content).map(Self::Report),
            "act" => FromJson::from_value(content).map(Self::Act),
            "read" => FromJson::from_value(content).map(Self::Read),
            _ => None,
        }
    }
}

impl FromJson for MetricsResponse {
    fn from_value(value: Value) -> Option<Self> {
        let (name, content) = variant(value)?;
        match name.as_str() {
            "noted" => Some(Self::Noted),
            "statistics" => FromJson::from_value(content).map(Self::Statistics),
            _ => None,
        }
    }
}

from_fields!(Action {
    at,
    by,
    what,
    undo,
}
Minute {
    at,
    counts,
    reported,
}
Window {
    at,
    refused,
});

impl FromJson for Statistics {
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
            key_sets: fields.take("key_sets")?,
            minutes: fields.take("minutes")?,
            windows: fields.take("windows")?,
            actions: fields.take("actions")?,
            reports: fields.take("reports")?,
        };
        fields.end()?;
        Some(read)
    }
}

impl Statistics {
    /// Answers a request at the object's time `now`.
    pub fn step(&mut self, request: MetricsRequest, now: Timestamp) -> (MetricsResponse, Change) {
        match request {
            MetricsRequest::Report(tally) => {
                self.add(&tally, now);
                (MetricsResponse::Noted, Change::Soon)
            }
            MetricsRequest::Act(action) => {
                self.actions.push_front(action);
                self.actions.truncate(MAX_ACTIONS);
                (MetricsResponse::Noted, Change::Now)
            }
            MetricsRequest::Read(tally) => {
                let change = match tally.is_empty() {
                    true => Change::Nothing,
                    false => {
                        self.add(&tally, now);
                        Change::Soon
                    }
                };
                self.prune(now);
                let statistics = Box::new(self.clone());
                (MetricsResponse::Statistics(statistics), change)
            }
        }
    }

    fn add(&mut self, tally: &Tally, now: Timestamp) {
        self.reports += 1;
        self.prune(now);
        self.note_minute(tally, now);
        self.note_refused(tally, now);
        for (decision, count) in &tally.decisions {
            let decision = bounded(&self.decisions, decision, |other| Decision {
                route: other,
                ..decision.clone()
            });
            *self.decisions.entry(decision).or_default() += count;
        }
        for (closing, count) in &tally.closings {
            let closing = bounded(&self.closings, closing, |other| Closing {
                route: other,
                ..closing.clone()
            });
            *self.closings.entry(closing).or_default() += count;
        }
        for (called, count) in &tally.calls {
            *self.calls.entry(*called).or_default() += count;
        }
        for (stage, histogram) in &tally.stages {
            if self.stages.len() < MAX_NAMES || self.stages.contains_key(stage) {
                let sum = self.stages.entry(stage.clone()).or_default();
                sum.merge(histogram);
            }
        }
        self.durations.merge(&tally.durations);
        for (url, age) in &tally.key_sets {
            if self.key_sets.len() < MAX_NAMES || self.key_sets.contains_key(url) {
                let known = self.key_sets.entry(url.clone()).or_insert(*age);
                known.fetched = known.fetched.max(age.fetched);
            }
        }
    }

    fn note_minute(&mut self, tally: &Tally, now: Timestamp) {
        let at = number(now, MINUTE);
        if self.minutes.back().is_none_or(|minute| minute.at < at) {
            self.minutes.push_back(Minute {
                at,
                counts: BTreeMap::new(),
                reported: BTreeMap::new(),
            });
        }
        let minute = self.minutes.back_mut().expect("one was pushed");
        for (decision, count) in &tally.decisions {
            let what = match decision.reason.as_ref() {
                "" => &decision.outcome,
                _ => &decision.reason,
            };
            *minute.counts.entry(what.to_string()).or_default() += count;
            if !decision.would_be.is_empty() {
                let would_be = decision.would_be.to_string();
                *minute.reported.entry(would_be).or_default() += count;
            }
        }
    }

    fn note_refused(&mut self, tally: &Tally, now: Timestamp) {
        if tally.refused.is_empty() {
            return;
        }
        let at = number(now, WINDOW);
        if self.windows.back().is_none_or(|window| window.at < at) {
            let refused = Refused::default();
            self.windows.push_back(Window { at, refused });
        }
        let window = self.windows.back_mut().expect("one was pushed");
        window.refused.merge(&tally.refused);
    }

    /// Drops minutes and windows that are too old, and those of a clock that jumped back.
    fn prune(&mut self, now: Timestamp) {
        let minute = number(now, MINUTE);
        let first = (minute + 1).saturating_sub(MINUTES as u64);
        self.minutes
            .retain(|known| (first..=minute).contains(&known.at));
        let window = number(now, WINDOW);
        let first = (window + 1).saturating_sub(WINDOWS as u64);
        self.windows
            .retain(|known| (first..=window).contains(&known.at));
    }

    /// The clients that were refused most in the last hour.
    pub(super) fn refused(&self) -> Refused<MAX_FREQUENT> {
        let mut all = Refused::default();
        for window in &self.windows {
            all.merge(&window.refused);
        }
        all
    }
}

fn number(now: Timestamp, length: Duration) -> u64 {
    now.0 / crate::util::time::millis(length)
}

/// The key to count under: the given one, or one with the route `OTHER` if there are too many.
fn bounded<K: Ord + Clone>(known: &BTreeMap<K, u64>, key: &K, elsewhere: impl Fn(Name) -> K) -> K {
    match known.len() < MAX_SERIES || known.contains_key(key) {
        true => key.clone(),
        false => elsewhere(OTHER.into()),
    }
}
