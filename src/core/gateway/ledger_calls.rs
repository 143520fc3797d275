//! How ledgers are asked, by the calls that the settings of a place make of an attempt, and heard.

use super::gate::Gate;
use super::platform::{Background, LedgerCall};
use crate::limits::ledger::{EntryId, LedgerRequest, LedgerResponse, Operation, Slot};
use crate::limits::refusals::Refusals;
use crate::limits::scope::{LimitScope, ledger_of_address, ledger_of_user};
use crate::policy::{Counting, FailurePolicy, OnFull, ScopeLimits};
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::token::Authenticated;
use crate::util::time::{Clock, Timestamp};

impl OnFull {
    /// How an attempt asks for a slot. `counts`: it is counted even if it is refused for want of one.
    pub(super) fn operation(self, id: Option<EntryId>, slot: Slot, counts: bool) -> Operation {
        match self {
            Self::Refuse => Operation::Open {
                id,
                slot,
                counts_if_full: counts,
            },
            Self::CloseOldest => Operation::Claim { id, slot },
        }
    }
}

impl Gate {
    /// Takes in what a ledger's answer says of the attempts to come.
    pub(super) fn hear<P: Clock + Background>(
        &self,
        platform: &P,
        call: &LedgerCall,
        answer: &LedgerResponse,
    ) {
        let now = platform.now();
        self.learn(call, answer, now);
        self.hear_of_lease(call, Some(answer), now);
        if let Some(task) = self.overdue_refusals(call, answer, now) {
            platform.run_in_background(task);
        }
    }
}

impl Counting {
    pub(super) fn call_address(
        &self,
        address: AddressKey,
        operation: Operation,
        now: Timestamp,
    ) -> LedgerCall {
        let ledger = self.object_name(ledger_of_address(address));
        self.call(LimitScope::Address, &self.address, ledger, operation, now)
    }

    /// Tells of refused attempts.
    pub(super) fn count_address(
        &self,
        address: AddressKey,
        Refusals { attempts, failures }: Refusals,
        now: Timestamp,
    ) -> LedgerCall {
        self.call_address(address, Operation::Count { attempts, failures }, now)
    }

    /// Asks to lift the ban that an address's failures brought.
    pub(super) fn lift(&self, address: AddressKey, now: Timestamp) -> LedgerCall {
        self.call_address(address, Operation::Lift, now)
    }

    /// The ledger that counts an authenticated client as a user; `None` where users are not
    /// counted or there is no token. A user that can't be told from others is not let through
    /// uncounted.
    pub(super) fn user_ledger(
        &self,
        authenticated: &Authenticated,
    ) -> Result<Option<String>, Rejection> {
        let identity = authenticated.identity.as_ref();
        let Some(identity) = identity.filter(|_| self.user.needs_a_ledger()) else {
            return Ok(None);
        };
        let ledger = ledger_of_user(identity).map(|ledger| self.object_name(ledger));
        ledger.map(Some).ok_or_else(|| {
            Reason::TokenUnusable.because("the token names no subject, by which users are counted")
        })
    }

    pub(super) fn call(
        &self,
        scope: LimitScope,
        counted: &ScopeLimits,
        ledger: String,
        operation: Operation,
        now: Timestamp,
    ) -> LedgerCall {
        let ScopeLimits { limits, group, .. } = counted;
        LedgerCall {
            scope,
            ledger,
            request: LedgerRequest {
                group: group.clone(),
                limits: *limits,
                operation,
                now,
            },
            timeout: self.timeout,
            ends_when_lost: self.on_failure == FailurePolicy::Reject && !self.is_trial,
        }
    }
}
