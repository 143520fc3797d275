//! The query of an administrator's request.

use std::borrow::Cow;

use super::command::{Command, Filter, Target, bad, read_address};
use crate::request::address::Ipv6Prefix;
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
