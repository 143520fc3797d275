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
        let target = self.target(&["iss"], prefix)?;
        let issuer = self.get("iss").map(str::to_owned);
        if issuer.is_some() && matches!(target, Target::Address { .. }) {
            return Err(bad("iss goes with sub; remove one"));
        }
        Ok(Command::Explain { target, issuer })
    }

    /// The client that the query names, which may also have the parameters in `others`. Its name says
    /// what it is: a subject may read as an address.
    pub fn target(&self, others: &[&str], prefix: Ipv6Prefix) -> Result<Target, Rejection> {
        self.only(&[&["sub", "ip"], others].concat())?;
        match (self.get("sub"), self.get("ip")) {
            (Some(subject), None) => Ok(Target::Subject(subject.to_owned())),
            (None, Some(ip)) => query_address(ip, prefix),
            (None, None) => Err(bad("name the client: sub or ip in the query")),
            (Some(_), Some(_)) => Err(bad("write one of sub and ip")),
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

/// Reads an address. A network that no client is counted by is an error: its administrator would
/// believe it banned.
fn query_address(value: &str, prefix: Ipv6Prefix) -> Result<Target, Rejection> {
    match read_address(value, prefix) {
        Some(address) => Ok(Target::counted(address, prefix)),
        None if is_network(value) => Err(bad(format!(
            "{value:?} is no network that is counted as one; write an address in it"
        ))),
        None => Err(bad(format!("ip: {value:?} is no IP address"))),
    }
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
