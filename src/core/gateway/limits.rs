//! The counters: what is known of them at step 6, what they are asked at step 9, and what they
//! are told behind the answer.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::{Asked, Edge, Gate, Passage};
use crate::checks::handshake::Key;
use crate::config::{Counted, Counting, OnLimiterFailure};
use crate::limits::ledger::{Answer, Ask, Question, Slot};
use crate::limits::scope::{Party, ledger_of_address, ledger_of_user};
use crate::record::{Record, Stage};
use crate::request::Request;
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::routing::table::Place;
use crate::token::Authenticated;
use crate::util::time::Timestamp;

/// A question to a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCall {
    pub party: Party,
    /// The name of its ledger.
    pub ledger: String,
    pub question: Question,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
    /// Whether a socket ends whose ledger can't be reached for long.
    pub ends_when_lost: bool,
}

/// What the ledgers know of an attempt.
pub(super) struct Told<C> {
    /// The address's was asked to admit it.
    has_attempt: bool,
    /// Gives back what the user's admitted.
    give_back: Option<LedgerCall>,
    /// The slots that it holds.
    pub channels: Vec<C>,
}

impl<C> Default for Told<C> {
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
        if counting.address.terms.ban.is_some() && known.ban(&ledger, now).is_some() {
            return Err(Reason::Banned.because(KNOWN));
        }
        drop(known);
        self.check_quota(Party::Address, &counting.address, &ledger, now)
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
            Reason::TokenInvalid.because("sub is missing, by which users are counted")
        })?;
        self.check_quota(Party::User, &counting.user, &ledger, now)
            .inspect_err(|_| record.stage = Stage::Known)?;
        Ok(Some(ledger))
    }

    fn check_quota(
        &self,
        party: Party,
        counted: &Counted,
        ledger: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let Some(quota) = counted.terms.quota else {
            return Ok(());
        };
        match self.known.borrow().limit(ledger, &counted.group, now) {
            Some(wait) => Err(Reason::RateLimited { party, quota, wait }.because(KNOWN)),
            None => Ok(()),
        }
    }

    /// Step 9: asks the ledgers of the address and of the user side by side. The address's word
    /// comes first, and a refusal does not wait for the user's.
    pub(super) async fn admit<E: Edge>(
        &self,
        edge: &E,
        counting: &Counting,
        client: Client,
        key: Option<Key>,
        record: &mut Record,
        told: &mut Told<E::Channel>,
    ) -> Result<(), Rejection> {
        let terms = counting.address.terms;
        let key = key.filter(|_| terms.replay_window.is_some());
        let most = counting.address.most_sockets.filter(|_| client.opens);
        let mut calls = Vec::new();
        if terms.quota.is_some() || terms.ban.is_some() || key.is_some() || most.is_some() {
            told.has_attempt = true;
            let ask = match most {
                None => Ask::Admit { mark: key },
                Some(most) => Ask::Open {
                    mark: key,
                    slot: Slot {
                        id: edge.random(),
                        most,
                    },
                    counts_refused: true,
                },
            };
            calls.push(counting.call_address(client.address, ask, edge.now()));
        }
        if let Some(ledger) = client.user {
            calls.push(counting.admit_user(edge, ledger, told));
        }
        self.ask(edge, counting, &calls, record, told).await
    }

    /// The same for who is known only after the address's attempt was counted.
    pub(super) async fn admit_user<E: Edge>(
        &self,
        edge: &E,
        counting: &Counting,
        ledger: String,
        record: &mut Record,
        told: &mut Told<E::Channel>,
    ) -> Result<(), Rejection> {
        let call = counting.admit_user(edge, ledger, told);
        self.ask(edge, counting, &[call], record, told).await
    }

    /// Asks all at once and judges the answers in their order.
    async fn ask<E: Edge>(
        &self,
        edge: &E,
        counting: &Counting,
        calls: &[LedgerCall],
        record: &mut Record,
        told: &mut Told<E::Channel>,
    ) -> Result<(), Rejection> {
        let mut answers: FuturesOrdered<_> = calls.iter().map(|call| edge.ask(call)).collect();
        for call in calls {
            let Asked { answer, channel } = answers.next().await.expect("one for each call");
            told.channels.extend(channel);
            match answer {
                Ok(answer) => {
                    self.learn(call, &answer, edge.now());
                    let verdict = call.judge(answer);
                    if verdict.is_err() && call.party == Party::User {
                        told.give_back = None;
                    }
                    verdict?;
                }
                Err(failure) => {
                    let failure = format!("{}: {failure}", call.party);
                    counting.lapse(record, "uncounted", failure)?;
                }
            }
        }
        Ok(())
    }

    /// What to tell the ledgers behind the answer. Every attempt counts, refused ones too, but
    /// nobody waits for that. An address that is known to be banned or to have used up its quota
    /// is refused whether counted or not.
    pub(super) fn behind<E: Edge>(
        &self,
        request: &Request<'_>,
        place: &Place<'_>,
        reached: Stage,
        told: Told<E::Channel>,
        result: &Result<Passage<E>, Rejection>,
        now: Timestamp,
    ) -> Vec<LedgerCall> {
        let Some(counting) = self.counting(place) else {
            return Vec::new();
        };
        let refused = result.as_ref().err().map(|rejection| &rejection.reason);
        let came_to_nothing = refused.is_some() && reached != Stage::Forward;
        let mut calls: Vec<_> = told
            .give_back
            .filter(|_| came_to_nothing)
            .into_iter()
            .collect();
        let address = request.address.key(counting.ipv6_prefix);
        let terms = counting.address.terms;
        let is_failure =
            terms.ban.is_some() && refused.is_some_and(Reason::is_failure_of_the_client);
        let ask = if told.has_attempt {
            // Of a replay the ledger itself knows.
            let is_news = is_failure && refused != Some(&Reason::ReplayedKey);
            is_news.then_some(Ask::Fail)
        } else {
            let is_attempt = || match place {
                Place::Ticket { .. } | Place::Refresh { .. } => true,
                // Only tries with another token.
                Place::Admin(_) => reached == Stage::Token,
                _ => request.asks_for_websocket(),
            };
            let matters = (terms.quota.is_some() || is_failure)
                && self.check_address(counting, address, now).is_ok()
                && is_attempt();
            matters.then_some(Ask::Count { is_failure })
        };
        calls.extend(ask.map(|ask| counting.call_address(address, ask, now)));
        calls
    }

    /// Remembers what a ledger's answer says of the attempts to come.
    pub fn learn(&self, call: &LedgerCall, answer: &Answer, now: Timestamp) {
        let (exhausted_for, banned_for) = match *answer {
            Answer::Counted(outlook)
            | Answer::Replayed(outlook)
            | Answer::TooManySockets(outlook) => (Some(outlook.exhausted_for), outlook.banned_for),
            Answer::Limited { wait } => (Some(wait), Duration::ZERO),
            Answer::Banned { left } => (None, left),
        };
        let LedgerCall {
            ledger, question, ..
        } = call;
        let mut known = self.known.borrow_mut();
        if let Some(wait) = exhausted_for
            && question.terms.quota.is_some()
        {
            // An admission may be given back, an attempt never is.
            let is_final = call.party == Party::Address;
            known.note_limit(ledger, &question.group, wait, is_final, now);
        }
        if question.terms.ban.is_some() {
            known.note_ban(ledger, banned_for, now);
        }
    }
}

