//! Questions to identity providers that are under way. They are bounded, so that nobody can make
//! this gate flood a provider.

use std::collections::HashMap;
use std::time::Duration;

use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::token::FETCH_TIMEOUT;
use crate::util::time::Timestamp;

/// The most different questions that one isolate has under way.
const MAX_QUESTIONS: usize = 64;
/// The most different questions that one address waits for.
const MAX_QUESTIONS_OF_ADDRESS: usize = 8;
/// When to try again beyond that.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A question that is older has ended. A request that the runtime cancelled never reports its end.
const MAX_AGE: Duration = FETCH_TIMEOUT.saturating_mul(2);

/// A question to a provider. Callers that ask the same one share its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// A key set, by its URL.
    KeySet(String),
    /// A session, by its digest.
    Session([u8; 32]),
}

/// The callers of each question.
#[derive(Debug, Default)]
pub(super) struct Questions(HashMap<Question, HashMap<AddressKey, Callers>>);

#[derive(Debug, Clone, Copy)]
struct Callers {
    count: u32,
    /// When the last of them asked.
    since: Timestamp,
}

impl Questions {
    /// Notes that a client of this address asks. A question that is under way already can be
    /// joined by others without limit.
    pub fn begin(
        &mut self,
        question: &Question,
        address: AddressKey,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.drop_old(now);
        let is_new = !self.0.contains_key(question);
        if is_new && self.0.len() >= MAX_QUESTIONS {
            let cause = format!("{MAX_QUESTIONS} questions to identity providers are under way");
            return Err(too_many(cause));
        }
        let asks = |callers: &&HashMap<AddressKey, Callers>| callers.contains_key(&address);
        let is_asked = self.0.get(question).is_some_and(|callers| asks(&callers));
        if !is_asked && self.0.values().filter(asks).count() >= MAX_QUESTIONS_OF_ADDRESS {
            return Err(too_many(format!(
                "{MAX_QUESTIONS_OF_ADDRESS} questions to identity providers are under way for this \
                 address"
            )));
        }
        let callers = self.0.entry(question.clone()).or_default();
        let callers = callers.entry(address).or_insert(Callers {
            count: 0,
            since: now,
        });
        callers.count += 1;
        callers.since = now;
        Ok(())
    }

    /// Notes that one of the callers has its answer.
    pub fn end(&mut self, question: &Question, address: AddressKey) {
        let Some(all) = self.0.get_mut(question) else {
            return;
        };
        if let Some(callers) = all.get_mut(&address) {
            callers.count -= 1;
            if callers.count == 0 {
                all.remove(&address);
            }
        }
        if all.is_empty() {
            self.0.remove(question);
        }
    }

    /// A clock that jumped back leaves questions in its future; they are dropped as well.
    fn drop_old(&mut self, now: Timestamp) {
        self.0.retain(|_, all| {
            all.retain(|_, callers| callers.since <= now && now < callers.since + MAX_AGE);
            !all.is_empty()
        });
    }
}

fn too_many(cause: String) -> Rejection {
    let retry_after = RETRY_AFTER;
    Reason::ProviderUnavailable { retry_after }.because(cause)
}
