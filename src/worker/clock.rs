//! The runtime's clock and randomness.

use portcullis::util::time::Timestamp;

/// The runtime's clock, which stands still while nothing is waited for.
#[expect(clippy::disallowed_methods, reason = "the Worker's one clock")]
pub fn now() -> Timestamp {
    Timestamp(js_sys::Date::now() as u64)
}

/// Cryptographically secure random bytes.
#[expect(
    clippy::disallowed_methods,
    reason = "the Worker's one source of randomness"
)]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the runtime has randomness inside a request");
    bytes
}
