//! Tokens among the subprotocols that a client offers: the one place where browsers can put them.

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::fault::CredentialFault;

/// How a subprotocol announces a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcement<'a> {
    /// `bearer`, in any case: the token is the next subprotocol.
    Pair,
    /// The token is the rest of the subprotocol.
    Prefix(&'a str),
}

/// The prefix of Phoenix's JavaScript client since 1.8.
const PHOENIX: &str = "base64url.bearer.phx.";

/// What the source `subprotocol` reads.
pub(super) const USUAL: [Announcement<'static>; 2] =
    [Announcement::Pair, Announcement::Prefix(PHOENIX)];

/// Tokens after a prefix that begins with this are encoded.
const ENCODED: &str = "base64url.";

/// A token in an offer of subprotocols.
enum Announced<'a> {
    /// The subprotocol after `bearer`; `None` if `bearer` is the last one.
    Next(Option<&'a str>),
    /// The rest of a subprotocol after a prefix.
    Rest { prefix: &'a str, text: &'a str },
}

impl Announced<'_> {
    fn token(self) -> Result<String, CredentialFault> {
        let incomplete = |cause| Err(CredentialFault::Incomplete(cause));
        match self {
            Self::Next(Some(token)) => Ok(token.to_owned()),
            Self::Next(None) => incomplete("the subprotocol bearer has no token after it".into()),
            Self::Rest { prefix, text } if prefix.starts_with(ENCODED) => match decode(text) {
                Some(token) => Ok(token),
                None => incomplete(Cow::Owned(format!(
                    "the subprotocol {prefix} has no token in base64url"
                ))),
            },
            Self::Rest { text, .. } => Ok(text.to_owned()),
        }
    }
}

/// Decodes base64url without padding. Despite the prefix, Phoenix's client encodes with the alphabet
/// of standard base64.
fn decode(text: &str) -> Option<String> {
    let bytes = Base64UrlUnpadded::decode_vec(&text.replace('+', "-")).ok()?;
    String::from_utf8(bytes).ok()
}

/// An offer of subprotocols, split into those for the gate and those for the server.
#[derive(Default)]
struct SplitOffer<'a> {
    announced: Vec<Announced<'a>>,
    /// The subprotocols for the server.
    own: Vec<&'a str>,
}

/// Splits an offer. Some clients write `Bearer`, as in a header: it announces a token whatever its
/// case, and the server must not see the token.
fn split<'a>(protocols: &'a [String], announcements: &[Announcement<'a>]) -> SplitOffer<'a> {
    let mut split = SplitOffer::default();
    let mut rest = protocols.iter().map(String::as_str);
    while let Some(protocol) = rest.next() {
        let announced = announcements.iter().find_map(|announcement| {
            Some(match announcement {
                Announcement::Pair if is_bearer(protocol) => Announced::Next(None),
                Announcement::Pair => return None,
                Announcement::Prefix(prefix) => Announced::Rest {
                    prefix,
                    text: protocol.strip_prefix(prefix)?,
                },
            })
        });
        match announced {
            Some(Announced::Next(_)) => split.announced.push(Announced::Next(rest.next())),
            Some(token) => split.announced.push(token),
            None => split.own.push(protocol),
        }
    }
    split
}

pub fn is_bearer(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("bearer")
}

/// The tokens of an offer.
pub(super) fn tokens(
    protocols: &[String],
    announcements: &[Announcement<'_>],
) -> Result<Vec<String>, CredentialFault> {
    let announced = split(protocols, announcements).announced;
    announced.into_iter().map(Announced::token).collect()
}

/// The subprotocols without tokens and what announces them.
pub(super) fn without_tokens<'a>(
    protocols: &'a [String],
    announcements: &[Announcement<'a>],
) -> Vec<&'a str> {
    split(protocols, announcements).own
}

/// `bearer` as spelled in the offer, because the answer must repeat it.
pub fn offered_bearer(protocols: &[String]) -> Option<&str> {
    protocols
        .iter()
        .map(String::as_str)
        .find(|offer| is_bearer(offer))
}
