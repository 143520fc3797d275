//! Checked settings: everything that the journey of a request needs to know.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::admin::Administrators;
use crate::checks::origin::OriginRule;
use crate::checks::permission::Permission;
use crate::limits::quota::{Limits, Quota};
use crate::one_time::ticket::Binding;
use crate::relay::RelayMode;
use crate::relay::first_message::FirstMessage;
use crate::request::address::{AddressKey, Ipv6Prefix};
use crate::request::parameters::Parameters;
use crate::response::security_headers::SecurityHeaders;
use crate::routing::table::{self, Table};
use crate::token::{Authentication, Identity};
use crate::upstream::assertion::AssertionKey;
use crate::upstream::{Upstream, UpstreamHeaders};
use crate::util::digest::digest;
use crate::util::hex;
use crate::util::share::Share;
use crate::util::time::Timestamp;

/// A configuration without errors.
#[derive(Debug)]
pub struct Site {
    pub routes: Table<Policy>,
    pub elsewhere: Elsewhere,
    /// `None` where there are no administrators.
    pub administrators: Option<Administrators>,
    /// Whether attempts are counted for an administrator.
    pub metrics: bool,
    pub warnings: Vec<String>,
}

/// The settings that hold where no route matches.
#[derive(Debug)]
pub struct Elsewhere {
    pub require_tls: bool,
    pub counting: Counting,
    pub reject_with: RejectWith,
    pub security_headers: SecurityHeaders,
}

/// A path pattern and the policy for what matches it.
pub type Route = table::Route<Policy>;

impl Site {
    /// The ways of counting under which refused attempts ban an address.
    pub fn banning(&self) -> impl Iterator<Item = &Counting> {
        let of_routes = self.routes.iter().flat_map(|route| {
            let Policy {
                counting, trial, ..
            } = &route.policy;
            [counting].into_iter().chain(trial)
        });
        let all = of_routes.chain([&self.elsewhere.counting]);
        all.filter(|counting| counting.address.limits.ban.is_some())
    }

    pub(crate) fn published_keys(&self) -> impl Iterator<Item = &Value> {
        let keys = self
            .routes
            .iter()
            .flat_map(|route| &route.policy.assertion_key);
        keys.filter_map(AssertionKey::public)
    }

    /// The public keys that servers check assertions with, as a JWK Set (RFC 7517 §5).
    pub fn key_set(&self) -> String {
        let mut keys: Vec<&Value> = Vec::new();
        for key in self.published_keys() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        json!({ "keys": keys }).to_string()
    }
}

/// What happens to requests that are not upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    Reject,
    Proxy,
    /// Under the checks of an upgrade, but for the handshake.
    Guard,
}

/// `MODE`: whether refusals are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    /// Every check runs, and what would be refused is only recorded.
    Report,
    /// This share of addresses is enforced, and the others are reported.
    Canary(Share),
}

impl Mode {
    /// Whether refusals of this address are only reported. An address is always on the same side,
    /// and a larger share enforces all addresses that a smaller one does. An unknown address is
    /// enforced by any share.
    pub fn only_reports(self, address: AddressKey) -> bool {
        match self {
            Self::Enforce => false,
            Self::Report => true,
            Self::Canary(_) if !address.is_known() => false,
            Self::Canary(share) => !share.contains(place_of(address)),
        }
    }
}

/// The place of an address among all, by a digest: neighbours are spread evenly.
fn place_of(address: AddressKey) -> u64 {
    let digest = digest([Some("canary"), Some(&address.to_string())]);
    let first = digest.first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*first)
}

/// The checked settings of one route.
#[derive(Debug)]
pub struct Policy {
    pub require_tls: bool,
    pub origins: OriginRule,
    /// `None` where `AUTH` is `off`.
    pub authentication: Option<Authentication>,
    pub one_time: OneTime,
    pub permission: Permission,
    pub upstream: Upstream,
    pub upstream_timeout: Duration,
    pub upstream_headers: UpstreamHeaders,
    /// Signs the assertion that the server gets with each upgrade.
    pub assertion_key: Option<AssertionKey>,
    pub counting: Counting,
    pub mode: Mode,
    /// How attempts are counted that are only reported: apart, so that they count against nobody.
    /// `None` where all are enforced.
    pub trial: Option<Counting>,
    /// Which share of admitted attempts is logged: `LOG_ADMITTED`.
    pub log_admitted: Share,
    pub relay: RelayMode,
    /// `None` where no token is looked for in messages.
    pub first_message: Option<FirstMessage>,
    pub registering: Registering,
    pub plain_http: PlainHttp,
    pub reject_with: RejectWith,
    pub security_headers: SecurityHeaders,
    /// Legal, but worth a line in the log.
    pub warnings: Vec<String>,
}

