//! How long something took, counted in buckets.

use serde::Serialize;

use crate::util::from_json::from_fields;

/// The upper bounds of the buckets in milliseconds; the last bucket has none.
pub const BOUNDS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

/// A histogram of milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Histogram {
    /// How many values lie in each bucket, including the one without a bound.
    counts: [u64; BOUNDS.len() + 1],
    sum: u64,
}

from_fields!(Histogram { counts, sum });

impl Histogram {
    pub fn note(&mut self, milliseconds: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < milliseconds);
        self.counts[bucket] += 1;
        self.sum += milliseconds;
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values, in milliseconds.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}
