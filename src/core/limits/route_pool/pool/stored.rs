//! How a pool is stored.

use std::time::Duration;

use super::Pool;
use crate::limits::bytes::{Reader, put, put_moment};
use crate::limits::route_pool::log::{LogEntry, MAX_ENTRIES};
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::millis;

/// The stored pool can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptPool;

impl Pool {
    /// The pool as bytes: one byte that is zero and not read; in eight bytes each, the window in milliseconds, how much is lent, and since when by both
    /// clocks; for each entry, the count in four bytes and the moment by both clocks.
    pub(super) fn encode(&self) -> Vec<u8> {
        let unknown = self.unknown.unwrap_or((0, TwoClocks::default()));
        let since = self
            .shares
            .values()
            .map(|share| share.at)
            .fold(unknown.1, TwoClocks::later);
        let mut data = vec![0];
        put(&mut data, millis(self.window));
        put(&mut data, self.lent + unknown.0);
        put_moment(&mut data, since);
        for entry in self.log.entries() {
            data.extend(entry.count.to_be_bytes());
            put_moment(&mut data, entry.at);
        }
        data
    }

    /// Rebuilds a pool from its stored bytes. Bytes that can't be read are an error: to ignore them
    /// would admit too many.
    pub fn load(data: &[u8]) -> Result<Self, CorruptPool> {
        Self::decode(data).ok_or(CorruptPool)
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let mut reader = Reader(data);
        let [_] = reader.take()?;
        let mut pool = Self {
            window: Duration::from_millis(reader.number()?),
            ..Self::default()
        };
        let count = u32::try_from(reader.number()?).ok()?;
        let since = reader.moment()?;
        pool.unknown = (count > 0).then_some((count.into(), since));
        pool.isolates = since.caller();
        while !reader.is_empty() {
            let entry_count = u32::from_be_bytes(reader.take()?);
            let at = reader.moment()?;
            if pool.log.entries().len() >= MAX_ENTRIES {
                return None;
            }
            pool.log.restore(LogEntry::new(at, entry_count))?;
            pool.isolates = pool.isolates.max(at.caller());
        }
        Some(pool)
    }
}
