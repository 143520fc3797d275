//! A JWK Set by URL, as an isolate keeps it: fetched when first needed, refreshed ahead of its
//! expiry behind an answer, and early once when a token names a key it does not have.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::keys::{Algorithm, Key, KeyRing};
use crate::util::strict_json;
use crate::util::time::Timestamp;

/// A set that names no time to live is fetched anew after this.
const DEFAULT_FRESH: Duration = Duration::from_mins(5);
/// Bounds of what a provider may ask for: neither a fetch per request nor keys kept for days.
const MIN_FRESH: Duration = Duration::from_mins(1);
const MAX_FRESH: Duration = Duration::from_hours(24);
/// The last part of its time in which a set is refreshed behind an answer.
const AHEAD: u32 = 5;
/// Between two fetches that a token or a failure asks for.
const COOLDOWN: Duration = Duration::from_secs(5);
const MAX_KEYS: usize = 128;
/// What a provider may take to answer, and how much it may say.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
pub const MAX_BYTES: u32 = 256 * 1024;

/// What a fetch of a key set gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub text: String,
    /// `max-age` of `Cache-Control`.
    pub max_age: Option<Duration>,
    /// When the provider gave it, to whichever isolate.
    pub since: Timestamp,
}

/// What became of a [`Document`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SetUpdate {
    /// For the log.
    pub remarks: Vec<String>,
    /// For the platform's cache, if the set is sound and newer than what was known.
    pub copy: Option<SharedCopy>,
}

/// A sound set for other isolates.
#[derive(Debug, PartialEq, Eq)]
pub struct SharedCopy {
    pub document: Document,
    /// How long to keep it: until it would be refreshed ahead of its expiry.
    pub keep: Duration,
}

/// What to do before the keys are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    No,
    /// Behind the answer; the keys at hand serve.
    Behind,
    /// Before anything else.
    First,
}

/// `JWT_JWKS_URL` and what is known of it.
#[derive(Debug)]
pub struct RemoteKeys {
    pub url: String,
    /// Restricts each key; empty: what the keys are for.
    algorithms: Vec<Algorithm>,
    /// How long the last good set serves after its time while no newer can be had.
    stale: Duration,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    set: Option<Set>,
    last_try: Option<Timestamp>,
    /// The last fetch that a token asked for. No other begins its cooldown: a rotation may follow
    /// at once, and what they give may come from a cache that the rotation has not reached.
    last_early: Option<Timestamp>,
    /// A fetch is under way, unless who began it is gone.
    is_pending: bool,
    last_failure: Option<String>,
}

#[derive(Debug)]
struct Set {
    text: String,
    ring: Rc<KeyRing>,
    since: Timestamp,
    fresh: Duration,
}

impl Set {
    /// When to refresh it behind an answer.
    fn ahead(&self) -> Timestamp {
        self.since + (self.fresh - self.fresh / AHEAD)
    }
}

impl RemoteKeys {
    pub fn new(url: String, algorithms: Vec<Algorithm>, stale: Duration) -> Self {
        Self {
            url,
            algorithms,
            stale,
            state: RefCell::default(),
        }
    }

    /// Whether both would hold the same keys at any time.
    pub fn is_same_source(&self, other: &Self) -> bool {
        (&self.url, &self.algorithms, self.stale) == (&other.url, &other.algorithms, other.stale)
    }

    /// The keys to use at `now`, if there are any.
    pub fn ring(&self, now: Timestamp) -> Option<Rc<KeyRing>> {
        let state = self.state.borrow();
        let set = state.set.as_ref()?;
        (now < set.since + set.fresh + self.stale).then(|| set.ring.clone())
    }

    /// When the provider gave the set at hand. A cached copy is of use only if it is newer.
    pub fn since(&self) -> Option<Timestamp> {
        self.state.borrow().set.as_ref().map(|set| set.since)
    }

    /// Why there are no keys, for the log.
    pub fn failure(&self) -> String {
        let state = self.state.borrow();
        let failure = state.last_failure.as_deref().unwrap_or("not fetched yet");
        format!("the key set can't be had: {failure}")
    }

