//! A ledger's step: one function for each operation.

use std::time::Duration;

use super::journal::{Journal, JournalEntry, TakenFrom};
use super::{
    Bans, CAPACITY, EntryId, Explanation, Ledger, LedgerChange, LedgerRequest, LedgerResponse,
    Operation, Outlook, Slot,
};
use crate::limits::quota::{Limits, Quota};
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::Timestamp;

/// A step under way: what it was asked with, and what it changed so far.
pub(super) struct Step<'a> {
    pub group: &'a str,
    pub limits: Limits,
    pub now: TwoClocks,
    pub change: LedgerChange,
    /// The stored head is out of date.
    pub head_changed: bool,
    slot_taken: bool,
}

impl Ledger {
    /// Answers a request at the object's time `now`, and returns what to store before the answer
    /// leaves.
    pub fn step(
        &mut self,
        request: &LedgerRequest,
        now: Timestamp,
    ) -> (LedgerResponse, LedgerChange) {
        let mut step = self.begin(request, TwoClocks::new(now, request.now));
        let response = match request.operation {
            Operation::Admit { id } => self.admit(id, &mut step),
            Operation::Borrow { id, wish } => self.borrow(id, wish, &mut step),
            Operation::Open {
                id,
                slot,
                counts_if_full,
            } => self.open(id, slot, counts_if_full, &mut step),
            Operation::Claim { id, slot } => self.claim(id, slot, &mut step),
            Operation::Replace { slot, .. } => self.replace(slot, &mut step),
            Operation::Attach { slot } => self.attach(slot, &mut step),
            Operation::Count { attempts, failures } => self.count(attempts, failures, &mut step),
            Operation::GiveBack { id } => self.give_back(&id, &mut step),
            Operation::Lift => self.lift(&mut step),
            Operation::Explain => self.explain(&step),
        };
        (response, self.finish(step))
    }

