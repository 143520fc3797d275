//! A JWK Set by URL, as an isolate keeps it. It is fetched when first needed, and refreshed in the
//! background before it expires. A token that names a key it lacks causes one early fetch.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::keys::{Algorithm, Key, KeyRing};
use super::pem;
use crate::util::strict_json;
use crate::util::time::Timestamp;

/// The lifetime of a set whose answer names none.
const DEFAULT_FRESH: Duration = Duration::from_mins(5);
/// Bounds of the lifetime that a provider may set: no fetch per request, no keys kept for days.
const MIN_FRESH: Duration = Duration::from_mins(1);
const MAX_FRESH: Duration = Duration::from_hours(24);
/// A set is refreshed in the background during the last fifth of its lifetime.
const AHEAD: u32 = 5;
/// The pause between two fetches that tokens or failures cause.
const COOLDOWN: Duration = Duration::from_secs(5);
const MAX_KEYS: usize = 128;
/// How long a provider may take to answer.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest key set, in bytes.
pub const MAX_BYTES: u32 = 256 * 1024;

/// A fetched key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub text: String,
    /// `max-age` of `Cache-Control`.
    pub max_age: Option<Duration>,
    /// When the provider sent it, to this isolate or another.
    pub since: Timestamp,
}

/// The result of taking a [`Document`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SetUpdate {
    /// For the log.
    pub remarks: Vec<String>,
    /// For the platform's cache, if the set is sound and newer than the one at hand.
    pub copy: Option<SharedCopy>,
}

/// A sound set for other isolates.
#[derive(Debug, PartialEq, Eq)]
pub struct SharedCopy {
    pub document: Document,
    /// How long to keep it: until it would be refreshed in the background.
    pub keep: Duration,
}

/// Whether a fetch is due before the keys are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    No,
    /// In the background. The keys at hand are still good.
    Background,
    /// Before the keys are used.
    First,
}

/// `JWT_JWKS_URL` with the key set that was last fetched from it.
#[derive(Debug)]
pub struct RemoteKeys {
    pub url: String,
    /// Restricts each key; empty: what the keys are for.
    algorithms: Vec<Algorithm>,
    /// How long an expired key set stays in use when it can't be refreshed.
    stale: Duration,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    set: Option<Set>,
    last_try: Option<Timestamp>,
    /// When a token last caused a fetch. Other fetches don't start this cooldown: keys may rotate
    /// right after them, or their set may come from a cache that the rotation has not reached.
    last_early: Option<Timestamp>,
    /// Whether a fetch is under way. Its request may have been cancelled meanwhile.
    is_pending: bool,
    last_failure: Option<String>,
    /// Whether the last fetch that ended was a failure.
    failed_last: bool,
}

#[derive(Debug)]
struct Set {
    text: String,
    ring: Rc<KeyRing>,
    since: Timestamp,
    fresh: Duration,
}

impl Set {
    /// When the refresh in the background becomes due.
    fn ahead(&self) -> Timestamp {
        self.since + self.fresh.saturating_sub(self.fresh / AHEAD)
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

    /// Whether both always hold the same keys.
    pub fn is_same_source(&self, other: &Self) -> bool {
        (&self.url, &self.algorithms, self.stale) == (&other.url, &other.algorithms, other.stale)
    }

    /// The keys to use at `now`, if there are any.
    pub fn ring(&self, now: Timestamp) -> Option<Rc<KeyRing>> {
        let state = self.state.borrow();
        let set = state.set.as_ref()?;
        (now < set.since + set.fresh + self.stale).then(|| set.ring.clone())
    }

    /// When the provider sent the set at hand. A cached copy must be newer to be of use.
    pub fn since(&self) -> Option<Timestamp> {
        self.state.borrow().set.as_ref().map(|set| set.since)
    }

    /// Whether a key of the set could be for this algorithm. Secrets are never published.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        !algorithm.is_hmac() && (self.algorithms.is_empty() || self.algorithms.contains(&algorithm))
    }

    /// Whether the last fetch failed, so that keys may exist that are not known here.
    pub fn failed_last(&self) -> bool {
        self.state.borrow().failed_last
    }

    /// Why there are no keys, for the log.
    pub fn failure(&self) -> String {
        let state = self.state.borrow();
        let failure = state.last_failure.as_deref().unwrap_or("not fetched yet");
        format!("the key set can't be had: {failure}")
    }

