//! Time by two clocks, one of which may be wrong.

use std::time::Duration;

use crate::util::time::Timestamp;

/// When something happened, by the clock of the object that counts and by the clock of the isolate
/// that asked. Either may jump, so a length of time has passed only when both say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TwoClocks {
    object: Timestamp,
    caller: Timestamp,
}

/// The latest time that is kept. No clock shows a later one, and the highest bits stay free for
/// flags.
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

    /// The later of two moments, by each clock separately.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        Self {
            object: self.object.max(other.object),
            caller: self.caller.max(other.caller),
        }
    }

    /// The moment that comes so much later by both clocks.
    #[must_use]
    pub fn after(self, length: Duration) -> Self {
        Self::new(self.object + length, self.caller + length)
    }

    /// Moves the moment to now in each clock in whose future it lies, and returns whether it moved.
    /// It then counts no shorter than before, and no longer than its length from now on.
    pub fn clamp_to(&mut self, now: Self) -> bool {
        let clamped = Self {
            object: self.object.min(now.object),
            caller: self.caller.min(now.caller),
        };
        std::mem::replace(self, clamped) != clamped
    }

    /// How long until both clocks say that `length` has passed; `None` if they say so now.
    pub fn left(self, length: Duration, now: Self) -> Option<Duration> {
        let by_object = (self.object + length).since(now.object);
        let by_caller = (self.caller + length).since(now.caller);
        let left = by_object.max(by_caller);
        (!left.is_zero()).then_some(left)
    }
}
