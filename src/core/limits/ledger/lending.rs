//! Attempts that are lent to isolates, which then admit them without a question.
//!
//! What is lent counts from when it is lent until a window after the lease has lapsed, whether it is
//! used or not. An isolate that asks again says how much of its lease it used; the rest is free at
//! once.

use std::time::Duration;

use super::journal::{Journal, JournalEntry, Lent};
use super::{EntryId, Ledger, LedgerResponse};
use crate::limits::quota::{MAX_LENT, Quota};
use crate::limits::two_clocks::TwoClocks;

use super::step::Step;

/// How long a lease lasts for the ledger. An isolate uses it for half of that, so a clock that stands
/// still or a timer that comes late does no harm.
pub const LENT_FOR: Duration = Duration::from_secs(2);

/// The most leases that a journal keeps.
pub(super) const MAX_LEASES: usize = 64;

/// The part of what is free that is lent at once, and the part of the quota that is lent and not
/// accounted for, at most. So much may be missing near the limit, for a window.
const PART_LENT: u32 = 16;

/// The name of a lease: a random number.
pub type LeaseId = u64;

/// What an isolate asks for besides the attempt that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The name of the new lease.
    pub id: LeaseId,
    /// How many attempts it should have. At most [`MAX_LENT`]; zero for no lease.
    pub want: u32,
    /// What was used of the lease before.
    pub account: Option<Account>,
}

/// How much of a lease was used, once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub id: LeaseId,
    pub used: u32,
}

impl Ledger {
    pub(super) fn borrow(
        &mut self,
        id: Option<EntryId>,
        wish: Wish,
        step: &mut Step<'_>,
    ) -> LedgerResponse {
        if let Some(account) = wish.account {
            self.settle(account, step);
        }
        match self.admit(id, step) {
            LedgerResponse::Counted(outlook) => {
                let lent = self.lend(wish, step);
                LedgerResponse::Counted(super::Outlook { lent, ..outlook })
            }
            refusal => refusal,
        }
    }

    /// Counts what was used of a lease as attempts, and frees the rest.
    fn settle(&mut self, Account { id, used }: Account, step: &mut Step<'_>) {
        let Some(journal) = self.journals.get_mut(step.group) else {
            return;
        };
        let Some(lease) = journal.take_lease(id) else {
            return;
        };
        let mut sealed = Vec::new();
        for _ in 0..used.min(lease.count) {
            let row = journal.push_made(lease.until, step.now, self.next_row);
            self.next_row += u64::from(row.is_some());
            sealed.extend(row.map(|sealed| sealed.row));
        }
        // What is stored still counts all of the lease, and at the latest time.
        step.head_changed |= !sealed.is_empty();
        for row in sealed {
            let row = self.sealed_row(step.group, row);
            step.change.write.push(row);
        }
    }

    /// Lends as much as is wished for, out of what is plentifully free.
    fn lend(&mut self, wish: Wish, step: &mut Step<'_>) -> u32 {
        let (Some(quota), Some(journal)) = (
            step.limits.quota.filter(|_| step.limits.lends() > 0),
            self.journals.get_mut(step.group),
        ) else {
            return 0;
        };
        let most = step.limits.lends().min(wish.want);
        let lent = journal.lend(wish.id, most, quota, step.now);
        // What is stored ahead for long enough is handed out without a row.
        if lent > 0 && !journal.hand_out_stored(lent, step.now.after(LENT_FOR)) {
            journal.store_ahead(quota, step.now);
            step.head_changed = true;
        }
        lent
    }
}

impl Journal {
    fn take_lease(&mut self, id: LeaseId) -> Option<Lent> {
        let at = self.lent.iter().position(|lent| lent.id == id)?;
        Some(self.lent.swap_remove(at))
    }

    /// How many attempts are lent and not accounted for.
    pub fn lent_count(&self) -> usize {
        self.lent.iter().map(|lent| lent.count as usize).sum()
    }

    fn lend(&mut self, id: LeaseId, most: u32, quota: Quota, now: TwoClocks) -> u32 {
        let lent = self.lent_count() as u32;
        let free = quota
            .count()
            .saturating_sub(self.entries.len() as u32)
            .saturating_sub(lent);
        let plenty = (quota.count() / PART_LENT).saturating_sub(lent);
        let count = most.min(MAX_LENT).min(free / PART_LENT).min(plenty);
        let is_known = self.lent.iter().any(|lent| lent.id == id);
        if count == 0 || is_known || self.lent.len() >= MAX_LEASES {
            return 0;
        }
        let until = now.after(LENT_FOR);
        self.lent.push(Lent { id, count, until });
        count
    }

    /// Adds an attempt that was made from a lease, at a time that is not known: as late as it can
    /// have been made, and not before the others.
    fn push_made(
        &mut self,
        lapsed: TwoClocks,
        now: TwoClocks,
        next_row: u64,
    ) -> Option<super::journal::Sealed> {
        let mut at = lapsed;
        at.clamp_to(now);
        let last = self.entries.back().map(|entry| entry.at);
        let at = last.map_or(at, |last| last.later(at));
        let sealed = self.push(JournalEntry { at, id: None }, next_row);
        self.fit_ahead();
        sealed
    }
}
