//! The most frequent texts of a stream in bounded memory, by Misra and Gries.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::tally::add;
use crate::util::from_json::FromJson;
use crate::util::sorting::sorted_by;

/// The longest text that is counted, in bytes.
const MAX_BYTES: usize = 256;

/// A summary of at most `MAX` texts. A text that makes up more than one in `MAX + 1` of all is in it,
/// and its count is a lower bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HeavyHitters<const MAX: usize>(BTreeMap<String, u64>);

impl<const MAX: usize> Default for HeavyHitters<MAX> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<const MAX: usize> FromJson for HeavyHitters<MAX> {
    fn from_value(value: Value) -> Option<Self> {
        FromJson::from_value(value).map(Self)
    }
}

impl<const MAX: usize> HeavyHitters<MAX> {
    pub fn note(&mut self, text: &str) {
        if let Some(count) = self.0.get_mut(text) {
            *count += 1;
        } else if text.len() > MAX_BYTES {
        } else if self.0.len() < MAX {
            self.0.insert(text.to_owned(), 1);
        } else {
            shrink_by(&mut self.0, 1);
        }
    }

    /// Adds another summary, of any size. The result keeps the guarantees for both together.
    pub fn merge<const OTHER: usize>(&mut self, other: &HeavyHitters<OTHER>) {
        merge(&mut self.0, &other.0, MAX);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most frequent first.
    pub fn top(&self, max: usize) -> Vec<(&str, u64)> {
        let all = self.0.iter();
        let all: Vec<_> = all.map(|(text, count)| (text.as_str(), *count)).collect();
        let mut all = sorted_by(all, |one, other| (other.1, one.0).cmp(&(one.1, other.0)));
        all.truncate(max);
        all
    }
}

// These know no number of texts as a type, for which they would be compiled once each.

fn merge(counts: &mut BTreeMap<String, u64>, others: &BTreeMap<String, u64>, max: usize) {
    add(counts, others);
    if counts.len() > max {
        let all = counts.values().copied().collect();
        let descending = sorted_by(all, |one: &u64, other| other.cmp(one));
        shrink_by(counts, descending[max]);
    }
}

fn shrink_by(counts: &mut BTreeMap<String, u64>, less: u64) {
    counts.retain(|_, count| {
        *count = count.saturating_sub(less);
        *count > 0
    });
}
