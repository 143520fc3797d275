//! Time by two clocks, of which one may be wrong.

use std::time::Duration;

use crate::util::time::Timestamp;

/// When something happened: by the clock of the object that counts, and by that of the isolate
/// that asked. Either may jump; a length of time has passed when both say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TwoClocks {
    object: Timestamp,
    caller: Timestamp,
}

/// Later times are none that a clock can show, and leave the highest bits free for flags.
const LATEST: Timestamp = Timestamp((1 << 62) - 1);

impl TwoClocks {
    pub const MAX: Self = Self {
        object: LATEST,
        caller: LATEST,
    };

    pub fn new(object: Timestamp, caller: Timestamp) -> Self {
        Self {
            object: object.min(LATEST),
            caller: caller.min(LATEST),
        }
    }

    pub fn object(self) -> Timestamp {
        self.object
    }

    pub fn caller(self) -> Timestamp {
        self.caller
    }

    /// The later of both by each clock.
    pub fn later(self, other: Self) -> Self {
        Self {
            object: self.object.max(other.object),
            caller: self.caller.max(other.caller),
        }
    }

    /// What lies in a clock's future becomes as old as now in that clock: it is counted no
    /// shorter than before, and for no longer than its length from now on.
    pub fn clamp_to(&mut self, now: Self) -> bool {
        let clamped = Self {
            object: self.object.min(now.object),
            caller: self.caller.min(now.caller),
        };
        std::mem::replace(self, clamped) != clamped
    }

    /// How long until both clocks say that `length` has passed since; `None` if they do.
    pub fn left(self, length: Duration, now: Self) -> Option<Duration> {
        let by_object = (self.object + length).since(now.object);
        let by_caller = (self.caller + length).since(now.caller);
        let left = by_object.max(by_caller);
        (!left.is_zero()).then_some(left)
    }
}
