//! Percent-encoding (RFC 3986 §2.1), read strictly: malformed text is refused, never repaired.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// Why a text can't be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodingFault {
    /// A percent sign is not followed by two hexadecimal digits.
    Malformed,
    /// The bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for EncodingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a percent sign without two hexadecimal digits after it",
            Self::NotUtf8 => "percent-encoding that is not UTF-8",
        })
    }
}

/// Decodes a text once.
pub fn decode(text: &str) -> Result<Cow<'_, str>, EncodingFault> {
    // The runtime puts U+FFFD where the client's bytes were not UTF-8.
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(EncodingFault::NotUtf8);
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        if !begins_with_two_digits(after) {
            return Err(EncodingFault::Malformed);
        }
        rest = after;
    }
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| EncodingFault::NotUtf8)
}

/// Whether a text has an escape, so that decoding it changes it.
pub fn has_escape(text: &str) -> bool {
    text.split('%').skip(1).any(begins_with_two_digits)
}

fn begins_with_two_digits(text: &str) -> bool {
    let digits = text.bytes().take(2);
    digits.filter(u8::is_ascii_hexdigit).count() == 2
}

/// The pairs of a query (`application/x-www-form-urlencoded`), in order.
pub fn pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), EncodingFault>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode_form(name)?, decode_form(value)?))
    })
}

/// Decodes a name or value of a form, where a plus sign is a space.
fn decode_form(text: &str) -> Result<Cow<'_, str>, EncodingFault> {
    if !text.contains('+') {
        return decode(text);
    }
    let spaced = text.replace('+', " ");
    decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()))
}
