//! The mark of a rehearsal: made-up requests on their journey before the first real one comes, so
//! that V8 has compiled what that one needs. At module scope there is no randomness, no clock and no
//! timer.

use std::cell::Cell;
use std::future::poll_fn;

use crate::promise::Work;

thread_local! {
    static IS_UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Whether what runs now is part of a rehearsal: then it gets no randomness and writes no log.
pub fn is_under_way() -> bool {
    IS_UNDER_WAY.get()
}

/// The same work, of which each step knows that it is a rehearsal. The mark is set within each step
/// alone, so that no request can ever see it, not even if a rehearsal never ended.
pub fn marked(mut work: Work) -> Work {
    Box::pin(poll_fn(move |task| {
        IS_UNDER_WAY.set(true);
        let polled = work.as_mut().poll(task);
        IS_UNDER_WAY.set(false);
        polled
    }))
}
