//! What the dashboard shows, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::statistics::{Action, Statistics};
use crate::admin::{Bans, Revocations};
use crate::registry::Census;
use crate::util::time::Timestamp;

/// How many of the clients that were refused most are shown.
const TOP: usize = 10;

/// The state of the isolate that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateHealth {
    pub version: &'static str,
    /// A digest of the settings without secrets.
    pub configuration: String,
    pub warnings: Vec<String>,
    pub key_sets: Vec<KeySetHealth>,
    /// The modes of the routes, by pattern.
    pub routes: Vec<String>,
    /// Whether `METRICS` is on.
    pub metrics: bool,
}

/// A key set by URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySetHealth {
    pub url: String,
    /// When this isolate's copy was fetched, in seconds since 1970.
    pub fetched: Option<u64>,
    /// Whether the last fetch failed.
    pub failed: bool,
}

/// `GET overview`. Times are whole seconds since 1970.
#[derive(Serialize)]
pub struct Overview {
    now: u64,
    /// The administrator who asks.
    by: String,
    gate: GateHealth,
    sockets: Sockets,
    /// From the oldest to the newest; minutes without a decision are left out.
    minutes: Vec<MinuteView>,
    refused: RefusedView,
    actions: Vec<ActionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bans: Option<Bans>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<Revocations>,
}

#[derive(Serialize)]
struct Sockets {
    total: u64,
    routes: Vec<Counted>,
    subjects: Vec<Counted>,
}

#[derive(Serialize)]
struct Counted {
    name: String,
    count: u64,
}

#[derive(Serialize)]
struct MinuteView {
    at: u64,
    counts: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    would_be: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct RefusedView {
    addresses: Vec<Counted>,
    origins: Vec<Counted>,
    subjects: Vec<Counted>,
}

#[derive(Serialize)]
struct ActionView {
    at: u64,
    by: String,
    what: String,
    undo: Option<UndoView>,
}

#[derive(Serialize)]
struct UndoView {
    method: String,
    path: String,
}

fn counted<S: Into<String>>(all: impl IntoIterator<Item = (S, u64)>) -> Vec<Counted> {
    let all = all.into_iter();
    all.map(|(name, count)| Counted {
        name: name.into(),
        count,
    })
    .collect()
}

impl From<Action> for ActionView {
    fn from(action: Action) -> Self {
        Self {
            at: action.at.0 / 1000,
            by: action.by,
            what: action.what,
            undo: action.undo.map(|(method, path)| UndoView { method, path }),
        }
    }
}

impl Overview {
    pub fn new(
        statistics: Statistics,
        census: Census,
        gate: GateHealth,
        lists: Option<(Bans, Revocations)>,
        by: String,
        now: Timestamp,
    ) -> Self {
        let (bans, revocations) = lists.unzip();
        let refused = statistics.refused();
        let minutes = statistics.minutes.into_iter().map(|minute| MinuteView {
            at: minute.at * 60,
            counts: minute.counts,
            would_be: minute.reported,
        });
        Self {
            now: now.0 / 1000,
            by,
            gate,
            sockets: Sockets {
                total: census.sockets,
                routes: counted(census.routes),
                subjects: counted(census.subjects),
            },
            minutes: minutes.collect(),
            refused: RefusedView {
                addresses: counted(refused.addresses.top(TOP)),
                origins: counted(refused.origins.top(TOP)),
                subjects: counted(refused.subjects.top(TOP)),
            },
            actions: statistics
                .actions
                .into_iter()
                .map(ActionView::from)
                .collect(),
            bans,
            revocations,
        }
    }
}
