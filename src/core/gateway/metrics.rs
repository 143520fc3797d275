//! What this isolate counts, and when it reports the counts.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::gate::Gate;
use super::platform::{Background, BackgroundTask, Metrics, Wait};
use crate::metrics::{
    CallResult, KeySetAge, KeySetHealth, MetricsRequest, ObjectKind, REPORT_EVERY, Tally,
};
use crate::policy::Site;
use crate::record::{ClosedRecord, Outcome, Record, Stage};
use crate::token::RemoteKeys;
use crate::util::sorting::map_of;
use crate::util::time::{Clock, Timestamp, millis};

/// After this time a planned report is considered lost: the request that was to send it has ended.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// How long the object may take to add a tally.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The counts of an isolate, where `METRICS` is on.
#[derive(Default)]
pub struct Counter {
    tally: RefCell<Tally>,
    /// The time at which the next report was planned.
    planned: Cell<Option<Timestamp>>,
}

/// How long an attempt stayed in each stage, as far as the clock can tell.
pub(super) struct Stopwatch {
    entered: Timestamp,
    stages: Vec<(Stage, u64)>,
}

impl Stopwatch {
    pub fn start(now: Timestamp) -> Self {
        Self {
            entered: now,
            stages: Vec::new(),
        }
    }

    /// Ends a stage. A stage that is entered twice is counted once.
    pub fn leave(&mut self, stage: Stage, now: Timestamp) {
        let spent = millis(now.since(self.entered));
        self.entered = now;
        match self.stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, sum)) => *sum += spent,
            None => self.stages.push((stage, spent)),
        }
    }
}

impl Gate {
    /// Counts a decision, and plans to report it.
    pub fn count_decision(&self, platform: &(impl Clock + Background), record: &Record) {
        if let Some(counter) = &self.counter {
            counter.tally.borrow_mut().note(record);
            counter.plan(platform);
        }
    }

    /// Counts the end of a live socket, and plans to report it.
    pub fn count_closed(&self, platform: &(impl Clock + Background), closed: &ClosedRecord) {
        if let Some(counter) = &self.counter
            && closed.record().outcome == Outcome::Closed
        {
            counter.tally.borrow_mut().note_closed(closed);
            counter.plan(platform);
        }
    }

    /// Counts a call to a Durable Object. It is reported with the attempt that made it.
    pub fn count_call(&self, object: ObjectKind, result: impl FnOnce() -> CallResult) {
        if let Some(counter) = &self.counter {
            counter.tally.borrow_mut().note_call(object, result());
        }
    }

    /// Whether anything is counted.
    pub fn counts(&self) -> bool {
        self.counter.is_some()
    }

    pub(super) fn count_stages(&self, stopwatch: Stopwatch) {
        if let Some(counter) = &self.counter {
            let mut tally = counter.tally.borrow_mut();
            for (stage, spent) in stopwatch.stages {
                tally.note_stage(stage, spent);
            }
        }
    }

    /// Takes what was counted since the last report.
    pub(super) fn take_tally(&self) -> Box<Tally> {
        let mut tally = Tally::default();
        if let Some(counter) = &self.counter {
            tally = counter.tally.take();
            if let (false, Ok(site)) = (tally.is_empty(), &self.site) {
                tally.key_sets = site.key_set_ages();
            }
        }
        Box::new(tally)
    }

    /// Adds the counts of a failed report to the present ones.
    pub(super) fn put_back(&self, tally: &Tally) {
        if let Some(counter) = &self.counter {
            counter.tally.borrow_mut().merge(tally);
        }
    }

    /// Reports the counts, after a pause in which more can be counted.
    pub(super) async fn report<P: Clock + Wait + Metrics>(
        &self,
        platform: &P,
    ) -> Result<(), String> {
        platform.wait(REPORT_EVERY).await;
        if let Some(counter) = &self.counter {
            counter.planned.set(None);
        }
        let tally = self.take_tally();
        if tally.is_empty() {
            return Ok(());
        }
        let report = MetricsRequest::Report(tally);
        let result = platform.ask_metrics(&report, TIMEOUT).await;
        result.map(drop).map_err(|failure| {
            let MetricsRequest::Report(tally) = &report else {
                unreachable!("made above")
            };
            self.put_back(tally);
            format!("metrics could not be reported and wait for the next report: {failure}")
        })
    }
}

impl Counter {
    fn plan(&self, platform: &(impl Clock + Background)) {
        let now = platform.now();
        let is_planned = |planned: Timestamp| now.since(planned) < LOST_AFTER;
        if !self.planned.get().is_some_and(is_planned) {
            self.planned.set(Some(now));
            platform.run_in_background(BackgroundTask::Report);
        }
    }
}

impl Site {
    fn remote_keys(&self) -> impl Iterator<Item = &RemoteKeys> {
        let routes = self.routes.iter();
        let authentications = routes.filter_map(|route| route.policy.authentication.as_ref());
        let issuers = authentications.flat_map(|authentication| &authentication.issuers);
        issuers.filter_map(|issuer| issuer.keys.remote.as_deref())
    }

    fn key_set_ages(&self) -> std::collections::BTreeMap<String, KeySetAge> {
        map_of(self.remote_keys().filter_map(|keys| {
            let fetched = keys.since()?;
            Some((keys.url.clone(), KeySetAge { fetched }))
        }))
    }

    /// The key sets that come from URLs, as this isolate has them.
    pub(super) fn key_set_health(&self) -> Vec<KeySetHealth> {
        let mut all: Vec<KeySetHealth> = Vec::new();
        for keys in self.remote_keys() {
            if all.iter().all(|known| known.url != keys.url) {
                all.push(KeySetHealth {
                    url: keys.url.clone(),
                    fetched: keys.since().map(|since| since.0 / 1000),
                    failed: keys.failed_last(),
                });
            }
        }
        all
    }
}
