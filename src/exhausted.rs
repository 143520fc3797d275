//! What this isolate already knows of exhausted quotas: a refusal that follows from it asks no
//! object.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::ledger::Quota;
use crate::rejection::{Reason, Rejection};
use crate::time::Timestamp;

/// Addresses remembered at most; the one noted first is forgotten first, which costs a call.
const CAPACITY: usize = 10_000;

/// Addresses whose quota is used up, and until when.
#[derive(Debug, Default)]
pub struct Exhausted {
    /// When it was noted, and until when.
    until: HashMap<String, (Timestamp, Timestamp)>,
    noted: VecDeque<String>,
}

impl Exhausted {
    /// Remembers what a ledger said: no attempt of `ledger` is admitted for `wait`.
    pub fn note(&mut self, ledger: String, wait: Duration, now: Timestamp) {
        if wait.is_zero() {
            return;
        }
        if self
            .until
            .insert(ledger.clone(), (now, now + wait))
            .is_none()
        {
            self.noted.push_back(ledger);
        }
        if self.noted.len() > CAPACITY
            && let Some(first) = self.noted.pop_front()
        {
            self.until.remove(&first);
        }
    }

    /// How long `ledger` still has to wait.
    pub fn wait(&self, ledger: &str, now: Timestamp) -> Option<Duration> {
        let (noted, until) = *self.until.get(ledger)?;
        let wait = until.since(now);
        // A clock that jumped back tells nothing of the wait: the ledger is asked again.
        (now >= noted && !wait.is_zero()).then_some(wait)
    }

    /// Step 6: refuses an address that is known to have used up its quota.
    pub fn check(
        &self,
        ledger: &str,
        quota: Option<Quota>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match (quota, self.wait(ledger, now)) {
            (Some(quota), Some(wait)) => {
                Err(Reason::RateLimited { quota, wait }.because("known in this isolate"))
            }
            _ => Ok(()),
        }
    }
}
