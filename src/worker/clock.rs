//! The runtime's clock and randomness.

use portcullis::util::time::Timestamp;

/// The runtime's clock, which stands still while nothing is waited for.
pub fn now() -> Timestamp {
    Timestamp(js_sys::Date::now() as u64)
}

/// Cryptographically secure random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the runtime has randomness inside a request");
    bytes
}
