//! An administrator's request, read strictly: anything unknown is refused by name.

use std::fmt;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::PREFIX;
use super::query::Query;
use super::responses::name;
use super::revocation::{Revocation, read_id, revocation};
use crate::registry::{About, Claim, RegistryKey};
use crate::request::Request;
use crate::request::address::{AddressKey, ClientAddress, Ipv6Prefix};
use crate::response::reason::{AllowedMethods, Reason, Rejection};
use crate::util::duration::positive_duration;
use crate::util::strict_json;
use crate::util::time::Timestamp;

/// The longest body that is read, in bytes.
pub const MAX_BODY_BYTES: u32 = 16 * 1024;

/// How long a ban lasts by default.
const BANNED_FOR: Duration = Duration::from_hours(1);

/// An administrator's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Lists the live sockets, all or some.
    List(Option<Filter>),
    /// Closes live sockets.
    Disconnect(Filter),
    Ban {
        target: Target,
        lasts: Duration,
    },
    Lift(Target),
    ListBans,
    Revoke(Revocation),
    ListRevocations,
    /// Lifts the revocation with this id.
    LiftRevocation(String),
    /// Returns the metrics as OpenMetrics text.
    Metrics,
    /// Returns what the dashboard shows, with or without the lists of bans and revocations.
    Overview {
        with_lists: bool,
    },
    /// Says everything that is known of a client. `issuer`: that of its tokens, where the settings
    /// name none.
    Explain {
        target: Target,
        issuer: Option<String>,
    },
}

/// The sockets that a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    Of(Target),
    /// The request id of the socket's upgrade.
    Id(String),
}

/// The client that a command is about: an address or a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Address {
        address: ClientAddress,
        /// The key by the global `IPV6_PREFIX`, whatever a route says.
        key: AddressKey,
    },
    Subject(String),
}

impl Filter {
    pub fn key(&self) -> RegistryKey {
        match self {
            Self::Of(target) => target.key(),
            Self::Id(id) => RegistryKey::socket(id),
        }
    }
}

impl Target {
    /// An address, counted by its leading `prefix` bits if it is IPv6.
    pub(super) fn counted(address: ClientAddress, prefix: Ipv6Prefix) -> Self {
        Self::Address {
            address,
            key: address.key(prefix),
        }
    }

    pub fn key(&self) -> RegistryKey {
        match self {
            Self::Address { key, .. } => RegistryKey::address(*key),
            Self::Subject(subject) => RegistryKey::claim(Claim::Subject, None, subject),
        }
    }
}

impl Target {
    /// What its ban is about, as lists show it.
    pub fn about(&self) -> About {
        match self {
            Self::Address { key, .. } => About::address(&key.to_string()),
            Self::Subject(subject) => About::subject(subject),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(target) => target.fmt(f),
            Self::Id(id) => write!(f, "id {id:?}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { key, .. } => write!(f, "ip {key}"),
            Self::Subject(subject) => write!(f, "sub {subject:?}"),
        }
    }
}

impl Command {
    /// Whether the body of the request is read.
    pub fn has_body(request: &Request<'_>) -> bool {
        request.method == "PUT"
    }