    /// Whether to fetch at `now`. `lacks_key`: a token's key may be missing from the set.
    pub fn need(&self, now: Timestamp, lacks_key: bool) -> Fetch {
        let state = self.state.borrow();
        let is_served = |set: &&Set| now < set.since + set.fresh + self.stale;
        let set = state.set.as_ref().filter(is_served);
        let is_pending = state.is_pending
            && state
                .last_try
                .is_some_and(|last| now < last + FETCH_TIMEOUT);
        if is_pending && (set.is_none() || lacks_key) {
            return Fetch::First; // It joins the fetch under way.
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
            Some(set) if now >= set.ahead() => Fetch::Background,
            Some(_) => Fetch::No,
        }
    }

    /// Notes that a fetch starts, so that no other starts for a while. `lacks_key` as for
    /// [`need`](Self::need).
    pub fn begin(&self, now: Timestamp, lacks_key: bool) {
        let mut state = self.state.borrow_mut();
        (state.last_try, state.is_pending) = (Some(now), true);
        if lacks_key {
            state.last_early = Some(now);
        }
    }

    /// Takes the result of a fetch. A set without a usable key is a failure; other unusable keys
    /// are remarks for the log. A copy that is older than the set at hand changes nothing.
    pub fn take(&self, result: Result<Document, String>, now: Timestamp) -> SetUpdate {
        let mut state = self.state.borrow_mut();
        state.is_pending = false;
        let result = result.and_then(|document| state.renew(document, &self.algorithms, now));
        state.failed_last = result.is_err();
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
        // An unchanged text keeps its ring, with the tokens verified by it.
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
        // Several requests may have waited for one answer. Only the first shares it.
        let copy = (known != Some(since)).then_some(SharedCopy { document, keep });
        Ok(SetUpdate { remarks, copy })
    }
}

/// The usable public keys of a set, and why others are not used.
fn read(text: &str, algorithms: &[Algorithm]) -> Result<(Vec<Key>, Vec<String>), String> {
    let set = strict_json::object(text.as_bytes())
        .map_err(|error| format!("the key set is not a JSON object: {error}"))?;
    let found: Vec<_> = match set.get("keys") {
        Some(Value::Array(jwks)) => {
            let named = jwks.iter().enumerate();
            named
                .map(|(at, jwk)| (at.to_string(), public_key(jwk)))
                .collect()
        }
        None if is_by_name(&set) => {
            let named = set.iter();
            named
                .map(|(id, pem)| (format!("{id:?}"), named_key(id, pem)))
                .collect()
        }
        _ => return Err("the key set has no array keys".into()),
    };
    if found.len() > MAX_KEYS {
        return Err(format!("the key set has more than {MAX_KEYS} keys"));
    }
    let mut keys = Vec::new();
    let mut remarks = Vec::new();
    for (name, key) in found {
        match key.and_then(|key| restricted(key, algorithms)) {
            Ok(key) => keys.push(key),
            Err(problem) => remarks.push(format!("key {name} is not used: {problem}")),
        }
    }
    if keys.is_empty() {
        remarks.insert(0, "the key set has no usable key".into());
        return Err(remarks.join("; "));
    }
    Ok((keys, remarks))
}

/// Whether a set is an object of PEM texts by `kid`, as Firebase publishes its certificates.
fn is_by_name(set: &Map<String, Value>) -> bool {
    let is_pem = |value: &Value| value.as_str().is_some_and(pem::is_pem);
    !set.is_empty() && set.values().all(is_pem)
}

fn named_key(id: &str, pem: &Value) -> Result<Key, String> {
    let mut key = pem::key(pem.as_str().unwrap_or_default())?;
    key.set_id(Some(id));
    Ok(key)
}

fn public_key(jwk: &Value) -> Result<Key, String> {
    let members = jwk.as_object().ok_or("it is not an object")?;
    // Anyone who can read the URL can read a secret in it.
    if members.get("kty").is_some_and(|kty| kty == "oct") {
        return Err("it is a secret, published".into());
    }
    Key::from_jwk(members)
}

fn restricted(mut key: Key, algorithms: &[Algorithm]) -> Result<Key, String> {
    if !algorithms.is_empty() {
        key.restrict(algorithms);
    }
    if key.algorithms().is_empty() {
        return Err("none of its algorithms is in JWT_ALGORITHMS".into());
    }
    Ok(key)
}
