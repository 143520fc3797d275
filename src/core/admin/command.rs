//! An administrator's request, read strictly: anything unknown is refused by name.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::PREFIX;
use super::responses::name;
use super::revocation::{Revocation, read_id, revocation};
use crate::registry::{About, Claim, RegistryKey};
use crate::request::Request;
use crate::request::address::{AddressKey, ClientAddress, Ipv6Prefix};
use crate::request::percent;
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
    fn counted(address: ClientAddress, prefix: Ipv6Prefix) -> Self {
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
                let target = read_target(target, query.get("kind"), prefix)?;
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

/// The parameters of a query, each at most once.
struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    fn read(query: &'a str) -> Result<Self, Rejection> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in percent::pairs(query) {
            let (name, value) = pair.map_err(|fault| bad(format!("the query has {fault}")))?;
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(bad(format!("{name:?} stands twice in the query")));
            }
            if value.is_empty() {
                return Err(bad(format!("{name:?} in the query has no value")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    fn only(&self, known: &[&str]) -> Result<(), Rejection> {
        let mut names = self.0.iter().map(|(name, _)| name);
        match names.find(|name| !known.contains(&name.as_ref())) {
            Some(foreign) => Err(bad(format!("{foreign:?} in the query is not known here"))),
            None => Ok(()),
        }
    }

    fn nothing(&self) -> Result<(), Rejection> {
        self.only(&[])
    }

    fn overview(&self) -> Result<Command, Rejection> {
        self.only(&["lists"])?;
        match self.get("lists") {
            None | Some("false") => Ok(Command::Overview { with_lists: false }),
            Some("true") => Ok(Command::Overview { with_lists: true }),
            Some(other) => Err(bad(format!("lists: {other:?} is neither true nor false"))),
        }
    }

    fn explained(&self, prefix: Ipv6Prefix) -> Result<Command, Rejection> {
        self.only(&["sub", "ip", "iss"])?;
        let issuer = self.get("iss").map(str::to_owned);
        let target = match (self.get("sub"), self.get("ip")) {
            (Some(subject), None) => Target::Subject(subject.to_owned()),
            (None, Some(ip)) if issuer.is_none() => query_address(ip, prefix)?,
            (None, Some(_)) => return Err(bad("iss goes with sub; remove one")),
            (None, None) => return Err(bad("name the client: sub or ip in the query")),
            (Some(_), Some(_)) => return Err(bad("write one of sub and ip")),
        };
        Ok(Command::Explain { target, issuer })
    }

    fn filter(&self, prefix: Ipv6Prefix) -> Result<Option<Filter>, Rejection> {
        self.only(&["sub", "ip", "id"])?;
        match self.0.as_slice() {
            [] => Ok(None),
            [(name, value)] => Ok(Some(match name.as_ref() {
                "sub" => Filter::Of(Target::Subject(value.to_string())),
                "id" => Filter::Id(value.to_string()),
                _ => Filter::Of(query_address(value, prefix)?),
            })),
            _ => Err(bad("write one of sub, ip and id")),
        }
    }
}

fn query_address(value: &str, prefix: Ipv6Prefix) -> Result<Target, Rejection> {
    let address = read_address(value, prefix);
    let wrong = || bad(format!("ip: {value:?} is no IP address"));
    Ok(Target::counted(address.ok_or_else(wrong)?, prefix))
}

/// Reads an address, or the network it is counted by, as records and lists write it.
fn read_address(text: &str, prefix: Ipv6Prefix) -> Option<ClientAddress> {
    let (ip, network) = match text.split_once('/') {
        None => (text, None),
        Some((ip, _)) => (ip, Some(text)),
    };
    let is_address = ip.parse::<IpAddr>().is_ok();
    let address = is_address.then(|| ClientAddress::parse(Some(ip)))?;
    let is_counted = network.is_none_or(|network| address.key(prefix).to_string() == network);
    is_counted.then_some(address)
}

/// Whether a text reads as a network.
fn is_network(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(ip, bits)| ip.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok())
}

/// Reads what `kind` says: an address or a subject. Without it, what reads as an address is one, and
/// everything else is a subject. A network that no client is counted by is an error: its administrator
/// would believe it banned.
fn read_target(path: &str, kind: Option<&str>, prefix: Ipv6Prefix) -> Result<Target, Rejection> {
    let text = percent::decode(path).map_err(|fault| bad(format!("the path has {fault}")))?;
    match (kind, read_address(&text, prefix)) {
        (None | Some("ip"), Some(address)) => Ok(Target::counted(address, prefix)),
        (None | Some("ip"), None) if is_network(&text) => Err(bad(format!(
            "{text:?} is no network that is counted as one; write an address in it"
        ))),
        (Some("ip"), None) => Err(bad(format!(
            "{text:?} is no IP address; kind=sub stands for a subject"
        ))),
        (None | Some("sub"), _) => Ok(Target::Subject(text.into_owned())),
        (Some(other), _) => Err(bad(format!("kind: {other:?} is neither ip nor sub"))),
    }
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
