//! The ledger of one address: which attempts it made and which keys it used, as a pure step from
//! state, question and time to an answer. The Durable Object around it only loads, steps and
//! stores.
//!
//! One list of attempts answers both questions exactly: how many were admitted in the last
//! window, and whether a key was among those of the replay window.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::handshake::Key;
use crate::time::{Timestamp, millis};

/// Attempts remembered for one address at most (24 bytes each). One object answers some thousand
/// calls a second, so that only a replay window of several minutes could ask for more; what
/// would exceed it waits until the oldest leaves.
const CAPACITY: usize = 1 << 18;

/// Attempts stored in one row: the last row is written anew with each attempt, the others rest.
const ROW: u64 = 512;

/// So many admissions in any half-open interval of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    window: Duration,
}

impl Quota {
    /// `None` if either is zero.
    pub fn new(count: u32, window: Duration) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        (millis(window) > 0).then_some(Self { count, window })
    }

    pub fn count(self) -> u32 {
        self.count.get()
    }

    pub fn window(self) -> Duration {
        self.window
    }
}

/// What is remembered per address: `RATE_LIMIT_IP` and `KEY_REPLAY_WINDOW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub quota: Option<Quota>,
    pub replay_window: Option<Duration>,
}

impl Terms {
    /// How long an attempt matters.
    pub fn horizon(self) -> Duration {
        let window = self.quota.map(Quota::window).unwrap_or_default();
        window.max(self.replay_window.unwrap_or_default())
    }

    /// Whether there is anything to ask a ledger for.
    pub fn need_a_ledger(self) -> bool {
        self.quota.is_some() || self.replay_window.is_some()
    }
}

/// One attempt of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub terms: Terms,
    /// The key to admit; `None` for an attempt that is refused already and only counts.
    pub key: Option<Key>,
}

/// What the ledger says of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Admitted, or counted. `exhausted_for`: zero, or how long no further attempt will be.
    Counted { exhausted_for: Duration },
    /// Refused and not counted; the next attempt after `wait` will be admitted.
    Limited { wait: Duration },
    /// The key was admitted before. The attempt counts.
    Replayed { exhausted_for: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: Timestamp,
    key: Option<Key>,
}

/// A row to store in place of the one with the same `number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub number: u64,
    pub data: Vec<u8>,
}

/// What a step changed in the stored rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    pub write: Option<Row>,
    /// Rows with lower numbers hold nothing that matters any more.
    pub delete_before: Option<u64>,
}

/// The attempts of one address within their horizon, oldest first.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: VecDeque<Entry>,
    /// The ordinal of the first entry: entry `n` of an address is stored in row `n / ROW`.
    first: u64,
    admitted_keys: HashMap<Key, Timestamp>,
}

impl Ledger {
    /// Rebuilds the ledger from its rows in order of their numbers. A row that is none of ours
    /// is an error: forgetting it would admit too many.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<Self, CorruptRow> {
        let mut ledger = Self::default();
        for row in rows {
            ledger.load_row(&row).ok_or(CorruptRow(row.number))?;
        }
        ledger.settle_order();
        Ok(ledger)
    }

    fn load_row(&mut self, row: &Row) -> Option<()> {
        let (first, entries) = row.data.split_first_chunk::<8>()?;
        let first = u64::from_be_bytes(*first);
        if self.entries.is_empty() {
            self.first = first;
        }
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        let fits = first % ROW + entries.len() as u64 <= ROW;
        if first / ROW != row.number || first != self.next_ordinal() || !fits {
            return None;
        }
        for bytes in entries {
            self.push(decode(bytes));
        }
        rest.is_empty().then_some(())
    }

    /// Answers one attempt made at `now` and says what to store for it.
    pub fn step(&mut self, attempt: &Attempt, now: Timestamp) -> (Answer, Change) {
        let terms = attempt.terms;
        self.settle_clock(now);
        let delete_before = self.forget_before(now - terms.horizon());
        let mut change = Change {
            write: None,
            delete_before,
        };
        if let Some(wait) = self.wait(terms, now) {
            return (Answer::Limited { wait }, change);
        }
        let replayed = attempt
            .key
            .is_some_and(|key| self.was_admitted(&key, terms, now));
        self.push(Entry {
            at: now,
            key: attempt
                .key
                .filter(|_| !replayed && terms.replay_window.is_some()),
        });
        change.write = Some(self.last_row());
        let exhausted_for = self.wait(terms, now).unwrap_or_default();
        let answer = if replayed {
            Answer::Replayed { exhausted_for }
        } else {
            Answer::Counted { exhausted_for }
        };
        (answer, change)
    }

    /// When nothing in here matters any more under these terms, unless more is added.
    pub fn idle_from(&self, horizon: Duration) -> Option<Timestamp> {
        self.entries.back().map(|entry| entry.at + horizon)
    }

    /// A clock that jumped back leaves entries in the future: they become as old as now, which
    /// admits nothing too early and locks nobody out for longer than a window.
    fn settle_clock(&mut self, now: Timestamp) {
        for entry in self.entries.iter_mut().rev() {
            if entry.at <= now {
                break;
            }
            entry.at = now;
            if let Some(key) = entry.key {
                self.admitted_keys.insert(key, now);
            }
        }
    }

    /// A clock's jump back was stored only in the rows written since: no entry is later than the
    /// one after it.
    fn settle_order(&mut self) {
        let mut latest = Timestamp(u64::MAX);
        for entry in self.entries.iter_mut().rev() {
            latest = latest.min(entry.at);
            entry.at = latest;
        }
        for entry in &self.entries {
            if let Some(key) = entry.key {
                self.admitted_keys.insert(key, entry.at);
            }
        }
    }

    fn forget_before(&mut self, limit: Timestamp) -> Option<u64> {
        let row_before = self.first / ROW;
        while let Some(entry) = self.entries.front().filter(|entry| entry.at <= limit) {
            if let Some(key) = entry.key
                && self.admitted_keys.get(&key) == Some(&entry.at)
            {
                self.admitted_keys.remove(&key);
            }
            self.entries.pop_front();
            self.first += 1;
        }
        let row = self.first / ROW;
        (row > row_before).then_some(row)
    }

    /// How long until another attempt fits, or `None` if it fits now.
    fn wait(&self, terms: Terms, now: Timestamp) -> Option<Duration> {
        let leaves_after = |count: usize, window: Duration| {
            let oldest = self.entries.len().checked_sub(count)?;
            let wait = (self.entries[oldest].at + window).since(now);
            (!wait.is_zero()).then_some(wait)
        };
        let by_quota = terms
            .quota
            .and_then(|quota| leaves_after(quota.count() as usize, quota.window()));
        by_quota.or_else(|| leaves_after(CAPACITY, terms.horizon()))
    }

    fn was_admitted(&self, key: &Key, terms: Terms, now: Timestamp) -> bool {
        match (self.admitted_keys.get(key), terms.replay_window) {
            (Some(at), Some(window)) => *at + window > now,
            _ => false,
        }
    }

    fn push(&mut self, entry: Entry) {
        if let Some(key) = entry.key {
            self.admitted_keys.insert(key, entry.at);
        }
        self.entries.push_back(entry);
    }

    fn next_ordinal(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn last_row(&self) -> Row {
        let number = (self.next_ordinal() - 1) / ROW;
        let first = self.first.max(number * ROW);
        let skip = (first - self.first) as usize;
        let mut data = first.to_be_bytes().to_vec();
        data.extend(self.entries.iter().skip(skip).flat_map(encode));
        Row { number, data }
    }
}