    /// Whether it changes anything, in contrast to a question.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Disconnect(_)
            | Self::Ban { .. }
            | Self::Lift(_)
            | Self::Revoke(_)
            | Self::LiftRevocation(_) => true,
            Self::List(_)
            | Self::ListBans
            | Self::ListRevocations
            | Self::Metrics
            | Self::Overview { .. }
            | Self::Explain { .. } => false,
        }
    }

    /// The method, and the path and query after the prefix, of the request that undoes it; `None` if
    /// nothing does.
    pub fn undo(&self) -> Option<(String, String)> {
        let path = match self {
            Self::Ban { target, .. } => {
                let kind = match target {
                    Target::Address { .. } => "ip",
                    Target::Subject(_) => "sub",
                };
                let name = name(target);
                let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
                format!("bans/{name}?kind={kind}")
            }
            Self::Revoke(revocation) => format!("revocations/{}", revocation.id()),
            _ => return None,
        };
        Some(("DELETE".into(), path))
    }

    /// Reads a command at the time `now`. `body` is empty if there is none; `prefix` says how many
    /// bits of an IPv6 address count.
    pub fn read(
        request: &Request<'_>,
        body: &str,
        prefix: Ipv6Prefix,
        now: Timestamp,
    ) -> Result<Self, Rejection> {
        let path = request.url.path.strip_prefix(PREFIX).unwrap_or_default();
        let query = Query::read(request.url.query.unwrap_or_default())?;
        let (name, argument) = match path.split_once('/') {
            Some((_, "")) | None => (path, None),
            Some((name, argument)) => (name, Some(argument)),
        };
        match (name, argument) {
            ("sockets", None) => match request.method {
                "GET" | "HEAD" => Ok(Self::List(query.filter(prefix)?)),
                "DELETE" => match query.filter(prefix)? {
                    Some(filter) => Ok(Self::Disconnect(filter)),
                    None => Err(bad("name the sockets: one of sub, ip and id in the query")),
                },
                _ => Err(wrong_method("GET, HEAD, DELETE")),
            },
            ("metrics", None) => match request.method {
                "GET" | "HEAD" => query.nothing().map(|()| Self::Metrics),
                _ => Err(wrong_method("GET, HEAD")),
            },
            ("overview", None) => match request.method {
                "GET" | "HEAD" => query.overview(),
                _ => Err(wrong_method("GET, HEAD")),
            },
            ("explain", None) => match request.method {
                "GET" | "HEAD" => query.explained(prefix),
                _ => Err(wrong_method("GET, HEAD")),
            },
            ("bans", None) => match request.method {
                "GET" | "HEAD" => query.nothing().map(|()| Self::ListBans),
                _ => Err(wrong_method("GET, HEAD")),
            },
            ("bans", Some(target)) => {
                let target = query.named(target, prefix)?;
                match request.method {
                    "PUT" => {
                        query.only(&["for", "kind"])?;
                        let lasts = ban_lasts(&query, body)?;
                        Ok(Self::Ban { target, lasts })
                    }
                    "DELETE" => query.only(&["kind"]).map(|()| Self::Lift(target)),
                    _ => Err(wrong_method("PUT, DELETE")),
                }
            }
            ("revocations", None) => match request.method {
                "GET" | "HEAD" => query.nothing().map(|()| Self::ListRevocations),
                "PUT" => {
                    query.nothing()?;
                    revocation(&members(body)?, now).map(Self::Revoke)
                }
                _ => Err(wrong_method("GET, HEAD, PUT")),
            },
            ("revocations", Some(id)) => match request.method {
                "DELETE" => {
                    query.nothing()?;
                    read_id(id).map(Self::LiftRevocation)
                }
                _ => Err(wrong_method("DELETE")),
            },
            _ => Err(Reason::NoRoute.because("no administrator's endpoint has this path")),
        }
    }
}

pub(super) fn bad(detail: impl Into<String>) -> Rejection {
    let detail = detail.into();
    Reason::BadRequest {
        detail: detail.clone(),
    }
    .because(detail)
}

fn wrong_method(allow: &'static str) -> Rejection {
    let allowed = AllowedMethods::Administration(allow);
    Reason::MethodNotAllowed { allowed }.because(format!("the method is none of {allow}"))
}

pub(super) fn members(body: &str) -> Result<Map<String, Value>, Rejection> {
    strict_json::object(body.as_bytes()).map_err(|problem| {
        bad(format!(
            "the body is no JSON object without duplicates: {problem}"
        ))
    })
}

pub(super) fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), Rejection> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(foreign) => Err(bad(format!(
            "{foreign:?} is not known here; write {}",
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

pub(super) fn text<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Rejection> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(bad(format!("{name} is no text, or an empty one"))),
    }
}

pub(super) fn duration(name: &str, text: &str) -> Result<Duration, Rejection> {
    positive_duration(text).map_err(|problem| bad(format!("{name}: {problem}")))
}

/// `?for=1h`, or `{"for": "1h"}`.
fn ban_lasts(query: &Query<'_>, body: &str) -> Result<Duration, Rejection> {
    let in_body = match body {
        "" => Map::new(),
        body => members(body)?,
    };
    only(&in_body, &["for"])?;
    match (query.get("for"), text(&in_body, "for")?) {
        (None, None) => Ok(BANNED_FOR),
        (Some(text), None) | (None, Some(text)) => duration("for", text),
        (Some(_), Some(_)) => Err(bad("for stands in the query and in the body")),
    }
}
