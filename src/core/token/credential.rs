//! The places of a request that may hold a token, and its removal from them.

use std::fmt;
use std::ops::Not;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::fault::CredentialFault;
use crate::request::Request;
use crate::request::syntax;

/// One entry of `TOKEN_SOURCES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Header,
    /// The subprotocols `bearer, <token>`, or the `authToken` of Phoenix in one.
    Subprotocol,
    Cookie(String),
    /// A query parameter.
    Query(String),
}

/// The token of a request, with every place that held it.
#[derive(PartialEq, Eq)]
pub struct Credential {
    token: String,
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
        let mut credential: Option<Self> = None;
        for source in sources {
            for token in source.tokens(request, protocols)? {
                match &mut credential {
                    None => {
                        credential = Some(Self {
                            token,
                            found: vec![source.clone()],
                        });
                    }
                    Some(known) if known.token != token => {
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

    pub fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Subprotocol => f.write_str("subprotocol"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
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
            Self::Header => bearer_token(&header("authorization")).into_iter().collect(),
            Self::Subprotocol => split_bearer(protocols)
                .announced
                .into_iter()
                .map(Announced::token)
                .collect::<Result<_, _>>()?,
            // A second Cookie header arrives after a comma, and a token there could not be removed.
            Self::Cookie(name) if stands_behind_a_comma(name, &header("cookie")) => {
                return Err(CredentialFault::RepeatedHeader("Cookie is repeated"));
            }
            Self::Cookie(name) => cookies(&header("cookie"))
                .filter(|cookie| cookie_name(cookie) == name)
                .map(|cookie| {
                    let value = cookie.split_once('=').map_or("", |(_, value)| value).trim();
                    let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                    unquoted.unwrap_or(value).to_owned()
                })
                .collect(),
            Self::Query(name) => {
                form_urlencoded::parse(request.url.query.unwrap_or_default().as_bytes())
                    .filter(|(key, _)| key == name)
                    .map(|(_, value)| value.into_owned())
                    .collect()
            }
        })
    }
}

/// The token after the scheme `Bearer`. Credentials of other schemes are for the server.
fn bearer_token(authorization: &str) -> Option<String> {
    let authorization = syntax::trim(authorization);
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| syntax::trim(token).to_owned())
}

/// A subprotocol of Phoenix's JavaScript client since 1.8, whose rest is the encoded `authToken`.
const PHOENIX: &str = "base64url.bearer.phx.";

/// A token in an offer of subprotocols.
enum Announced<'a> {
    /// What follows `bearer`; `None` for one that comes last.
    Next(Option<&'a str>),
    /// What follows the prefix of Phoenix.
    Encoded(&'a str),
}

impl Announced<'_> {
    fn token(self) -> Result<String, CredentialFault> {
        match self {
            Self::Next(token) => token.map(str::to_owned).ok_or(CredentialFault::Incomplete(
                "the subprotocol bearer has no token after it",
            )),
            // Despite the name, the client encodes with the alphabet of standard base64.
            Self::Encoded(text) => Base64UrlUnpadded::decode_vec(&text.replace('+', "-"))
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or(CredentialFault::Incomplete(
                    "the subprotocol base64url.bearer.phx. has no token in base64url",
                )),
        }
    }
}

/// An offer of subprotocols, parted by who it is for.
#[derive(Default)]
struct SplitOffer<'a> {
    announced: Vec<Announced<'a>>,
    /// The subprotocols for the server.
    own: Vec<&'a str>,
}

/// Parts an offer. Some clients write `Bearer`, as in a header: in any case it announces a token,
/// which the server must not see.
fn split_bearer(protocols: &[String]) -> SplitOffer<'_> {
    let mut split = SplitOffer::default();
    let mut rest = protocols.iter().map(String::as_str);
    while let Some(protocol) = rest.next() {
        if is_bearer(protocol) {
            split.announced.push(Announced::Next(rest.next()));
        } else if let Some(encoded) = protocol.strip_prefix(PHOENIX) {
            split.announced.push(Announced::Encoded(encoded));
        } else {
            split.own.push(protocol);
        }
    }
    split
}

fn is_bearer(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("bearer")
}

/// The subprotocols without tokens and what announces them.
pub fn without_bearer(protocols: &[String]) -> Vec<String> {
    let own = split_bearer(protocols).own;
    own.into_iter().map(str::to_owned).collect()
}

/// `bearer` as an offer spells it, which an answer must repeat.
pub fn offered_bearer(protocols: &[String]) -> Option<&str> {
    protocols
        .iter()
        .map(String::as_str)
        .find(|offer| is_bearer(offer))
}

/// The subprotocol to answer with where no server chooses one: a browser fails a socket whose
/// answer names none of its offer. Never a token.
pub fn unchosen_protocol(protocols: &[String]) -> Option<String> {
    let own = split_bearer(protocols).own.into_iter().next();
    own.or_else(|| offered_bearer(protocols)).map(str::to_owned)
}

fn cookies(header: &str) -> impl Iterator<Item = &str> {
    header
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
}

fn cookie_name(cookie: &str) -> &str {
    cookie
        .split_once('=')
        .map_or(cookie, |(name, _)| name)
        .trim()
}

fn stands_behind_a_comma(name: &str, header: &str) -> bool {
    let mut behind_commas = cookies(header).flat_map(|cookie| cookie.split(',').skip(1));
    behind_commas.any(|part| part.contains('=') && cookie_name(part) == name)
}

/// A `Cookie` value without the cookies of this name. The others stay as they are.
pub fn without_cookie(header: &str, name: &str) -> String {
    let others: Vec<_> = header
        .split(';')
        .filter(|cookie| cookie_name(cookie) != name)
        .collect();
    others.join(";").trim().to_owned()
}

/// A query without the parameters of this name. The others stay as they are.
pub fn without_parameter(query: &str, name: &str) -> String {
    let is_other =
        |pair: &&str| !form_urlencoded::parse(pair.as_bytes()).any(|(key, _)| key == name);
    let others: Vec<_> = query.split('&').filter(is_other).collect();
    others.join("&")
}