/// The number of a stored row that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptRow(pub u64);

/// Milliseconds, of which the top bit says that a key follows, then the key or zeros.
const ENTRY_BYTES: usize = 24;
const KEYED: u64 = 1 << 63;

fn encode(entry: &Entry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    let flag = if entry.key.is_some() { KEYED } else { 0 };
    bytes[..8].copy_from_slice(&(entry.at.0 | flag).to_be_bytes());
    bytes[8..].copy_from_slice(&entry.key.unwrap_or_default());
    bytes
}

fn decode(bytes: &[u8; ENTRY_BYTES]) -> Entry {
    let (at, key) = bytes.split_first_chunk().expect("24 bytes begin with 8");
    let at = u64::from_be_bytes(*at);
    Entry {
        at: Timestamp(at & !KEYED),
        key: (at & KEYED != 0).then(|| key.try_into().expect("16 bytes are left")),
    }
}

/// How attempts and answers travel between an isolate and the object: short texts in a URL's
/// path and a header, which need no body to be awaited.
pub mod wire {
    use super::{Answer, Attempt, Quota, Terms};
    use crate::handshake::Key;
    use crate::time::millis;
    use std::time::Duration;

    /// `/<count>/<window ms>/<replay window ms>/<key in hex>`, zero or nothing for what is absent.
    pub fn encode_attempt(attempt: &Attempt) -> String {
        let Terms {
            quota,
            replay_window,
        } = attempt.terms;
        let key = attempt
            .key
            .map(|key| format!("{:032x}", u128::from_be_bytes(key)));
        format!(
            "/{}/{}/{}/{}",
            quota.map_or(0, Quota::count),
            quota.map_or(0, |quota| millis(quota.window())),
            replay_window.map_or(0, millis),
            key.unwrap_or_default()
        )
    }

    pub fn decode_attempt(path: &str) -> Option<Attempt> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let count = parts.next()?.parse().ok()?;
        let window = Duration::from_millis(parts.next()?.parse().ok()?);
        let replay_window = Duration::from_millis(parts.next()?.parse().ok()?);
        let key = match parts.next()? {
            "" => None,
            hex => Some(Key::from(u128::from_str_radix(hex, 16).ok()?.to_be_bytes())),
        };
        let terms = Terms {
            quota: Quota::new(count, window),
            replay_window: (!replay_window.is_zero()).then_some(replay_window),
        };
        parts.next().is_none().then_some(Attempt { terms, key })
    }

    /// `<word> <ms>`.
    pub fn encode_answer(answer: &Answer) -> String {
        let (word, length) = match answer {
            Answer::Counted { exhausted_for } => ("counted", exhausted_for),
            Answer::Limited { wait } => ("limited", wait),
            Answer::Replayed { exhausted_for } => ("replayed", exhausted_for),
        };
        format!("{word} {}", millis(*length))
    }

    pub fn decode_answer(text: &str) -> Option<Answer> {
        let (word, length) = text.split_once(' ')?;
        let length = Duration::from_millis(length.parse().ok()?);
        match word {
            "counted" => Some(Answer::Counted {
                exhausted_for: length,
            }),
            "limited" => Some(Answer::Limited { wait: length }),
            "replayed" => Some(Answer::Replayed {
                exhausted_for: length,
            }),
            _ => None,
        }
    }
}
