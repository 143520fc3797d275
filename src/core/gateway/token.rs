//! The runtime as token verification sees it. An identity provider is asked only for attempts that
//! are counted first, and only within bounds.

use std::cell::RefCell;
use std::rc::Rc;

use super::limits::{Admission, Counters, LedgerReservations};
use super::platform::{BackgroundTask, Platform};
use super::questions::Question;
use crate::request::address::AddressKey;
use crate::response::reason::Rejection;
use crate::token::{
    Algorithm, BackgroundKeys, Cryptography, IntrospectionRequest, ProviderAnswer, Providers,
    RemoteKeys, RuntimeKey,
};
use crate::util::time::{Clock, Timestamp};

/// A platform that asks the ledger of the client's address before it asks a provider.
pub(super) struct TokenRuntime<'a, P: Platform> {
    counters: Counters<'a, P>,
    address: AddressKey,
    admission: Admission,
    rule: CountRule,
    progress: RefCell<Progress<P::Channel>>,
}

/// Whether an attempt is counted before a provider is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountRule {
    Enforced,
    /// It is counted, and its provider is asked even if it would be refused.
    Reported,
    /// It is not counted.
    Waived,
}

/// What was done on the way to a provider.
pub(super) struct Progress<C> {
    /// Whether the ledger of the address was asked to admit the attempt.
    pub is_counted: bool,
    pub held: LedgerReservations<C>,
    pub lapses: Vec<String>,
    /// The refusal that was only reported.
    pub reported: Option<Rejection>,
    pub obstacle: Obstacle,
}

/// Why a provider was not asked.
pub(super) enum Obstacle {
    None,
    /// The address may not make this attempt at all.
    Refused(Rejection),
    /// Too many questions are under way. Known keys or sessions may still decide.
    TooManyQuestions(Rejection),
}

impl<'a, P: Platform> TokenRuntime<'a, P> {
    pub fn new(
        counters: Counters<'a, P>,
        address: AddressKey,
        admission: Admission,
        rule: CountRule,
    ) -> Self {
        Self {
            counters,
            address,
            admission,
            rule,
            progress: RefCell::new(Progress {
                is_counted: false,
                held: LedgerReservations::default(),
                lapses: Vec::new(),
                reported: None,
                obstacle: Obstacle::None,
            }),
        }
    }

    pub fn into_progress(self) -> Progress<P::Channel> {
        self.progress.into_inner()
    }

    /// Asks a provider by `ask`, if the attempt may do so; `None` if it may not.
    async fn ask<T>(&self, question: Question, ask: impl Future<Output = T>) -> Option<T> {
        if !self.count().await {
            return None;
        }
        let gate = self.counters.gate;
        let begun = {
            let mut questions = gate.questions.borrow_mut();
            questions.begin(&question, self.address, self.now())
        };
        if let Err(rejection) = begun {
            self.progress.borrow_mut().obstacle = Obstacle::TooManyQuestions(rejection);
            return None;
        }
        let answer = ask.await;
        gate.questions.borrow_mut().end(&question, self.address);
        Some(answer)
    }

    /// Counts the attempt, once. Returns whether it may go on.
    async fn count(&self) -> bool {
        if self.rule == CountRule::Waived {
            return true;
        }
        if self.progress.borrow().is_counted {
            return !matches!(self.progress.borrow().obstacle, Obstacle::Refused(_));
        }
        let Some(call) = self.counters.address_call(self.address, self.admission) else {
            return true;
        };
        self.progress.borrow_mut().is_counted = true;
        let Some(call) = self.counters.address_call_unless_lent(call) else {
            return true;
        };
        let mut held = LedgerReservations::default();
        let asked = self.counters.ask(&[call], &mut held).await;
        let mut progress = self.progress.borrow_mut();
        progress.held = held;
        match asked {
            Ok(lapses) => {
                progress.lapses = lapses;
                true
            }
            Err(rejection) if self.rule == CountRule::Reported => {
                progress.reported = Some(rejection);
                true
            }
            Err(rejection) => {
                progress.obstacle = Obstacle::Refused(rejection);
                false
            }
        }
    }
}

impl<P: Platform> Clock for TokenRuntime<'_, P> {
    fn now(&self) -> Timestamp {
        self.counters.platform.now()
    }
}

impl<P: Platform> Cryptography for TokenRuntime<'_, P> {
    async fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> Result<bool, String> {
        let platform = self.counters.platform;
        platform.verify(key, algorithm, signature, signed).await
    }
}

impl<P: Platform> Providers for TokenRuntime<'_, P> {
    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        let fetch = self.counters.platform.fetch_keys(keys, from_provider);
        self.ask(Question::KeySet(keys.url.clone()), fetch).await;
    }

    async fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> Result<ProviderAnswer, String> {
        let introspection = self.counters.platform.introspect(question);
        let answer = self.ask(Question::Session(question.digest), introspection);
        answer.await.unwrap_or(Err("it was not asked".into()))
    }
}

impl<P: Platform> BackgroundKeys for TokenRuntime<'_, P> {
    /// Needs no count: when it is due depends on the age of the set alone.
    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>) {
        let task = BackgroundTask::FetchKeys(keys.clone());
        self.counters.platform.run_in_background(task);
    }
}
