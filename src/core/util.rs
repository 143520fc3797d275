//! Helpers that know nothing of the gate.

pub mod bounded_map;
pub mod digest;
pub(crate) mod duration;
pub(crate) mod from_json;
pub mod share;
pub mod sorting;
pub(crate) mod strict_json;
pub mod time;

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    base16ct::lower::encode_string(bytes.as_ref())
}
