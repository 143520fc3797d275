//! How a pool is stored.

use std::time::Duration;

use super::Pool;
use crate::limits::route_pool::log::{LogEntry, MAX_ENTRIES};
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::{Timestamp, millis};

/// The stored pool can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptPool;

impl Pool {
    /// The pool as bytes: one byte that says whether the pool seemed idle to its last alarm; in
    /// eight bytes each, the window in milliseconds, how much is lent, and since when by both
    /// clocks; for each entry, the count in four bytes and the moment by both clocks.
    pub(super) fn encode(&self) -> Vec<u8> {
        let unknown = self.unknown.unwrap_or((0, TwoClocks::default()));
        let since = self
            .shares
            .values()
            .map(|share| share.at)
            .fold(unknown.1, TwoClocks::later);
        let mut data = vec![u8::from(self.seemed_idle)];
        let mut put = |number: u64| data.extend(number.to_be_bytes());
        put(millis(self.window));
        put(self.lent + unknown.0);
        put(since.object().0);
        put(since.caller().0);
        for entry in self.log.entries() {
            data.extend(entry.count.to_be_bytes());
            data.extend(entry.at.object().0.to_be_bytes());
            data.extend(entry.at.caller().0.to_be_bytes());
        }
        data
    }

    /// Rebuilds a pool from its stored bytes. Bytes that can't be read are an error: to ignore them
    /// would admit too many.
    pub fn load(data: &[u8]) -> Result<Self, CorruptPool> {
        Self::decode(data).ok_or(CorruptPool)
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let (seemed_idle, data) = data.split_first()?;
        let (head, entries) = data.split_first_chunk::<32>()?;
        let (numbers, _) = head.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_be_bytes(*bytes));
        let mut next = || numbers.next();
        let mut pool = Self {
            window: Duration::from_millis(next()?),
            seemed_idle: *seemed_idle != 0,
            ..Self::default()
        };
        let count = next()?;
        let since = TwoClocks::new(Timestamp(next()?), Timestamp(next()?));
        pool.unknown = (count > 0).then_some((count, since));
        pool.isolates = since.caller();
        let (entries, rest) = entries.as_chunks::<20>();
        if !rest.is_empty() || entries.len() > MAX_ENTRIES || count > u64::from(u32::MAX) {
            return None;
        }
        for bytes in entries {
            let (entry_count, moment) = bytes.split_first_chunk::<4>()?;
            let (moment, _) = moment.as_chunks::<8>();
            let [object, caller] = moment else {
                return None;
            };
            let at = TwoClocks::new(
                Timestamp(u64::from_be_bytes(*object)),
                Timestamp(u64::from_be_bytes(*caller)),
            );
            pool.log
                .restore(LogEntry::new(at, u32::from_be_bytes(*entry_count)))?;
            pool.isolates = pool.isolates.max(at.caller());
        }
        Some(pool)
    }
}
