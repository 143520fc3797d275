//! The runtime's clock and randomness.

use std::cell::{Cell, RefCell};

use portcullis::util::time::Timestamp;

use crate::rehearsal;

/// What is known of the time in a piece of work that waits for nothing.
#[derive(Default, Clone, Copy)]
enum Turn {
    /// No such piece is under way.
    #[default]
    None,
    Unread,
    Read(Timestamp),
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn::None) };
}

/// The runtime's clock, which stands still while nothing is waited for.
pub fn now() -> Timestamp {
    match TURN.get() {
        Turn::None => read(),
        Turn::Read(now) => now,
        Turn::Unread => {
            let now = read();
            TURN.set(Turn::Read(now));
            now
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the Worker's one clock")]
fn read() -> Timestamp {
    Timestamp(js_sys::Date::now() as u64)
}

/// Reads the clock once at most while `work` runs: each time crosses to JavaScript.
pub fn in_one_turn<T>(work: impl FnOnce() -> T) -> T {
    let outer = TURN.replace(Turn::Unread);
    let done = work();
    TURN.set(outer);
    done
}

/// How many random bytes are taken from the runtime at once: each time crosses to JavaScript.
const POOL_BYTES: usize = 1024;

/// Random bytes of which the first `used` were used, and are zero since.
struct Pool {
    bytes: [u8; POOL_BYTES],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool {
            bytes: [0; POOL_BYTES],
            used: POOL_BYTES,
        })
    };
}

/// Cryptographically secure random bytes, of which none is used twice.
pub fn random<const N: usize>() -> [u8; N] {
    if rehearsal::is_under_way() {
        return [0; N];
    }
    POOL.with_borrow_mut(Pool::take)
}

impl Pool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the Worker's one source of randomness"
    )]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > POOL_BYTES {
            getrandom::fill(&mut self.bytes).expect("the runtime has randomness inside a request");
            self.used = 0;
        }
        let fresh = &mut self.bytes[self.used..self.used + N];
        self.used += N;
        let taken = std::array::from_fn(|at| fresh[at]);
        fresh.fill(0);
        taken
    }
}
