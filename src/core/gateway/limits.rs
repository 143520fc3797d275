//! The counters: what is known of them at step 6, what they are asked at step 9, and what they
//! are told behind the answer.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::{Gate, ObjectReply, Passage, Platform};
use crate::checks::handshake::Nonce;
use crate::gateway::dispatch::Place;
use crate::limits::deny_cache::WaitKind;
use crate::limits::ledger::{LedgerRequest, LedgerResponse, Operation, Slot};
use crate::limits::scope::{LimitScope, ledger_of_address, ledger_of_user};
use crate::policy::{Counting, OnLimiterFailure, ScopeLimits};
use crate::record::{Record, Stage};
use crate::request::Request;
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::token::Authenticated;
use crate::util::time::Timestamp;

/// A question to a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCall {
    pub scope: LimitScope,
    /// The name of its ledger.
    pub ledger: String,
    pub request: LedgerRequest,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
    /// Whether a socket ends whose ledger can't be reached for long.
    pub ends_when_lost: bool,
}

/// What the ledgers know of an attempt.
pub(super) struct Reservations<C> {
    /// The address's was asked to admit it.
    has_attempt: bool,
    /// Gives back what the user's admitted.
    give_back: Option<LedgerCall>,
    /// The slots that it holds.
    pub channels: Vec<C>,
}

impl<C> Default for Reservations<C> {
    fn default() -> Self {
        Self {
            has_attempt: false,
            give_back: None,
            channels: Vec::new(),
        }
    }
}

/// Who asks to be admitted.
pub(super) struct Client {
    pub address: AddressKey,
    /// The name of the user's ledger, where users are counted and this is one.
    pub user: Option<String>,
    /// Whether it asks for a socket; else for a ticket, which holds no slot.
    pub opens: bool,
}

impl Gate {
    /// Step 6: refuses an address that is known to be banned or to have used up its quota.
    pub(super) fn check_address(
        &self,
        counting: &Counting,
        address: AddressKey,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let ledger = ledger_of_address(address);
        let known = self.known.borrow();
        if counting.address.limits.ban.is_some() && known.ban(&ledger, now).is_some() {
            return Err(Reason::Banned.because(KNOWN));
        }
        drop(known);
        self.check_quota(LimitScope::Address, &counting.address, &ledger, now)
    }

    /// The same of a user, as soon as it is known who that is. Gives the name of the ledger to
    /// ask, where users are counted; who can't be told from others is not let through uncounted.
    pub(super) fn check_user(
        &self,
        counting: &Counting,
        authenticated: &Authenticated,
        record: &mut Record,
        now: Timestamp,
    ) -> Result<Option<String>, Rejection> {
        let identity = authenticated.identity.as_ref();
        let Some(identity) = identity.filter(|_| counting.user.needs_a_ledger()) else {
            return Ok(None);
        };
        let ledger = ledger_of_user(identity).ok_or_else(|| {
            Reason::TokenUnusable.because("the token names no subject, by which users are counted")
        })?;
        self.check_quota(LimitScope::User, &counting.user, &ledger, now)
            .inspect_err(|_| record.stage = Stage::Known)?;
        Ok(Some(ledger))
    }

    fn check_quota(
        &self,
        scope: LimitScope,
        counted: &ScopeLimits,
        ledger: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let Some(quota) = counted.limits.quota else {
            return Ok(());
        };
        match self.known.borrow().limit(ledger, &counted.group, now) {
            Some(wait) => Err(Reason::RateLimited { scope, quota, wait }.because(KNOWN)),
            None => Ok(()),
        }
    }

