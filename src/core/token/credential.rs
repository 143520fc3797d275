//! The places of a request that may hold a token, and its removal from them.

use std::fmt;
use std::ops::Not;

use super::cookie;
use super::fault::CredentialFault;
use super::jws::Padding;
use super::message;
use super::subprotocol::{self, Announcement};
use crate::request::Request;
use crate::request::syntax;

/// One entry of `TOKEN_SOURCES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Header,
    /// Another header, by its name in lower case. Its value is the token, perhaps after `Bearer`.
    NamedHeader(String),
    /// The subprotocols `bearer, <token>`, or the `authToken` of Phoenix in one.
    Subprotocol,
    /// A subprotocol that is a token behind this prefix.
    PrefixedSubprotocol(String),
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// The text at this JSON Pointer of the socket's first message, perhaps after `Bearer`.
    Message(String),
}

/// `ON_TOKEN_CONFLICT`: what happens if the places of a request hold different tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenConflict {
    Refuse,
    /// The first source of `TOKEN_SOURCES` that has a token decides.
    First,
}

/// The token of a request, with every place that held one.
#[derive(PartialEq, Eq)]
pub struct Credential {
    token: String,
    /// All places from which a token is taken out. No server sees what they hold.
    pub found: Vec<Source>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("token", &format_args!("REDACTED"))
            .field("found", &self.found)
            .finish()
    }
}

impl Credential {
    /// Looks into every source. Several may hold the same token, but not different ones.
    pub fn find(
        sources: &[Source],
        request: &Request<'_>,
        protocols: &[String],
    ) -> Result<Option<Self>, CredentialFault> {
        Self::find_under(TokenConflict::Refuse, sources, request, protocols)
    }

    /// Looks into every source. `conflict` says what happens if they hold different tokens.
    pub fn find_under(
        conflict: TokenConflict,
        sources: &[Source],
        request: &Request<'_>,
        protocols: &[String],
    ) -> Result<Option<Self>, CredentialFault> {
        Self::agree(conflict, sources, |source| {
            source.tokens(request, protocols)
        })
    }

    /// Looks into the first message of a socket, be it text or binary.
    pub fn find_in_message(
        conflict: TokenConflict,
        sources: &[Source],
        message: &[u8],
    ) -> Result<Option<Self>, CredentialFault> {
        let Some(message) = message::read(message)? else {
            return Ok(None);
        };
        Self::agree(conflict, sources, |source| {
            let Source::Message(pointer) = source else {
                return Ok(Vec::new());
            };
            let text = message::text_at(&message, pointer)?;
            let token = text.map(|text| bearer_token(&text).unwrap_or(&text).to_owned());
            Ok(token.into_iter().collect())
        })
    }

    /// The message that held the token, without it.
    pub fn without_token(&self, message: &[u8]) -> String {
        let pointers = self.found.iter().filter_map(|source| match source {
            Source::Message(pointer) => Some(pointer.as_str()),
            _ => None,
        });
        message::without_members(
            &String::from_utf8_lossy(message),
            &pointers.collect::<Vec<_>>(),
        )
    }