impl Policy {
    /// Sets how attempts are counted that are only reported, by the way that others are.
    pub(crate) fn prepare_trial(&mut self) {
        let is_needed = self.mode != Mode::Enforce;
        self.trial = is_needed.then(|| self.counting.for_trial());
    }
}

/// The Durable Object binding that counts attempts of addresses and admissions of users.
pub const LEDGER_BINDING: &str = "LEDGER";

/// The Durable Object binding that counts admissions of routes.
pub const ROUTE_QUOTA_BINDING: &str = "ROUTE_QUOTA";

/// What happens to an attempt that can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    Reject,
    Admit,
}

/// What happens to a socket that finds all slots taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    #[default]
    Refuse,
    /// It takes the slot of the oldest, which is closed.
    CloseOldest,
}

/// How attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    pub address: ScopeLimits,
    pub user: ScopeLimits,
    /// Admissions of each route, all clients together.
    pub route: Option<Quota>,
    pub ipv6_prefix: Ipv6Prefix,
    pub on_full: OnFull,
    /// When a counter does not answer.
    pub on_failure: FailurePolicy,
    /// When revocations, bans or used tokens can't be looked up.
    pub on_registry_failure: FailurePolicy,
    /// How long a counter may take to answer.
    pub timeout: Duration,
    /// Whether it counts what is only reported.
    pub is_trial: bool,
}

impl Counting {
    /// The same limits, counted apart from attempts that are enforced.
    pub(crate) fn for_trial(&self) -> Self {
        Self {
            is_trial: true,
            ..self.clone()
        }
    }

    /// The name of an object that counts: another one for what is only reported.
    pub fn object_name(&self, mut name: String) -> String {
        if self.is_trial {
            name.push_str(TRIAL);
        }
        name
    }
}

/// Ends the names of objects that count what is only reported. No address, digest or pattern ends so.
const TRIAL: &str = " (report)";

/// How the attempts of one scope, an address or a user, are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeLimits {
    pub limits: Limits,
    /// The path of the route if it counts apart, because it has a limit of its own. Empty for all
    /// routes that count together.
    pub group: String,
    /// How many sockets the scope may hold open at a time, on all routes with such a cap.
    pub max_sockets: Option<u32>,
}

impl ScopeLimits {
    /// Whether a ledger must be asked.
    pub fn needs_a_ledger(&self) -> bool {
        self.limits.need_a_ledger() || self.max_sockets.is_some()
    }
}

/// The Durable Object binding that keeps tickets and `jti`s, which are used once.
pub const ONE_TIME_BINDING: &str = "ONE_TIME";

/// Settings of what can be used once: tickets and, with `JWT_REPLAY`, tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTime {
    /// `None` where there are no tickets. The query parameter is then the server's own.
    pub ticket_ttl: Option<Duration>,
    pub ticket_binding: Binding,
    /// Equal for routes on which a ticket may be used that is not bound to one.
    pub(crate) ticket_rules: String,
    /// `JWT_REPLAY=reject`.
    pub rejects_replay: bool,
    pub(crate) leeway: Duration,
    pub(crate) max_age: Option<Duration>,
}

impl OneTime {
    /// When a token stops being accepted.
    pub fn accepted_until(&self, identity: &Identity) -> Timestamp {
        identity.accepted_until(self.leeway, self.max_age)
    }
}

/// The Durable Object binding that keeps live sockets, revocations and bans.
pub const REGISTRY_BINDING: &str = "REGISTRY";

/// When the registry is asked about sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registering {
    /// When the registry is asked whether an upgrade is revoked or banned.
    pub judging: Judging,
    /// Whether open sockets are registered, so that they can be disconnected and refreshed.
    pub is_held: bool,
    /// Equal for routes that accept the same tokens.
    pub(crate) rules: String,
}

/// When upgrades are judged by the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judging {
    /// There is no registry.
    Never,
    /// Without `ADMIN_TOKEN`: nobody can deny anything now, but what was denied before still holds.
    WhileDenialsExist,
    /// With `ADMIN_TOKEN`.
    Always,
}

impl Registering {
    /// An id that is equal for sockets which the same tokens would open. A token refreshes only
    /// sockets of its own realm.
    pub fn realm(&self, permission: &Permission, parameters: &Parameters) -> String {
        let asked: Vec<_> = permission
            .parameters()
            .map(|name| parameters.get(name))
            .collect();
        if asked.is_empty() {
            return self.rules.clone();
        }
        digest_of(&json!([self.rules, asked]))
    }

    /// Adds the `claims` of a route to the rules.
    pub(crate) fn add_claims(&mut self, claims: &Value) {
        self.rules = digest_of(&json!([self.rules, claims]));
    }
}

pub(crate) fn digest_of(rules: &Value) -> String {
    hex(&Sha256::digest(rules.to_string())[..16])
}

/// How a refused handshake is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectWith {
    /// With a status.
    Http,
    /// With the close code of a socket that is opened for this purpose.
    Close,
}
