//! What one isolate keeps between requests: the policies, and what it has learned of exhausted
//! quotas and bans.

use std::cell::RefCell;
use std::collections::HashMap;

use super::dispatch::{Endpoint, Place, is_health};
use super::metrics::Counter;
use super::questions::Questions;
use super::refusals::Untold;
use super::undenied::Undenied;
use crate::config::{ConfigError, Settings};
use crate::limits::deny_cache::DenyCache;
use crate::limits::leases::Leases;
use crate::limits::route_pool::Holder;
use crate::policy::{Counting, RejectWith, Route, Site};
use crate::request::Request;
use crate::request::address::{AddressKey, Ipv6Prefix};
use crate::routing::table::Miss;

/// The gate of one isolate. Its journey of a request is in [`crate::gateway`].
pub struct Gate {
    pub(super) site: Result<Site, Vec<ConfigError>>,
    /// Used where the configuration is wrong.
    pub(super) reject_with: RejectWith,
    pub(super) known: RefCell<DenyCache>,
    pub(super) undenied: Undenied,
    pub(super) untold: RefCell<Untold>,
    pub(super) leases: RefCell<Leases>,
    /// The shares of routes' quotas that were lent to this isolate, by the routes' patterns.
    pub(super) holders: RefCell<HashMap<String, Holder>>,
    pub(super) questions: RefCell<Questions>,
    /// Where `METRICS` is on.
    pub(super) counter: Option<Counter>,
    /// A digest of the settings without secrets.
    pub(super) configuration: String,
}

impl Gate {
    pub fn new(settings: &Settings) -> Self {
        let site = Site::read(settings);
        let is_counting = site.as_ref().is_ok_and(|site| site.metrics);
        Self {
            counter: is_counting.then(Counter::default),
            configuration: settings.digest(),
            site,
            reject_with: RejectWith::alone(settings),
            known: RefCell::default(),
            undenied: Undenied::default(),
            untold: RefCell::default(),
            leases: RefCell::default(),
            holders: RefCell::default(),
            questions: RefCell::default(),
        }
    }

    /// What to log once per isolate: all configuration errors, or all warnings.
    pub fn remarks(&self) -> Vec<String> {
        match &self.site {
            Ok(site) => site.warnings.clone(),
            Err(errors) => errors.iter().map(ConfigError::to_string).collect(),
        }
    }

    /// Whether every setting is right.
    pub fn is_configured(&self) -> bool {
        self.site.is_ok()
    }

    /// What the request asks for. Without a sound configuration only the health endpoint exists.
    pub fn place(&self, request: &Request<'_>) -> Place<'_> {
        match &self.site {
            Ok(site) => site.find(request),
            Err(_) if is_health(request) => Place::Endpoint(Endpoint::Health),
            Err(_) => Place::Nowhere(Miss::NoRoute),
        }
    }

    /// What the request's address is counted and recorded by at that place.
    pub fn address_key(&self, request: &Request<'_>, place: &Place<'_>) -> AddressKey {
        let counting = self.counting(place);
        let prefix = counting.map(|counting| counting.ipv6_prefix);
        request.address.key(prefix.unwrap_or_default())
    }

    /// Whether an admission there is logged, by a point that is drawn for it evenly from all
    /// numbers: `LOG_ADMITTED`.
    pub fn samples(&self, place: &Place<'_>, drawn: u64) -> bool {
        let share = place.route().map(|(_, route)| route.policy.log_admitted);
        share.is_none_or(|share| share.contains(drawn))
    }

    /// How attempts are counted at that place; `None` without a sound configuration.
    pub(super) fn counting<'a>(&'a self, place: &Place<'a>) -> Option<&'a Counting> {
        let site = self.site.as_ref().ok()?;
        Some(match place.route() {
            Some((_, route)) => &route.policy.counting,
            None => &site.elsewhere.counting,
        })
    }

    /// How much of an IPv6 address counts for the gate as a whole.
    pub(super) fn ipv6_prefix(&self) -> Ipv6Prefix {
        let site = self.site.as_ref();
        site.map(|site| site.elsewhere.counting.ipv6_prefix)
            .unwrap_or_default()
    }

    /// Whether pages of this origin are allowed at that place; where it has no rule of its own, on
    /// any route.
    pub(super) fn allows_origin(&self, place: &Place<'_>, origin: &str) -> bool {
        let allows = |route: &Route| route.policy.origins.check(Some(origin)).is_ok();
        match (&self.site, place.route()) {
            (Ok(_), Some((_, route))) => allows(route),
            (Ok(site), None) => site.routes.iter().any(allows),
            (Err(_), _) => false,
        }
    }
}
