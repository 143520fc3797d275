//! The ledgers of addresses and users: what is known of them at step 6, what they are asked at
//! step 9, and what their answers mean.

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::maybe_done;

use super::gate::Gate;
use super::leases::{DrawOrAsk, UserReservation};
use super::platform::{LedgerCall, ObjectReply, Platform};
use crate::checks::handshake::Nonce;
use crate::limits::deny_cache::WaitKind;
use crate::limits::ledger::{LedgerRequest, LedgerResponse, Operation, Slot};
use crate::limits::quota::{Limits, Quota};
use crate::limits::scope::{LimitScope, ledger_of_address};
use crate::policy::{Counting, FailurePolicy, ScopeLimits};
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::util::time::Timestamp;

/// What went wrong on the way to an admission, for the log.
pub(super) type Lapses = Vec<String>;

/// The counters under the settings of one place, as an attempt asks them.
pub(super) struct Counters<'a, P> {
    pub gate: &'a Gate,
    pub platform: &'a P,
    pub counting: &'a Counting,
}

/// What the ledgers hold for an attempt.
pub(super) struct LedgerReservations<C> {
    pub user: Option<UserReservation>,
    /// The channels of its slots and of its registration.
    pub channels: Vec<C>,
    /// What the ledgers without a free slot are to be asked once all other checks have passed: to
    /// replace their oldest sockets.
    pub full: Vec<LedgerCall>,
}

impl<C> Default for LedgerReservations<C> {
    fn default() -> Self {
        Self {
            user: None,
            channels: Vec::new(),
            full: Vec::new(),
        }
    }
}

/// What the ledger of an address is asked to admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// A socket, by the key of its handshake.
    Socket { key: Nonce },
    /// A plain request, or one to an endpoint, which has no key and takes no slot.
    Request,
}

impl Gate {
    /// Step 6: refuses an address that is known to be banned or to have used up its quota.
    pub(super) fn check_address(
        &self,
        counting: &Counting,
        address: AddressKey,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let ledger = counting.object_name(ledger_of_address(address));
        let known = self.known.borrow();
        if counting.address.limits.ban.is_some()
            && let Some(left) = known.ban(&ledger, now)
        {
            return Err(banned(KNOWN, now + left));
        }
        drop(known);
        self.check_quota(LimitScope::Address, &counting.address, &ledger, now)
    }