    fn agree(
        conflict: TokenConflict,
        sources: &[Source],
        tokens: impl Fn(&Source) -> Result<Vec<String>, CredentialFault>,
    ) -> Result<Option<Self>, CredentialFault> {
        let mut credential: Option<Self> = None;
        for source in sources {
            for token in tokens(source)? {
                match &mut credential {
                    None => {
                        credential = Some(Self {
                            token,
                            found: vec![source.clone()],
                        });
                    }
                    Some(known) if known.token != token && conflict == TokenConflict::Refuse => {
                        return Err(CredentialFault::Ambiguous(format!(
                            "{source} disagrees with {}",
                            known.found[0]
                        )));
                    }
                    Some(known) if !known.found.contains(source) => {
                        known.found.push(source.clone());
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(credential)
    }

    /// Every place that holds a token, or what can't be read as one. It is not accepted, so its
    /// text is nobody's.
    pub fn unaccepted(
        sources: &[Source],
        request: &Request<'_>,
        protocols: &[String],
    ) -> Option<Self> {
        let holds_any = |source: &&Source| {
            let tokens = source.tokens(request, protocols);
            tokens.is_ok_and(|tokens| tokens.is_empty()).not()
        };
        let found: Vec<_> = sources.iter().filter(holds_any).cloned().collect();
        (!found.is_empty()).then(|| Self {
            token: String::new(),
            found,
        })
    }

    /// A credential that was found in the query by other means.
    pub(crate) fn in_query(token: String, name: &str) -> Self {
        Self {
            token,
            found: vec![Source::Query(name.to_owned())],
        }
    }

    /// The same token, with the places of another one that does not count.
    pub(crate) fn with(mut self, other: Option<Self>) -> Self {
        let places = other.into_iter().flat_map(|other| other.found);
        self.found.extend(places);
        self
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether the segments of the token may be padded: a load balancer of AWS writes its token so,
    /// against RFC 7515 §2, and signs the padding as well.
    pub(super) fn padding(&self) -> Padding {
        match self.found.first() {
            Some(Source::NamedHeader(name)) if name == "x-amzn-oidc-data" => Padding::Accepted,
            _ => Padding::Refused,
        }
    }

    /// The subprotocols that are for the server: those of an offer without tokens and what announces
    /// them. `None` if the offer holds none.
    pub fn protocols_left<'a>(&'a self, protocols: &'a [String]) -> Option<Vec<&'a str>> {
        let announcements: Vec<_> = announcements(&self.found).collect();
        (!announcements.is_empty()).then(|| subprotocol::without_tokens(protocols, &announcements))
    }

    /// `bearer` as the offer spells it, if it announced the token.
    pub fn bearer<'a>(&self, protocols: &'a [String]) -> Option<&'a str> {
        let has_pair = self.found.contains(&Source::Subprotocol);
        has_pair
            .then(|| subprotocol::offered_bearer(protocols))
            .flatten()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::NamedHeader(name) => write!(f, "header:{name}"),
            Self::Subprotocol => f.write_str("subprotocol"),
            Self::PrefixedSubprotocol(prefix) => write!(f, "subprotocol:{prefix}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Message(pointer) => write!(f, "message:{pointer}"),
        }
    }
}

impl Source {
    fn tokens(
        &self,
        request: &Request<'_>,
        protocols: &[String],
    ) -> Result<Vec<String>, CredentialFault> {
        let header = |name| request.headers.get(name).unwrap_or_default();
        Ok(match self {
            Self::Header => bearer_token(&header("authorization"))
                .map(str::to_owned)
                .into_iter()
                .collect(),
            Self::NamedHeader(name) => {
                let value = header(name);
                // No token has a comma. A second header arrives joined by one.
                if value.contains(',') {
                    let cause = "the header of the token is repeated";
                    return Err(CredentialFault::RepeatedHeader(cause));
                }
                let value = syntax::trim(&value);
                let token = bearer_token(value).unwrap_or(value);
                (!value.is_empty())
                    .then(|| token.to_owned())
                    .into_iter()
                    .collect()
            }
            Self::Subprotocol | Self::PrefixedSubprotocol(_) => {
                subprotocol::tokens(protocols, &self.announcements())?
            }
            Self::Cookie(name) => cookie::tokens(&header("cookie"), name)?,
            Self::Query(name) => {
                form_urlencoded::parse(request.url.query.unwrap_or_default().as_bytes())
                    .filter(|(key, _)| key == name)
                    .map(|(_, value)| value.into_owned())
                    .collect()
            }
            Self::Message(_) => Vec::new(),
        })
    }

    /// Whether a request that is not an upgrade may show a token there: a URL ends up in logs.
    pub fn is_for_plain_requests(&self) -> bool {
        matches!(self, Self::Header | Self::NamedHeader(_) | Self::Cookie(_))
    }

    fn announcements(&self) -> Vec<Announcement<'_>> {
        match self {
            Self::Subprotocol => subprotocol::USUAL.to_vec(),
            Self::PrefixedSubprotocol(prefix) => vec![Announcement::Prefix(prefix)],
            Self::Header
            | Self::NamedHeader(_)
            | Self::Cookie(_)
            | Self::Query(_)
            | Self::Message(_) => Vec::new(),
        }
    }
}

fn announcements(sources: &[Source]) -> impl Iterator<Item = Announcement<'_>> {
    sources.iter().flat_map(Source::announcements)
}

/// The token after the scheme `Bearer`. Credentials of other schemes are for the server.
fn bearer_token(authorization: &str) -> Option<&str> {
    let authorization = syntax::trim(authorization);
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| syntax::trim(token))
}

/// The subprotocol to answer with where no server chooses one: a browser fails a socket whose
/// answer names none of its offer. Never a token: neither where these sources look for one, nor
/// where `subprotocol` does.
pub fn unchosen_protocol(protocols: &[String], sources: &[Source]) -> Option<String> {
    let announcements: Vec<_> = announcements(sources).chain(subprotocol::USUAL).collect();
    let own = subprotocol::without_tokens(protocols, &announcements)
        .into_iter()
        .next();
    own.or_else(|| subprotocol::offered_bearer(protocols))
        .map(str::to_owned)
}

/// A query without the parameters of this name. The others stay as they are.
pub fn without_parameter(query: &str, name: &str) -> String {
    let is_other =
        |pair: &&str| !form_urlencoded::parse(pair.as_bytes()).any(|(key, _)| key == name);
    let others: Vec<_> = query.split('&').filter(is_other).collect();
    others.join("&")
}
