//! How attempts draw on what ledgers lent to this isolate.

use super::gate::Gate;
use super::limits::Counters;
use super::platform::{BackgroundTask, LedgerCall, Platform};
use crate::limits::leases::USED_FOR;
use crate::limits::ledger::{LeaseId, LedgerResponse, Operation};
use crate::util::time::Timestamp;

/// An attempt that was taken from a lease.
#[derive(Debug)]
pub(super) struct Drawn {
    lease: String,
    id: LeaseId,
}

/// The admission of a user, and how it is given back.
pub(super) enum UserReservation {
    Asked(LedgerCall),
    Drawn(Drawn),
}

/// How an attempt is admitted.
pub(super) enum DrawOrAsk {
    /// From what was lent.
    Drawn(Drawn),
    Ask(LedgerCall),
}

impl Gate {
    /// Takes an attempt from what its ledger lent, if it lent any.
    pub(super) fn draw(&self, call: &LedgerCall, now: Timestamp) -> Option<Drawn> {
        if call.request.limits.lends() == 0 {
            return None;
        }
        let lease = lease_of(call);
        let id = self.leases.borrow_mut().take(&lease, now)?;
        Some(Drawn { lease, id })
    }

    /// Gives back what was drawn and not used.
    pub(super) fn give_back_drawn(&self, Drawn { lease, id }: Drawn) {
        self.leases.borrow_mut().give_back(&lease, id);
    }

    /// Ends a lease whose time is over, by its timer.
    pub(super) fn end_lease(&self, lease: &str, id: LeaseId) {
        self.leases.borrow_mut().lapse(lease, id);
    }

    /// Takes in what the answer to a question says of leases; `None` if there was none.
    pub(super) fn hear_of_lease(
        &self,
        call: &LedgerCall,
        answer: Option<&LedgerResponse>,
        now: Timestamp,
    ) {
        if call.request.limits.lends() == 0 {
            return;
        }
        let mut leases = self.leases.borrow_mut();
        let lease = lease_of(call);
        let lent = match answer {
            Some(LedgerResponse::Counted(outlook)) => outlook.lent,
            _ => 0,
        };
        match (call.request.operation, answer) {
            (Operation::Borrow { wish, .. }, None) => leases.lapse(&lease, wish.id),
            (Operation::Borrow { wish, .. }, Some(_)) => leases.lend(&lease, wish.id, lent, now),
            _ => {}
        }
        if answer.is_some_and(ends_leases) {
            leases.end(&lease);
        }
    }
}

/// Whether nobody is admitted after this answer.
fn ends_leases(answer: &LedgerResponse) -> bool {
    match answer {
        LedgerResponse::Limited { .. } | LedgerResponse::Banned { .. } => true,
        LedgerResponse::Counted(outlook)
        | LedgerResponse::Replayed(outlook)
        | LedgerResponse::TooManySockets(outlook)
        | LedgerResponse::Full(outlook) => {
            !outlook.exhausted_for.is_zero() || !outlook.banned_for.is_zero()
        }
        LedgerResponse::Explained(_) => false,
    }
}

fn lease_of(call: &LedgerCall) -> String {
    format!("{}\n{}", call.ledger, call.request.group)
}

impl<P: Platform> Counters<'_, P> {
    /// The question to the ledger of an address, which is never given back; `None` if the attempt was
    /// lent.
    pub fn address_call_unless_lent(&self, call: LedgerCall) -> Option<LedgerCall> {
        match self.draw_or_ask(call) {
            DrawOrAsk::Drawn(_) => None,
            DrawOrAsk::Ask(call) => Some(call),
        }
    }

    /// Admits an attempt from what its ledger lent, or has the question ask for a lease.
    pub fn draw_or_ask(&self, mut call: LedgerCall) -> DrawOrAsk {
        let Self { gate, platform, .. } = self;
        let most = call.request.limits.lends();
        let Operation::Admit { id } = call.request.operation else {
            return DrawOrAsk::Ask(call);
        };
        if most == 0 {
            return DrawOrAsk::Ask(call);
        }
        let now = call.request.now;
        if let Some(drawn) = gate.draw(&call, now) {
            return DrawOrAsk::Drawn(drawn);
        }
        let lease = lease_of(&call);
        let name = u64::from_be_bytes(platform.random());
        let wish = gate.leases.borrow_mut().ask(&lease, name, most, now);
        if wish.want > 0 {
            platform.run_in_background(BackgroundTask::EndLease {
                after: USED_FOR,
                lease,
                id: wish.id,
            });
        }
        if wish.want > 0 || wish.account.is_some() {
            call.request.operation = Operation::Borrow { id, wish };
        }
        DrawOrAsk::Ask(call)
    }
}
