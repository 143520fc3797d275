//! Which objects of the registry store no denial, as far as this isolate knows.

use std::cell::Cell;
use std::time::Duration;

use crate::registry::SHARDS;
use crate::util::time::Timestamp;

/// How long an object that said it stores no denial is not asked again.
const KNOWN_FOR: Duration = Duration::from_mins(1);

/// When objects said last that they store no denial.
#[derive(Debug, Default)]
pub(super) struct Undenied([Cell<Option<Timestamp>>; SHARDS as usize]);

impl Undenied {
    /// Notes what an object said at `now`.
    pub fn learn(&self, shard: u8, denials_exist: bool, now: Timestamp) {
        let at = (!denials_exist).then_some(now);
        self.0[usize::from(shard)].set(at);
    }

    /// Whether an object is known to store no denial.
    pub fn is_known(&self, shard: u8, now: Timestamp) -> bool {
        // Not if the clock was set back since.
        let at = self.0[usize::from(shard)].get();
        at.is_some_and(|at| at <= now && now < at + KNOWN_FOR)
    }
}