    /// Step 9: asks the ledgers of the address and of the user side by side. The address's word
    /// comes first, and a refusal does not wait for the user's.
    pub(super) async fn admit<E: Platform>(
        &self,
        platform: &E,
        counting: &Counting,
        client: Client,
        key: Option<Nonce>,
        record: &mut Record,
        reservations: &mut Reservations<E::Channel>,
    ) -> Result<(), Rejection> {
        let limits = counting.address.limits;
        let key = key.filter(|_| limits.replay_window.is_some());
        let max = counting.address.max_sockets.filter(|_| client.opens);
        let mut calls = Vec::new();
        if limits.quota.is_some() || limits.ban.is_some() || key.is_some() || max.is_some() {
            reservations.has_attempt = true;
            let operation = match max {
                None => Operation::Admit { id: key },
                Some(max) => Operation::Open {
                    id: key,
                    slot: Slot {
                        id: platform.random(),
                        max,
                    },
                    counts_if_full: true,
                },
            };
            calls.push(counting.call_address(client.address, operation, platform.now()));
        }
        if let Some(ledger) = client.user {
            calls.push(counting.admit_user(platform, ledger, reservations));
        }
        self.ask(platform, counting, &calls, record, reservations)
            .await
    }

    /// The same for who is known only after the address's attempt was counted.
    pub(super) async fn admit_user<E: Platform>(
        &self,
        platform: &E,
        counting: &Counting,
        ledger: String,
        record: &mut Record,
        reservations: &mut Reservations<E::Channel>,
    ) -> Result<(), Rejection> {
        let call = counting.admit_user(platform, ledger, reservations);
        self.ask(platform, counting, &[call], record, reservations)
            .await
    }

    /// Asks all at once and judges the answers in their order.
    async fn ask<E: Platform>(
        &self,
        platform: &E,
        counting: &Counting,
        calls: &[LedgerCall],
        record: &mut Record,
        reservations: &mut Reservations<E::Channel>,
    ) -> Result<(), Rejection> {
        let mut answers: FuturesOrdered<_> = calls.iter().map(|call| platform.ask(call)).collect();
        for call in calls {
            let ObjectReply { answer, channel } = answers.next().await.expect("one for each call");
            reservations.channels.extend(channel);
            match answer {
                Ok(answer) => {
                    self.learn(call, &answer, platform.now());
                    let verdict = call.judge(answer);
                    if verdict.is_err() && call.scope == LimitScope::User {
                        reservations.give_back = None;
                    }
                    verdict?;
                }
                Err(failure) => {
                    let failure = format!("{}: {failure}", call.scope);
                    counting.lapse(record, "uncounted", failure)?;
                }
            }
        }
        Ok(())
    }

    /// What to tell the ledgers behind the answer. Every attempt counts, refused ones too, but
    /// nobody waits for that. An address that is known to be banned or to have used up its quota
    /// is refused whether counted or not.
    pub(super) fn after_response<E: Platform>(
        &self,
        request: &Request<'_>,
        place: &Place<'_>,
        reached: Stage,
        reservations: Reservations<E::Channel>,
        result: &Result<Passage<E>, Rejection>,
        now: Timestamp,
    ) -> Vec<LedgerCall> {
        let Some(counting) = self.counting(place) else {
            return Vec::new();
        };
        let refused = result.as_ref().err().map(|rejection| &rejection.reason);
        let came_to_nothing = refused.is_some() && reached != Stage::Forward;
        let mut calls: Vec<_> = reservations
            .give_back
            .filter(|_| came_to_nothing)
            .into_iter()
            .collect();
        let address = request.address.key(counting.ipv6_prefix);
        let limits = counting.address.limits;
        let is_failure = limits.ban.is_some() && refused.is_some_and(Reason::counts_towards_ban);
        let operation = if reservations.has_attempt {
            is_failure.then_some(Operation::Fail)
        } else {
            let is_attempt = || match place {
                Place::Ticket(_) | Place::Refresh(_) => true,
                // Only tries with another token.
                Place::Admin(_) => reached == Stage::Token,
                _ => request.asks_for_websocket(),
            };
            let matters = (limits.quota.is_some() || is_failure)
                && self.check_address(counting, address, now).is_ok()
                && is_attempt();
            matters.then_some(Operation::Count { is_failure })
        };
        calls.extend(operation.map(|operation| counting.call_address(address, operation, now)));
        calls
    }

