//! `GET explain`: everything that is known about one client.

use serde::Serialize;

use super::Target;
use super::responses::{RevocationView, SocketView, name, seconds};
use crate::limits::ledger::Explanation;
use crate::limits::quota::{BanRule, Quota};
use crate::registry::{ListedDenial, Socket};
use crate::util::time::{Timestamp, millis};

/// What is known about an address or a subject.
#[derive(Serialize)]
pub struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    counts: Vec<CountView>,
    bans: Vec<BanView>,
    revocations: Vec<RevocationView>,
    sockets: Vec<SocketView>,
    truncated: bool,
}

/// What a ledger has counted of the client, under the limits of one group of routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountView {
    /// The route that counts separately; `None` for the routes that count together.
    route: Option<String>,
    /// The issuer whose subject is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    quota: Option<String>,
    counted: u32,
    /// Seconds until the next attempt fits.
    wait: u64,
    max_sockets: Option<u32>,
    sockets: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ban_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
}

/// The limits that a count is compared with.
pub struct CountedBy<'a> {
    /// Empty for the routes that count together.
    pub group: &'a str,
    pub issuer: Option<&'a str>,
    pub quota: Option<Quota>,
    pub max_sockets: Option<u32>,
    pub ban: Option<BanRule>,
}

impl CountView {
    pub fn new(by: &CountedBy<'_>, known: &Explanation) -> Self {
        Self {
            route: (!by.group.is_empty()).then(|| by.group.to_owned()),
            iss: by.issuer.map(str::to_owned),
            quota: by.quota.map(|quota| quota.to_string()),
            counted: known.counted,
            wait: millis(known.outlook.exhausted_for).div_ceil(1000),
            max_sockets: by.max_sockets,
            sockets: known.sockets,
            ban_after: by.ban.map(|rule| rule.to_string()),
            failures: by.ban.map(|_| known.failures),
        }
    }
}

/// A ban of the client, by an administrator or by `BAN_AFTER`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BanView {
    since: u64,
    until: u64,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Origin {
    #[serde(rename = "administrator")]
    Administrator,
    #[serde(rename = "BAN_AFTER")]
    BanAfter,
}

impl BanView {
    /// The ban that `BAN_AFTER` imposed, if one is in force.
    pub fn of_failures(known: &Explanation, now: Timestamp) -> Option<Self> {
        (!known.outlook.banned_for.is_zero()).then(|| Self {
            since: seconds(known.banned_since),
            until: seconds(now + known.outlook.banned_for),
            origin: Origin::BanAfter,
        })
    }
}

impl From<ListedDenial> for BanView {
    fn from(listed: ListedDenial) -> Self {
        Self {
            since: seconds(listed.since),
            until: seconds(listed.denial.until),
            origin: Origin::Administrator,
        }
    }
}

/// What was found out about a client.
#[derive(Default)]
pub struct Findings {
    pub counts: Vec<CountView>,
    pub bans: Vec<BanView>,
    pub revocations: Vec<ListedDenial>,
    pub sockets: Vec<Socket>,
    pub truncated: bool,
}

impl Explained {
    pub fn new(target: &Target, findings: Findings) -> Self {
        let name = Some(name(target));
        let (ip, sub) = match target {
            Target::Address { .. } => (name, None),
            Target::Subject(_) => (None, name),
        };
        let revocations = findings.revocations.into_iter();
        let sockets = findings.sockets.into_iter();
        Self {
            ip,
            sub,
            counts: findings.counts,
            bans: findings.bans,
            revocations: revocations.map(RevocationView::from).collect(),
            sockets: sockets.map(SocketView::from).collect(),
            truncated: findings.truncated,
        }
    }
}
