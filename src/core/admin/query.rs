//! The query of an administrator's request.

use std::borrow::Cow;
use std::net::IpAddr;

use super::command::{Command, Filter, Target, bad};
use crate::request::address::{ClientAddress, Ipv6Prefix};
use crate::request::percent;
use crate::response::reason::Rejection;

/// The parameters of a query, each at most once.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub fn read(query: &'a str) -> Result<Self, Rejection> {
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

    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    pub fn only(&self, known: &[&str]) -> Result<(), Rejection> {
        let mut names = self.0.iter().map(|(name, _)| name);
        match names.find(|name| !known.contains(&name.as_ref())) {
            Some(foreign) => Err(bad(format!("{foreign:?} in the query is not known here"))),
            None => Ok(()),
        }
    }

    pub fn nothing(&self) -> Result<(), Rejection> {
        self.only(&[])
    }

    pub fn overview(&self) -> Result<Command, Rejection> {
        self.only(&["lists"])?;
        match self.get("lists") {
            None | Some("false") => Ok(Command::Overview { with_lists: false }),
            Some("true") => Ok(Command::Overview { with_lists: true }),
            Some(other) => Err(bad(format!("lists: {other:?} is neither true nor false"))),
        }
    }

    pub fn explained(&self, prefix: Ipv6Prefix) -> Result<Command, Rejection> {
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

    /// The client that a path names, of the kind that `kind` says. Without it, what reads as an address
    /// is one, and everything else is a subject. A network that no client is counted by is an error: its
    /// administrator would believe it banned.
    pub fn named(&self, path: &str, prefix: Ipv6Prefix) -> Result<Target, Rejection> {
        let text = percent::decode(path).map_err(|fault| bad(format!("the path has {fault}")))?;
        match (self.get("kind"), read_address(&text, prefix)) {
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

    pub fn filter(&self, prefix: Ipv6Prefix) -> Result<Option<Filter>, Rejection> {
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
