//! One request on its journey.

use super::dispatch::Place;
use super::gate::Gate;
use super::leases::UserReservation;
use super::limits::{Counters, LedgerReservations};
use super::metrics::Stopwatch;
use super::platform::{BackgroundTask, Channels, Platform};
use super::route_limit::RouteReservation;
use crate::limits::refusals::Refusals;
use crate::policy::{Counting, Policy};
use crate::record::{Record, Stage};
use crate::relay::first_message::Opened;
use crate::request::Request;
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::routing::table::Match;

/// A route, as a request found it.
pub(super) type Found<'a> = &'a Match<'a, Policy>;

/// A request, and everything that its steps share.
pub(super) struct Attempt<'a, P: Platform> {
    pub gate: &'a Gate,
    pub platform: &'a P,
    pub request: &'a Request<'a>,
    pub place: &'a Place<'a>,
    /// For the log alone: nothing is decided by it.
    pub record: &'a mut Record,
    pub reservations: Reservations<P::Channel>,
    /// What was decided of the first message, where the client has its answer already.
    pub opened: Option<Opened>,
    /// Whether it counts as an attempt of its address: once its token is looked at.
    pub is_attempt: bool,
    /// Whether the ledger of its address was asked to admit it, and counted it then.
    pub is_counted: bool,
    /// Whether refusals are only reported, where the request can be forwarded in spite of them.
    pub only_reports: bool,
    /// The first refusal that was only reported: what would have ended the attempt.
    pub finding: Option<Rejection>,
    /// Where `METRICS` is on.
    stopwatch: Option<Stopwatch>,
    /// Who asks, once an administrator is known.
    pub administrator: Option<String>,
}

/// What objects hold for an attempt until it is decided. It is committed when the attempt goes on
/// to the server, and otherwise given back.
pub(super) struct Reservations<C> {
    pub ledgers: LedgerReservations<C>,
    pub route: RouteReservation,
}

impl<C> Reservations<C> {
    /// Nothing is given back any more. Returns the channels, which the socket holds from now on.
    fn commit(&mut self) -> Vec<C> {
        let Self { ledgers, .. } = std::mem::take(self);
        ledgers.channels
    }
}

impl<C> Default for Reservations<C> {
    fn default() -> Self {
        Self {
            ledgers: LedgerReservations::default(),
            route: RouteReservation::default(),
        }
    }
}

impl<'a, P: Platform> Attempt<'a, P> {
    pub fn new(
        gate: &'a Gate,
        platform: &'a P,
        request: &'a Request<'a>,
        place: &'a Place<'a>,
        record: &'a mut Record,
    ) -> Self {
        let only_reports = place.only_reports(request.address);
        if only_reports {
            record.mode = "report";
        }
        Self {
            gate,
            platform,
            request,
            place,
            record,
            reservations: Reservations::default(),
            opened: None,
            is_attempt: false,
            is_counted: false,
            only_reports,
            finding: None,
            stopwatch: gate.counts().then(|| Stopwatch::start(platform.now())),
            administrator: None,
        }
    }

    /// Takes the verdict of a check. Where refusals are only reported, a refusal is noted and the
    /// attempt goes on.
    pub fn heed(&mut self, verdict: Result<(), Rejection>) -> Result<(), Rejection> {
        self.heed_or(verdict, || ())
    }

    /// Takes the verdict of a check that finds something. In spite of a refusal that is only
    /// reported the attempt goes on, with `otherwise` in place of what was to be found.
    pub fn heed_or<T>(
        &mut self,
        verdict: Result<T, Rejection>,
        otherwise: impl FnOnce() -> T,
    ) -> Result<T, Rejection> {
        match verdict {
            Err(rejection) if self.only_reports && rejection.reason.is_only_reported() => {
                self.record.note_finding(&rejection);
                // It would have got no further, so it holds nothing.
                self.reservations.ledgers.channels.clear();
                self.reservations.ledgers.full.clear();
                self.finding.get_or_insert(rejection);
                Ok(otherwise())
            }
            verdict => verdict,
        }
    }

    /// Passes a verdict on that is heeded later. Where it can't be reported, a refusal is carried out
    /// in any mode.
    pub fn heed_later<T>(
        &mut self,
        can_report: bool,
        verdict: Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        if verdict.is_err() && !can_report {
            self.only_reports = false;
        }
        verdict
    }

