//! SHA-256 digests of several parts.

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use super::hex;

/// Returns a SHA-256 digest that no other list of parts has: each part is preceded by its length,
/// and an absent part differs from an empty one.
pub fn digest<P: AsRef<[u8]>, const N: usize>(parts: [Option<P>; N]) -> [u8; 32] {
    hash(parts).finalize().into()
}

/// [`digest`] in lower-case hexadecimal.
pub fn hex_digest<P: AsRef<[u8]>, const N: usize>(parts: [Option<P>; N]) -> String {
    hex(hash(parts).finalize())
}

/// The SHA-256 of a text in base64, as content security policies name it.
pub fn base64_digest(text: &str) -> String {
    Base64::encode_string(&Sha256::digest(text))
}

fn hash<P: AsRef<[u8]>, const N: usize>(parts: [Option<P>; N]) -> Sha256 {
    let mut hash = Sha256::new();
    for part in &parts {
        let part = part.as_ref().map(AsRef::as_ref);
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        hash.update(length.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash
}
