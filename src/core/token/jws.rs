//! A JWS in compact serialisation (RFC 7515 §7.1), parsed but not yet verified.

use base64ct::{Base64Url, Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};

use super::TokenFault;
use crate::util::strict_json;

/// The members of a header that matter here (RFC 7515 §4.1). Those that would bring a key along
/// (`jku`, `jwk`, `x5u`, `x5c`) are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHeader {
    pub algorithm: String,
    pub key_id: Option<String>,
    /// `typ` (RFC 7515 §4.1.9).
    pub token_type: Option<String>,
}

/// Whether the segments of a token may end in `=`, which RFC 7515 §2 rules out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    Refused,
    /// A segment is padded as base64 is, or not at all.
    Accepted,
}

/// A token that is well-formed, but not verified.
pub struct Untrusted<'a> {
    pub header: TokenHeader,
    /// The JWS signing input (RFC 7515 §2).
    pub signed: &'a [u8],
    payload: &'a str,
    padding: Padding,
    pub signature: Vec<u8>,
}

impl<'a> Untrusted<'a> {
    pub fn parse(token: &'a str, padding: Padding) -> Result<Self, TokenFault> {
        let mut segments = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(TokenFault::invalid("not three segments"));
        };
        Ok(Self {
            header: parse_header(header, padding)?,
            signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
            payload,
            padding,
            signature: decode("signature", signature, padding)?,
        })
    }

    /// The claims. Until the signature is verified they may only choose the issuer whose keys must
    /// verify it.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, TokenFault> {
        parse_object("payload", self.payload, self.padding)
    }
}

/// Whether a credential is a JWT, valid or not, rather than an opaque one: three segments of
/// base64url, the first a JSON object with `alg`.
pub fn is_jwt(credential: &str, padding: Padding) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let segments: Vec<_> = credential.splitn(4, '.').collect();
    segments.len() == 3
        && segments.iter().all(|segment| {
            let text = match padding {
                Padding::Refused => segment,
                Padding::Accepted => segment.trim_end_matches('='),
            };
            text.bytes().all(is_base64url)
        })
        && decode("header", segments[0], padding)
            .ok()
            .and_then(|json| serde_json::from_slice::<Value>(&json).ok())
            .is_some_and(|header| header.get("alg").is_some())
}

fn parse_header(segment: &str, padding: Padding) -> Result<TokenHeader, TokenFault> {
    let mut header = parse_object("header", segment, padding)?;
    // No extension is implemented, so none may be critical (RFC 7515 §4.1.11).
    if header.contains_key("crit") {
        return Err(TokenFault::invalid("header has crit"));
    }
    let Some(Value::String(algorithm)) = header.remove("alg") else {
        return Err(TokenFault::invalid("header has no alg"));
    };
    let mut text = |name: &'static str| match header.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenFault::invalid(format!("{name} is not a string"))),
    };
    Ok(TokenHeader {
        algorithm,
        key_id: text("kid")?,
        token_type: text("typ")?,
    })
}

fn parse_object(
    part: &'static str,
    segment: &str,
    padding: Padding,
) -> Result<Map<String, Value>, TokenFault> {
    strict_json::object(&decode(part, segment, padding)?)
        .map_err(|error| TokenFault::invalid(format!("{part}: {error}")))
}

/// Canonical base64url: no foreign characters, no spare bits set (RFC 4648 §3.5).
fn decode(part: &'static str, segment: &str, padding: Padding) -> Result<Vec<u8>, TokenFault> {
    let decoded = match padding {
        Padding::Accepted if segment.ends_with('=') => Base64Url::decode_vec(segment),
        _ => Base64UrlUnpadded::decode_vec(segment),
    };
    decoded.map_err(|_| TokenFault::invalid(format!("{part} is not canonical base64url")))
}
