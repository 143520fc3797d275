//! How ledgers learn of refused attempts: the first of an address at once, those that follow within a
//! second together.

use std::cell::RefCell;
use std::rc::Rc;

use super::gate::Gate;
use super::platform::{BackgroundTask, LedgerCall, Platform};
use crate::limits::ledger::{LedgerResponse, Operation};
use crate::limits::refusals::{Batch, Refusals, Telling};
use crate::record::Record;
use crate::util::bounded_map::BoundedMap;
use crate::util::time::Timestamp;

/// How many addresses are remembered that had attempts refused. If there are more, the one noted
/// first is forgotten: its next refusal is told at once, and its timer tells those before.
const CAPACITY: usize = 10_000;

/// The refused attempts that ledgers don't know yet, by ledger and group.
pub(super) struct Untold(BoundedMap<String, Rc<UntoldRefusals>>);

impl Default for Untold {
    fn default() -> Self {
        Self(BoundedMap::new(CAPACITY))
    }
}

/// The refused attempts of one address that its ledger does not know yet.
#[derive(Debug, Default)]
pub struct UntoldRefusals {
    batch: RefCell<Batch>,
    /// Of the last one that counts towards a ban.
    failed: RefCell<Option<Box<Record>>>,
}

impl UntoldRefusals {
    /// The call that tells these.
    fn tell(&self, mut call: LedgerCall, told: Refusals, now: Timestamp) -> BackgroundTask {
        let Refusals { attempts, failures } = told;
        call.request.operation = Operation::Count { attempts, failures };
        call.request.now = now;
        match self.failed.take() {
            Some(record) => BackgroundTask::Failure { call, record },
            None => BackgroundTask::Ledger(call),
        }
    }
}

impl Gate {
    /// Counts a refused attempt after the response. `failed` is its record if it counts towards a ban.
    pub(super) fn count_refusal<P: Platform>(
        &self,
        platform: &P,
        call: LedgerCall,
        mut refusals: Refusals,
        failed: Option<Box<Record>>,
    ) {
        let now = call.request.now;
        if refusals.attempts == 1 && self.draw(&call, now).is_some() {
            refusals.attempts = 0;
            if failed.is_none() {
                return;
            }
        }
        let untold = self.untold_of(&call);
        if failed.is_some() {
            untold.failed.replace(failed);
        }
        let limits = call.request.limits;
        let step = untold.batch.borrow_mut().add(refusals, limits, now);
        platform.run_in_background(match step {
            Telling::Now(told) => untold.tell(call, told, now),
            Telling::After(after) => BackgroundTask::TellRefusals {
                after,
                call,
                untold,
            },
            Telling::WithOthers => return,
        });
    }

    fn untold_of(&self, call: &LedgerCall) -> Rc<UntoldRefusals> {
        let mut all = self.untold.borrow_mut();
        let name = format!("{}\n{}", call.ledger, call.request.group);
        if let Some(known) = all.0.get(&name) {
            return known.clone();
        }
        let new = Rc::<UntoldRefusals>::default();
        all.0.insert(name, new.clone());
        new
    }

    /// What is to be told at the end of a second.
    pub(super) fn refusals_of_the_second(
        call: LedgerCall,
        untold: &UntoldRefusals,
        now: Timestamp,
    ) -> Option<BackgroundTask> {
        let told = untold.batch.borrow_mut().woken(now)?;
        Some(untold.tell(call, told, now))
    }

    /// What is to be told at once after an answer of a ledger: with what was not told before, the quota
    /// may be used up or the ban complete.
    pub(super) fn overdue_refusals(
        &self,
        call: &LedgerCall,
        answer: &LedgerResponse,
        now: Timestamp,
    ) -> Option<BackgroundTask> {
        let all = self.untold.borrow();
        let (false, LedgerResponse::Counted(outlook) | LedgerResponse::Replayed(outlook)) =
            (all.0.is_empty(), answer)
        else {
            return None;
        };
        let name = format!("{}\n{}", call.ledger, call.request.group);
        let untold = all.0.get(&name)?;
        let mut batch = untold.batch.borrow_mut();
        let told = batch.heard(outlook.few_left, call.request.limits, now)?;
        drop(batch);
        Some(untold.tell(call.clone(), told, now))
    }
}