    /// Remembers what a ledger's answer says of the attempts to come.
    pub fn learn(&self, call: &LedgerCall, answer: &LedgerResponse, now: Timestamp) {
        let (exhausted_for, banned_for) = match *answer {
            LedgerResponse::Counted(outlook)
            | LedgerResponse::Replayed(outlook)
            | LedgerResponse::TooManySockets(outlook) => {
                (Some(outlook.exhausted_for), outlook.banned_for)
            }
            LedgerResponse::Limited { wait } => (Some(wait), Duration::ZERO),
            LedgerResponse::Banned { left } => (None, left),
        };
        let LedgerCall {
            ledger, request, ..
        } = call;
        let mut known = self.known.borrow_mut();
        if let Some(wait) = exhausted_for
            && request.limits.quota.is_some()
        {
            // An admission may be given back, an attempt never is.
            let kind = match call.scope {
                LimitScope::Address => WaitKind::Fixed,
                LimitScope::User | LimitScope::Route => WaitKind::MayEndEarly,
            };
            known.note_limit(ledger, &request.group, wait, kind, now);
        }
        if request.limits.ban.is_some() {
            known.note_ban(ledger, banned_for, now);
        }
    }
}

const KNOWN: &str = "known in this isolate";

impl LedgerCall {
    fn judge(&self, answer: LedgerResponse) -> Result<(), Rejection> {
        let scope = self.scope;
        match (answer, self.request.limits.quota) {
            (LedgerResponse::Counted(_), _) => Ok(()),
            (LedgerResponse::Replayed(_), _) => {
                Err(Reason::ReplayedKey.because("the address used this key before"))
            }
            (LedgerResponse::TooManySockets(_), _) => {
                Err(Reason::TooManySockets { scope }.because(format!("the answer of {scope}")))
            }
            (LedgerResponse::Limited { wait }, Some(quota)) => {
                Err(Reason::RateLimited { scope, quota, wait }
                    .because(format!("the answer of {scope}")))
            }
            // Without a quota only a full ledger limits.
            (LedgerResponse::Limited { wait }, None) => {
                Err(Reason::LimiterUnavailable { retry_after: wait }
                    .because(format!("{scope} is full")))
            }
            (LedgerResponse::Banned { .. }, _) => {
                Err(Reason::Banned.because(format!("the answer of {scope}")))
            }
        }
    }
}

impl Counting {
    fn call_address(
        &self,
        address: AddressKey,
        operation: Operation,
        now: Timestamp,
    ) -> LedgerCall {
        self.call(
            (LimitScope::Address, &self.address),
            ledger_of_address(address),
            operation,
            now,
        )
    }

    /// Asks to lift the ban that an address's failures brought.
    pub(super) fn lift(&self, address: AddressKey, now: Timestamp) -> LedgerCall {
        self.call_address(address, Operation::Lift, now)
    }

    /// Asks to admit a user, which from then on may have to be given back.
    fn admit_user<E: Platform>(
        &self,
        platform: &E,
        ledger: String,
        reservations: &mut Reservations<E::Channel>,
    ) -> LedgerCall {
        let id = platform.random();
        let call = |operation, ledger| {
            self.call(
                (LimitScope::User, &self.user),
                ledger,
                operation,
                platform.now(),
            )
        };
        if self.user.limits.quota.is_some() {
            reservations.give_back = Some(call(Operation::GiveBack { id }, ledger.clone()));
        }
        let operation = match self.user.max_sockets {
            None => Operation::Admit { id: Some(id) },
            Some(max) => Operation::Open {
                id: Some(id),
                slot: Slot { id, max },
                counts_if_full: false,
            },
        };
        call(operation, ledger)
    }

    fn call(
        &self,
        (scope, counted): (LimitScope, &ScopeLimits),
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
            ends_when_lost: self.on_failure == OnLimiterFailure::Reject,
        }
    }

    /// What becomes of an attempt where an object gives no answer: it is refused, or admitted
    /// `without` that, in words.
    pub(super) fn lapse(
        &self,
        record: &mut Record,
        without: &str,
        failure: String,
    ) -> Result<(), Rejection> {
        match self.on_failure {
            OnLimiterFailure::Reject => Err(self.unavailable(failure)),
            OnLimiterFailure::Admit => {
                record.note_lapse(format!("admitted {without}: {failure}"));
                Ok(())
            }
        }
    }

    /// The same of what can't be done without an answer.
    pub(super) fn unavailable(&self, failure: String) -> Rejection {
        let retry_after = self.timeout;
        Reason::LimiterUnavailable { retry_after }.because(failure)
    }
}
