//! Marks a rehearsal: made-up requests take the journey before the first real one comes, so that V8
//! has compiled the code that the real one needs. Module scope has no randomness, clock or timers.

use std::cell::Cell;
use std::future::poll_fn;

use crate::work::Work;

thread_local! {
    static IS_UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Whether the running code is part of a rehearsal. It then gets no randomness and writes no log.
pub fn is_under_way() -> bool {
    IS_UNDER_WAY.get()
}

/// Runs work as a rehearsal. The mark is set only within each step of the future, so that no request
/// can ever see it, not even if a rehearsal never ends.
pub fn marked(mut work: Work) -> Work {
    Box::pin(poll_fn(move |task| {
        IS_UNDER_WAY.set(true);
        let polled = work.as_mut().poll(task);
        IS_UNDER_WAY.set(false);
        polled
    }))
}