const KNOWN: &str = "known in this isolate";

impl LedgerCall {
    fn judge(&self, answer: Answer) -> Result<(), Rejection> {
        let party = self.party;
        match (answer, self.question.terms.quota) {
            (Answer::Counted(_), _) => Ok(()),
            (Answer::Replayed(_), _) => {
                Err(Reason::ReplayedKey.because("the address used this key before"))
            }
            (Answer::TooManySockets(_), _) => {
                Err(Reason::TooManySockets { party }.because(format!("the answer of {party}")))
            }
            (Answer::Limited { wait }, Some(quota)) => {
                Err(Reason::RateLimited { party, quota, wait }
                    .because(format!("the answer of {party}")))
            }
            // Without a quota only a full ledger limits.
            (Answer::Limited { wait }, None) => {
                Err(Reason::LimiterUnavailable { retry_after: wait }
                    .because(format!("{party} is full")))
            }
            (Answer::Banned { .. }, _) => {
                Err(Reason::Banned.because(format!("the answer of {party}")))
            }
        }
    }
}

impl Counting {
    fn call_address(&self, address: AddressKey, ask: Ask, now: Timestamp) -> LedgerCall {
        self.call(
            (Party::Address, &self.address),
            ledger_of_address(address),
            ask,
            now,
        )
    }

    /// Asks to lift the ban that an address's failures brought.
    pub(super) fn lift(&self, address: AddressKey, now: Timestamp) -> LedgerCall {
        self.call_address(address, Ask::Lift, now)
    }

    /// Asks to admit a user, which from then on may have to be given back.
    fn admit_user<E: Edge>(
        &self,
        edge: &E,
        ledger: String,
        told: &mut Told<E::Channel>,
    ) -> LedgerCall {
        let mark = edge.random();
        let call = |ask, ledger| self.call((Party::User, &self.user), ledger, ask, edge.now());
        if self.user.terms.quota.is_some() {
            told.give_back = Some(call(Ask::GiveBack { mark }, ledger.clone()));
        }
        let ask = match self.user.most_sockets {
            None => Ask::Admit { mark: Some(mark) },
            Some(most) => Ask::Open {
                mark: Some(mark),
                slot: Slot { id: mark, most },
                counts_refused: false,
            },
        };
        call(ask, ledger)
    }

    fn call(
        &self,
        (party, counted): (Party, &Counted),
        ledger: String,
        ask: Ask,
        now: Timestamp,
    ) -> LedgerCall {
        let Counted { terms, group, .. } = counted;
        LedgerCall {
            party,
            ledger,
            question: Question {
                group: group.clone(),
                terms: *terms,
                ask,
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