    /// Step 6 for a user, as soon as the user is known: refuses one that is known to have used up
    /// its quota.
    pub(super) fn check_user(
        &self,
        counting: &Counting,
        ledger: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.check_quota(LimitScope::User, &counting.user, ledger, now)
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
            Some(wait) => Err(limited(scope, quota, wait, now, KNOWN)),
            None => Ok(()),
        }
    }

    /// Remembers what a ledger's answer says of the attempts to come.
    pub fn learn(&self, call: &LedgerCall, answer: &LedgerResponse, now: Timestamp) {
        let (exhausted_for, banned_for) = match *answer {
            LedgerResponse::Counted(outlook)
            | LedgerResponse::Replayed(outlook)
            | LedgerResponse::TooManySockets(outlook)
            | LedgerResponse::Full(outlook) => (Some(outlook.exhausted_for), outlook.banned_for),
            LedgerResponse::Limited { wait } => (Some(wait), Duration::ZERO),
            LedgerResponse::Banned { left } => (None, left),
            LedgerResponse::Explained(known) => {
                (Some(known.outlook.exhausted_for), known.outlook.banned_for)
            }
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

impl<P: Platform> Counters<'_, P> {
    /// The question to the ledger of an address; `None` if nothing is counted by address.
    pub fn address_call(&self, address: AddressKey, admission: Admission) -> Option<LedgerCall> {
        let Self {
            platform, counting, ..
        } = self;
        let limits = counting.address.limits;
        let (key, max) = match admission {
            Admission::Socket { key } => (Some(key), counting.address.max_sockets),
            Admission::Request => (None, None),
        };
        let key = key.filter(|_| limits.replay_window.is_some());
        let is_asked =
            limits.quota.is_some() || limits.ban.is_some() || key.is_some() || max.is_some();
        is_asked.then(|| {
            let operation = match max {
                None => Operation::Admit { id: key },
                Some(max) => {
                    let slot = Slot {
                        id: platform.random(),
                        max,
                    };
                    counting.on_full.operation(key, slot, true)
                }
            };
            counting.call_address(address, operation, platform.now())
        })
    }

    /// The question to the ledger of a user, whose admission is given back unless the attempt is
    /// committed; `None` if it was lent.
    pub fn user_call(
        &self,
        ledger: String,
        admission: Admission,
        held: &mut LedgerReservations<P::Channel>,
    ) -> Option<LedgerCall> {
        let counted = &self.counting.user;
        let id = self.platform.random();
        let call = |operation, ledger| {
            let now = self.platform.now();
            self.counting
                .call(LimitScope::User, counted, ledger, operation, now)
        };
        let give_back = counted
            .limits
            .quota
            .map(|_| call(Operation::GiveBack { id }, ledger.clone()));
        let operation = match (counted.max_sockets, admission) {
            (None, _) | (_, Admission::Request) => Operation::Admit { id: Some(id) },
            (Some(max), Admission::Socket { .. }) => {
                let slot = Slot { id, max };
                self.counting.on_full.operation(Some(id), slot, false)
            }
        };
        match self.draw_or_ask(call(operation, ledger)) {
            DrawOrAsk::Drawn(drawn) => {
                held.user = Some(UserReservation::Drawn(drawn));
                None
            }
            DrawOrAsk::Ask(call) => {
                held.user = give_back.map(UserReservation::Asked);
                Some(call)
            }
        }
    }

    /// Asks all ledgers at once and judges the answers in their order. A refusal does not wait for
    /// the answers after it.
    pub async fn ask(
        &self,
        calls: &[LedgerCall],
        held: &mut LedgerReservations<P::Channel>,
    ) -> Result<Lapses, Rejection> {
        let mut lapses = Lapses::default();
        let questions = calls.iter().map(|call| self.platform.ask_ledger(call));
        let mut questions: Vec<_> = questions.map(|one| Box::pin(maybe_done(one))).collect();
        for (at, call) in calls.iter().enumerate() {
            let ObjectReply { answer, channel } = poll_fn(|task| {
                for question in &mut questions[at..] {
                    // Those behind the awaited one go on meanwhile, and keep their answers.
                    let _ = question.as_mut().poll(task);
                }
                questions[at]
                    .as_mut()
                    .take_output()
                    .map_or(Poll::Pending, Poll::Ready)
            })
            .await;
            held.channels.extend(channel);
            match answer {
                Ok(answer) => {
                    self.gate.hear(self.platform, call, &answer);
                    let verdict = call.judge(answer);
                    // One that replaces another was counted before.
                    let is_first = !matches!(call.request.operation, Operation::Replace { .. });
                    if verdict.is_err() && call.scope == LimitScope::User && is_first {
                        held.user = None;
                    }
                    verdict?;
                    held.full.extend(call.replacing(answer));
                }
                Err(failure) => {
                    let now = self.platform.now();
                    self.gate.hear_of_lease(call, None, now);
                    let failure = format!("{}: {failure}", call.scope);
                    lapses.extend(self.lapse(failure)?);
                }
            }
        }
        Ok(lapses)
    }

    /// Asks the ledgers without a free slot to replace their oldest sockets: the user's first, whose
    /// oldest socket may hold a slot of the address as well.
    pub async fn replace_oldest(
        &self,
        held: &mut LedgerReservations<P::Channel>,
    ) -> Result<Lapses, Rejection> {
        let mut lapses = Lapses::default();
        while let Some(mut call) = held.full.pop() {
            call.request.now = self.platform.now();
            lapses.extend(self.ask(&[call], held).await?);
        }
        Ok(lapses)
    }

    /// Decides about an attempt that a counter does not answer for: it is refused, or admitted
    /// uncounted.
    pub fn lapse(&self, failure: String) -> Result<Lapses, Rejection> {
        self.by_policy(self.counting.on_failure, "uncounted", failure)
    }

    /// Decides about an attempt where revocations, bans or used tokens can't be looked up: it is
    /// refused, or admitted `without` that.
    pub fn registry_lapse(&self, without: &str, failure: String) -> Result<Lapses, Rejection> {
        self.by_policy(self.counting.on_registry_failure, without, failure)
            .map_err(|rejection| rejection.by("ON_REGISTRY_FAILURE"))
    }

    fn by_policy(
        &self,
        policy: FailurePolicy,
        without: &str,
        failure: String,
    ) -> Result<Lapses, Rejection> {
        match policy {
            FailurePolicy::Reject => Err(self.unavailable(failure)),
            FailurePolicy::Admit => Ok(vec![format!("admitted {without}: {failure}")]),
        }
    }

    /// The refusal where nothing can be done without an answer.
    pub fn unavailable(&self, failure: String) -> Rejection {
        let retry_after = self.counting.timeout;
        Reason::LimiterUnavailable { retry_after }.because(failure)
    }
}

pub(super) const KNOWN: &str = "known in this isolate";

/// The refusal where a quota is used up.
pub(super) fn limited(
    scope: LimitScope,
    quota: Quota,
    wait: Duration,
    now: Timestamp,
    cause: impl Into<Cow<'static, str>>,
) -> Rejection {
    let rejection = Reason::RateLimited { scope, quota, wait }.because(cause);
    rejection.with(|evidence| {
        evidence.detail = Some(quota.to_string());
        evidence.party = Some(scope.name().into());
        evidence.until = Some(now + wait);
    })
}

fn banned(cause: impl Into<Cow<'static, str>>, until: Timestamp) -> Rejection {
    Reason::Banned.because(cause).with(|evidence| {
        evidence.party = Some(LimitScope::Address.name().into());
        evidence.until = Some(until);
    })
}

fn answer_of(scope: LimitScope) -> String {
    format!("the answer of {scope}")
}

impl LedgerCall {
    fn judge(&self, answer: LedgerResponse) -> Result<(), Rejection> {
        let scope = self.scope;
        match (answer, self.request.limits.quota) {
            (
                LedgerResponse::Counted(_) | LedgerResponse::Full(_) | LedgerResponse::Explained(_),
                _,
            ) => Ok(()),
            (LedgerResponse::Replayed(_), _) => {
                Err(Reason::ReplayedKey.because("the address used this key before"))
            }
            (LedgerResponse::TooManySockets(_), _) => {
                let max = self
                    .request
                    .operation
                    .slot()
                    .map(|slot| slot.max.to_string());
                let cause = match self.request.operation {
                    Operation::Replace { .. } => {
                        format!("the answer of {scope}: its oldest socket did not close in time")
                    }
                    _ => answer_of(scope),
                };
                Err(Reason::TooManySockets { scope }
                    .because(cause)
                    .with(|evidence| {
                        evidence.detail = max;
                        evidence.party = Some(scope.name().into());
                    }))
            }
            (LedgerResponse::Limited { wait }, Some(quota)) => Err(limited(
                scope,
                quota,
                wait,
                self.request.now,
                answer_of(scope),
            )),
            // Without a quota only a full ledger limits.
            (LedgerResponse::Limited { wait }, None) => {
                Err(Reason::LimiterUnavailable { retry_after: wait }
                    .because(format!("{scope} is full")))
            }
            (LedgerResponse::Banned { left }, _) => {
                Err(banned(answer_of(scope), self.request.now + left))
            }
        }
    }
}

impl LedgerCall {
    /// The question that follows the answer to this one, where a socket may replace another.
    fn replacing(&self, answer: LedgerResponse) -> Option<Self> {
        let (LedgerResponse::Full(_), Operation::Claim { slot, .. }) =
            (answer, self.request.operation)
        else {
            return None;
        };
        // Half of the time is for the way there and back.
        let patience = self.timeout / 2;
        Some(Self {
            request: LedgerRequest {
                group: String::new(),
                limits: Limits::default(),
                operation: Operation::Replace { slot, patience },
                now: self.request.now,
            },
            ..self.clone()
        })
    }
}