    /// Whether to fetch at `now`. `lacks_key`: a token may be by a key that the set does not have.
    pub fn need(&self, now: Timestamp, lacks_key: bool) -> Fetch {
        let state = self.state.borrow();
        let is_served = |set: &&Set| now < set.since + set.fresh + self.stale;
        let set = state.set.as_ref().filter(is_served);
        let is_pending = state.is_pending
            && state
                .last_try
                .is_some_and(|last| now < last + FETCH_TIMEOUT);
        if is_pending && (set.is_none() || lacks_key) {
            return Fetch::First; // joins the one under way
        }
        let is_cool = |last: Option<Timestamp>| last.is_none_or(|last| now >= last + COOLDOWN);
        if lacks_key && set.is_some() && is_cool(state.last_early) {
            return Fetch::First;
        }
        if !is_cool(state.last_try) {
            return Fetch::No;
        }
        match set {
            None => Fetch::First,
            Some(set) if now >= set.ahead() => Fetch::Behind,
            Some(_) => Fetch::No,
        }
    }

    /// Notes that a fetch begins, so that no other does for a while; `lacks_key` as for
    /// [`need`](Self::need).
    pub fn begin(&self, now: Timestamp, lacks_key: bool) {
        let mut state = self.state.borrow_mut();
        (state.last_try, state.is_pending) = (Some(now), true);
        if lacks_key {
            state.last_early = Some(now);
        }
    }

    /// Takes the result of a fetch. A set without a usable key is a failure; the keys that are
    /// not usable are told for the log. A copy that is older than the set at hand changes nothing.
    pub fn take(&self, result: Result<Document, String>, now: Timestamp) -> SetUpdate {
        let mut state = self.state.borrow_mut();
        state.is_pending = false;
        let result = result.and_then(|document| state.renew(document, &self.algorithms, now));
        result.unwrap_or_else(|failure| {
            state.last_failure = Some(failure.clone());
            SetUpdate {
                remarks: vec![failure],
                copy: None,
            }
        })
    }
}

impl State {
    fn renew(
        &mut self,
        document: Document,
        algorithms: &[Algorithm],
        now: Timestamp,
    ) -> Result<SetUpdate, String> {
        let since = document.since.min(now);
        let known = self.set.as_ref().map(|set| set.since);
        if known.is_some_and(|known| since < known) {
            return Ok(SetUpdate::default());
        }
        let fresh = document.max_age.unwrap_or(DEFAULT_FRESH);
        let fresh = fresh.clamp(MIN_FRESH, MAX_FRESH);
        // The same text is the same ring, with the signatures it remembers.
        let (ring, remarks) = match &self.set {
            Some(set) if set.text == document.text => (set.ring.clone(), Vec::new()),
            _ => {
                let (keys, remarks) = read(&document.text, algorithms)?;
                (Rc::new(KeyRing::new(keys)), remarks)
            }
        };
        let set = Set {
            text: document.text.clone(),
            ring,
            since,
            fresh,
        };
        let keep = set.ahead().since(now);
        self.set = Some(set);
        // Of all who waited for one answer the first shares it.
        let copy = (known != Some(since)).then_some(SharedCopy { document, keep });
        Ok(SetUpdate { remarks, copy })
    }
}

/// The usable public keys of a set, and why others are not.
fn read(text: &str, algorithms: &[Algorithm]) -> Result<(Vec<Key>, Vec<String>), String> {
    let set = strict_json::object(text.as_bytes())
        .map_err(|error| format!("the key set is no JSON object: {error}"))?;
    let Some(Value::Array(jwks)) = set.get("keys") else {
        return Err("the key set has no array keys".into());
    };
    if jwks.len() > MAX_KEYS {
        return Err(format!("the key set has more than {MAX_KEYS} keys"));
    }
    let mut keys = Vec::new();
    let mut remarks = Vec::new();
    for (at, jwk) in jwks.iter().enumerate() {
        match read_key(jwk, algorithms) {
            Ok(key) => keys.push(key),
            Err(problem) => remarks.push(format!("key {at} is not used: {problem}")),
        }
    }
    if keys.is_empty() {
        remarks.insert(0, "the key set has no usable key".into());
        return Err(remarks.join("; "));
    }
    Ok((keys, remarks))
}

fn read_key(jwk: &Value, algorithms: &[Algorithm]) -> Result<Key, String> {
    let members = jwk.as_object().ok_or("it is not an object")?;
    // Whoever can read a URL can read a secret in it.
    if members.get("kty").is_some_and(|kty| kty == "oct") {
        return Err("it is a secret, published".into());
    }
    let mut key = Key::from_jwk(members)?;
    if !algorithms.is_empty() {
        key.restrict(algorithms);
    }
    if key.algorithms().is_empty() {
        return Err("none of its algorithms is in JWT_ALGORITHMS".into());
    }
    Ok(key)
}