    fn begin<'a>(&mut self, request: &'a LedgerRequest, now: TwoClocks) -> Step<'a> {
        let LedgerRequest { group, limits, .. } = request;
        // A socket that was admitted before names no group and no limits.
        let names_limits = !matches!(
            request.operation,
            Operation::Attach { .. } | Operation::Replace { .. }
        );
        if let Some(journal) = self.journals.get_mut(group)
            && names_limits
        {
            journal.horizon = limits.horizon();
        }
        // Clamped entries are stored. Else they would be clamped again after an eviction, and be
        // only as old as that moment.
        let head_changed = self.clamp_to(now);
        Step {
            group,
            limits: *limits,
            now,
            change: LedgerChange {
                delete: self.prune(now),
                ..LedgerChange::default()
            },
            head_changed,
            slot_taken: false,
        }
    }

    fn finish(&mut self, mut step: Step<'_>) -> LedgerChange {
        if step.head_changed || step.slot_taken {
            self.wake(step.now, &mut step.change);
        }
        if step.head_changed || step.change.wake_in.is_some() {
            step.change.write.push(self.head(step.now));
        }
        step.change
    }

    pub(super) fn admit(&mut self, id: Option<EntryId>, step: &mut Step<'_>) -> LedgerResponse {
        if let Some(refusal) = self.refusal(id, step) {
            return refusal;
        }
        self.enter(id, step);
        LedgerResponse::Counted(self.outlook(step))
    }

    fn open(
        &mut self,
        id: Option<EntryId>,
        slot: Slot,
        counts_if_full: bool,
        step: &mut Step<'_>,
    ) -> LedgerResponse {
        if let Some(refusal) = self.refusal(id, step) {
            return refusal;
        }
        let has_slot = self.take_slot(slot, step.now, &mut step.change);
        step.slot_taken = has_slot;
        if has_slot || counts_if_full {
            self.enter(id, step);
        }
        match has_slot {
            true => LedgerResponse::Counted(self.outlook(step)),
            false => LedgerResponse::TooManySockets(self.outlook(step)),
        }
    }

    fn claim(&mut self, id: Option<EntryId>, slot: Slot, step: &mut Step<'_>) -> LedgerResponse {
        if let Some(refusal) = self.refusal(id, step) {
            return refusal;
        }
        step.slot_taken = self.take_slot(slot, step.now, &mut step.change);
        self.enter(id, step);
        match step.slot_taken {
            true => LedgerResponse::Counted(self.outlook(step)),
            false => LedgerResponse::Full(self.outlook(step)),
        }
    }

    fn replace(&mut self, slot: Slot, step: &mut Step<'_>) -> LedgerResponse {
        step.slot_taken = self.take_slot(slot, step.now, &mut step.change);
        if step.slot_taken {
            return LedgerResponse::Counted(self.outlook(step));
        }
        self.slots.line_up(slot);
        LedgerResponse::Full(self.outlook(step))
    }

    fn attach(&mut self, slot: Slot, step: &mut Step<'_>) -> LedgerResponse {
        step.slot_taken = self.take_slot(slot, step.now, &mut step.change);
        match step.slot_taken {
            true => LedgerResponse::Counted(self.outlook(step)),
            false => LedgerResponse::TooManySockets(self.outlook(step)),
        }
    }

    /// Counts refused attempts and failures one after the other. The answer is a refusal only if
    /// nothing of them is counted.
    fn count(&mut self, attempts: u32, failures: u32, step: &mut Step<'_>) -> LedgerResponse {
        let (mut refused, mut is_counted) = (None, false);
        for at in 0..attempts.max(failures) {
            let is_attempt = at < attempts;
            let refusal = match is_attempt {
                true => self.ban_or_wait(step),
                false => self.ban(step),
            };
            if let Some(refusal) = refusal {
                refused.get_or_insert(refusal);
                continue;
            }
            is_counted = true;
            if at < failures {
                self.fail(step);
            }
            if is_attempt {
                self.enter(None, step);
            }
        }
        refused
            .filter(|_| !is_counted)
            .unwrap_or_else(|| LedgerResponse::Counted(self.outlook(step)))
    }

    fn give_back(&mut self, id: &EntryId, step: &mut Step<'_>) -> LedgerResponse {
        let journal = self.journals.get_mut(step.group);
        let taken = journal.and_then(|journal| journal.take(id));
        step.head_changed |= taken.is_some();
        match taken {
            Some(TakenFrom::Row(row)) => step.change.write.push(self.sealed_row(step.group, row)),
            Some(TakenFrom::LastOfRow(row)) => step.change.delete.push(row),
            Some(TakenFrom::Head) | None => {}
        }
        LedgerResponse::Counted(self.outlook(step))
    }

    fn lift(&mut self, step: &mut Step<'_>) -> LedgerResponse {
        step.head_changed |= std::mem::take(&mut self.bans) != Bans::default();
        LedgerResponse::Counted(self.outlook(step))
    }

    fn explain(&self, step: &Step<'_>) -> LedgerResponse {
        let journal = self.journals.get(step.group);
        let counted = journal
            .zip(step.limits.quota)
            .map_or(0, |(journal, quota)| {
                journal.count(quota.window(), step.now)
            });
        let outlook = Outlook {
            few_left: None,
            ..self.outlook(step)
        };
        let failures = step
            .limits
            .ban
            .map_or(0, |rule| self.bans.count(rule.failures.window(), step.now));
        let ban = self.bans.ban.filter(|_| !outlook.banned_for.is_zero());
        LedgerResponse::Explained(Explanation {
            outlook,
            counted: counted as u32,
            failures: failures as u32,
            banned_since: ban.map(|ban| ban.since.object()).unwrap_or_default(),
            sockets: self.slots.taken.len() as u32,
        })
    }

    /// Why an attempt with this id is not admitted, if it is not. A replayed one is counted here.
    fn refusal(&mut self, id: Option<EntryId>, step: &mut Step<'_>) -> Option<LedgerResponse> {
        if let Some(refusal) = self.ban_or_wait(step) {
            return Some(refusal);
        }
        self.has(id?, step).then(|| {
            self.enter(None, step);
            LedgerResponse::Replayed(self.outlook(step))
        })
    }

    fn ban_or_wait(&self, step: &Step<'_>) -> Option<LedgerResponse> {
        self.ban(step).or_else(|| {
            let wait = self.wait(step)?;
            Some(LedgerResponse::Limited { wait })
        })
    }

    fn ban(&self, step: &Step<'_>) -> Option<LedgerResponse> {
        step.limits.ban?;
        let left = self.bans.left(step.now)?;
        Some(LedgerResponse::Banned { left })
    }

    fn outlook(&self, step: &Step<'_>) -> Outlook {
        let banned_for = step.limits.ban.and_then(|_| self.bans.left(step.now));
        Outlook {
            exhausted_for: self.wait(step).unwrap_or_default(),
            banned_for: banned_for.unwrap_or_default(),
            few_left: self.few_left(step),
            lent: 0,
        }
    }

    /// How many more refused attempts may follow until the quota ends or a ban begins, if those are
    /// fewer than may be told together.
    fn few_left(&self, step: &Step<'_>) -> Option<u32> {
        let Step { limits, now, .. } = step;
        let together = limits.told_together();
        let left = |quota: Quota, counted: usize| quota.count().saturating_sub(counted as u32);
        if together == 1 {
            return None;
        }
        let of_quota = limits.quota.map(|quota| {
            let journal = self.journals.get(step.group);
            left(
                quota,
                journal.map_or(0, |journal| journal.count(quota.window(), *now)),
            )
        });
        let of_ban = limits.ban.map(|rule| {
            let counted = self.bans.count(rule.failures.window(), *now);
            left(rule.failures, counted)
        });
        let fewest = of_quota.into_iter().chain(of_ban).min();
        fewest.filter(|left| (1..together).contains(left))
    }

    /// How long until another attempt fits, or `None` if it fits now.
    fn wait(&self, step: &Step<'_>) -> Option<Duration> {
        let now = step.now;
        let by_quota = step
            .limits
            .quota
            .and_then(|quota| self.journals.get(step.group)?.wait(quota, now));
        let journals = || self.journals.values();
        let is_full = || {
            let entries = journals().map(Journal::len);
            entries.sum::<usize>() >= CAPACITY
        };
        by_quota.or_else(|| {
            let oldest = journals().filter_map(|journal| {
                let first = journal.entries.front().map(|entry| entry.at);
                let lent = journal.lent.iter().map(|lent| lent.until);
                let all = lent.chain(first);
                all.filter_map(|at| at.left(journal.horizon, now)).min()
            });
            oldest.min().filter(|_| is_full())
        })
    }

    /// Whether any group admitted this key in the replay window.
    fn has(&self, id: EntryId, step: &Step<'_>) -> bool {
        step.limits.replay_window.is_some_and(|window| {
            let mut journals = self.journals.values();
            journals.any(|journal| journal.has(&id, window, step.now))
        })
    }

    /// Counts a failure, if the limits ask for it.
    fn fail(&mut self, step: &mut Step<'_>) {
        if let Some(rule) = step.limits.ban {
            self.bans.fail(rule, step.now);
            step.head_changed = true;
        }
    }

    /// Remembers an attempt, if the limits ask for it.
    fn enter(&mut self, id: Option<EntryId>, step: &mut Step<'_>) {
        let limits = step.limits;
        if limits.quota.is_none() && (id.is_none() || limits.replay_window.is_none()) {
            return;
        }
        let entry = JournalEntry { at: step.now, id };
        let next_row = self.next_row;
        let journal = self.journals.entry(step.group.to_owned()).or_default();
        journal.horizon = limits.horizon();
        // Keys can't be stored before they are known.
        let may_be_ahead = limits.replay_window.is_none();
        if may_be_ahead && !step.head_changed && journal.push_stored(entry) {
            return;
        }
        let sealed = journal.push(entry, next_row);
        match limits.quota.filter(|_| may_be_ahead) {
            Some(quota) => journal.store_ahead(quota, step.now),
            None => journal.ahead = None,
        }
        if let Some(sealed) = sealed {
            self.next_row += 1;
            let row = self.sealed_row(step.group, sealed.row);
            step.change.write.push(row);
        }
        step.head_changed = true;
    }
}
