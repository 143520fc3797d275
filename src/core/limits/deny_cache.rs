//! What this isolate already knows of exhausted quotas and of bans: a refusal that follows from
//! it asks no object.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::util::time::Timestamp;

/// Waits of each kind remembered at most; the one noted first is forgotten first, which costs a
/// call.
const CAPACITY: usize = 10_000;

/// For so long an isolate trusts what it knows of waits that may end early: a ban is lifted, an
/// admission given back.
const TRUST: Duration = Duration::from_secs(5);

/// Who has to wait, and until when.
#[derive(Debug, Default)]
pub struct DenyCache {
    /// By ledger and group, which neither hold a line break.
    limited: Waits,
    /// By ledger.
    banned: Waits,
}

impl DenyCache {
    /// Remembers what a ledger said: no attempt in `group` is admitted for `wait`. `is_final`:
    /// nothing ends that early.
    pub fn note_limit(
        &mut self,
        ledger: &str,
        group: &str,
        wait: Duration,
        is_final: bool,
        now: Timestamp,
    ) {
        let trust = if is_final { wait } else { wait.min(TRUST) };
        self.limited.note(limit_of(ledger, group), wait, trust, now);
    }

    /// The same of a ban, which holds in all groups.
    pub fn note_ban(&mut self, ledger: &str, left: Duration, now: Timestamp) {
        self.banned
            .note(ledger.to_owned(), left, left.min(TRUST), now);
    }

    /// How long an attempt in `group` still has to wait.
    pub fn limit(&self, ledger: &str, group: &str, now: Timestamp) -> Option<Duration> {
        self.limited.left(&limit_of(ledger, group), now)
    }

    /// How long a ban still holds.
    pub fn ban(&self, ledger: &str, now: Timestamp) -> Option<Duration> {
        self.banned.left(ledger, now)
    }
}

fn limit_of(ledger: &str, group: &str) -> String {
    format!("{ledger}\n{group}")
}

#[derive(Debug, Default)]
struct Waits {
    by_name: HashMap<String, Wait>,
    /// Names in the order in which they were first noted.
    noted: VecDeque<String>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    noted: Timestamp,
    trusted_until: Timestamp,
    until: Timestamp,
}

impl Waits {
    fn note(&mut self, name: String, wait: Duration, trust: Duration, now: Timestamp) {
        if wait.is_zero() && !self.by_name.contains_key(&name) {
            return;
        }
        let wait = Wait {
            noted: now,
            trusted_until: now + trust,
            until: now + wait,
        };
        if self.by_name.insert(name.clone(), wait).is_none() {
            self.noted.push_back(name);
        }
        if self.noted.len() > CAPACITY
            && let Some(first) = self.noted.pop_front()
        {
            self.by_name.remove(&first);
        }
    }

    fn left(&self, name: &str, now: Timestamp) -> Option<Duration> {
        let wait = self.by_name.get(name)?;
        // A clock that jumped back tells nothing of the wait: the ledger is asked again.
        (wait.noted <= now && now < wait.trusted_until).then(|| wait.until.since(now))
    }
}