    /// How this attempt is counted on a route.
    pub fn counting(&self, policy: &'a Policy) -> &'a Counting {
        let trial = policy.trial.as_ref().filter(|_| self.only_reports);
        trial.unwrap_or(&policy.counting)
    }

    /// Notes for the log which step the attempt reached.
    pub fn enter(&mut self, stage: Stage) {
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.leave(self.record.stage, self.platform.now());
        }
        self.record.stage = stage;
    }

    /// The client's address as `counting` counts it.
    pub fn address(&self, counting: &Counting) -> AddressKey {
        self.request.address.key(counting.ipv6_prefix)
    }

    /// The counters under these settings.
    pub fn counters(&self, counting: &'a Counting) -> Counters<'a, P> {
        Counters {
            gate: self.gate,
            platform: self.platform,
            counting,
        }
    }

    /// The attempt goes on to the server: what was reserved for it is used. If it would have been
    /// refused, only its registration is.
    pub fn commit(&mut self) -> Vec<<P as Channels>::Channel> {
        match self.finding {
            None => self.reservations.commit(),
            Some(_) => std::mem::take(&mut self.reservations.ledgers.channels),
        }
    }

    /// Ends the attempt: gives back what was reserved and not committed, and tells the ledger of
    /// the address what it does not know yet, after the response.
    pub fn conclude<T>(mut self, result: &Result<T, Rejection>) {
        if let Some(mut stopwatch) = self.stopwatch.take()
            && self.administrator.is_none()
        {
            stopwatch.leave(self.record.stage, self.platform.now());
            self.gate.count_stages(stopwatch);
        }
        if let Err(rejection) = result {
            self.record
                .note_path(&rejection.reason, self.request.url.path);
        }
        let Reservations { ledgers, route } = std::mem::take(&mut self.reservations);
        self.gate.give_back_route(self.platform, route);
        match ledgers.user {
            Some(UserReservation::Asked(call)) => {
                let task = BackgroundTask::Ledger(call);
                self.platform.run_in_background(task);
            }
            Some(UserReservation::Drawn(drawn)) => self.gate.give_back_drawn(drawn),
            None => {}
        }
        let Some(counting) = self.place_counting() else {
            return;
        };
        let refusal = self.finding.as_ref().or(result.as_ref().err());
        let reason = refusal.map(|rejection| &rejection.reason);
        let limits = counting.address.limits;
        let is_failure = limits.ban.is_some()
            && reason.is_some_and(Reason::counts_towards_ban)
            && self.is_the_clients_own();
        let address = self.request.address.key(counting.ipv6_prefix);
        let now = self.platform.now();
        // An address that is known to be refused is not counted further.
        let is_known = || self.gate.check_address(counting, address, now).is_err();
        let is_uncounted = self.is_attempt && !self.is_counted;
        let counts_attempt = is_uncounted && (limits.quota.is_some() || is_failure);
        // One that was counted was not known to be refused.
        let counts = match self.is_attempt && self.is_counted {
            true => is_failure,
            false => (counts_attempt || is_failure) && !is_known(),
        };
        if counts {
            let refusals = Refusals {
                attempts: counts_attempt.into(),
                failures: is_failure.into(),
            };
            let failed = refusal.filter(|_| is_failure).map(|rejection| {
                let mut record = Box::new(self.record.clone());
                if !self.only_reports {
                    record.note_refusal(rejection);
                }
                record
            });
            let call = counting.count_address(address, refusals, now);
            self.gate
                .count_refusal(self.platform, call, refusals, failed);
        }
    }

    /// How this attempt is counted where it was made; `None` without a sound configuration.
    fn place_counting(&self) -> Option<&'a Counting> {
        match self.place.route() {
            Some((_, route)) => Some(self.counting(&route.policy)),
            None => self.gate.counting(self.place),
        }
    }

    /// Whether the client itself must have caused a failure. A page of another site can make its
    /// visitor's browser send a request, but its `Origin` tells, and without one the browser lets
    /// no page ask for a WebSocket.
    fn is_the_clients_own(&self) -> bool {
        let Some(origin) = self.request.headers.get("origin") else {
            let is_page_load =
                matches!(self.place, Place::Route(_)) && self.request.is_plain_read();
            return self.request.asks_for_websocket() || (self.is_attempt && !is_page_load);
        };
        self.gate.allows_origin(self.place, &origin)
    }
}
