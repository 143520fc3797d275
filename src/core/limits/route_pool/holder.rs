//! The isolate's side: its share of a route's quota, and what it knows of the rest.

use std::collections::VecDeque;
use std::time::Duration;

use super::demand::Demand;
use super::uses::{ShareUse, Uses};
use super::{HOLD, MIN_TO_LEND, PoolGrant, PoolOperation, PoolRequest};
use crate::limits::deny_cache::TRUST;
use crate::limits::quota::Quota;
use crate::util::time::Timestamp;

/// The age from which a share is renewed after a response, so that no client waits for it.
const RENEWAL_AGE: Duration = Duration::from_secs(3);

/// How many requests for one admission each may be under way at once; for a share it is one. With
/// the number of isolates this bounds the queue of an object.
const MAX_UNDER_WAY: usize = 8;

/// How long a client waits before it looks again when too many requests are under way. It doubles
/// as a part of the time waited.
const LOOK: Duration = Duration::from_millis(10);

/// How far a clock may seem to go back only because two requests read it at about one time.
const JITTER: Duration = Duration::from_secs(1);

/// One route's quota as one isolate sees it.
///
/// The isolate's clock may jump, so it can only end a share early. Timers, which measure time
/// without reading a clock, also say that a share has ended or that a window has passed.
#[derive(Debug)]
pub struct Holder {
    quota: Quota,
    isolate: u64,
    /// The number of the last request, and of the last account of the share.
    number: u64,
    accounted: u64,
    /// The latest time that the isolate's clock showed.
    latest: Timestamp,
    /// How much the isolate may admit in any window.
    share: u32,
    uses: Uses,
    lease: Option<ShareLease>,
    renewal: Option<ShareRenewal>,
    /// Requests for one admission each: their numbers, and until when they may be answered.
    under_way: VecDeque<(u64, Timestamp)>,
    /// The last request was not answered. Until that ends, one request at a time is enough.
    is_unanswered: bool,
    /// When the pool said that there is nothing to be had.
    nothing: Option<Nothing>,
    demand: Demand,
}

/// The pool's word that there is nothing to be had.
#[derive(Debug, Clone, Copy)]
struct Nothing {
    until: Timestamp,
    /// Not longer, since an admission may be given back by any isolate.
    trusted_until: Timestamp,
}

impl Nothing {
    fn for_now(wait: Duration, now: Timestamp) -> Option<Self> {
        (!wait.is_zero()).then(|| Self {
            until: now + wait,
            trusted_until: now + wait.min(TRUST),
        })
    }

    fn wait(self, now: Timestamp) -> Option<Duration> {
        (now < self.trusted_until).then(|| self.until.since(now))
    }
}

/// How long the share is held.
#[derive(Debug, Clone, Copy)]
struct ShareLease {
    /// The number of the request for it.
    number: u64,
    since: Timestamp,
}

/// The last request for a share, under way.
#[derive(Debug, Clone, Copy)]
struct ShareRenewal {
    number: u64,
    since: Timestamp,
    used: u32,
    /// When its answer is no longer awaited.
    until: Timestamp,
}

/// What happens to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Admit(Admission),
    Refuse {
        wait: Duration,
    },
    Ask(PoolRequest),
    /// Enough requests are under way. Decide again after this long.
    Wait(Duration),
}

/// An admission, by which it can be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// From the isolate's share, after the account with this number.
    Here { of: ShareUse, accounted: u64 },
    /// Granted by the pool to the request with this number.
    There { number: u64 },
}

/// What is to be done after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderTask {
    Ask(PoolRequest),
    Wake { after: Duration, alarm: Alarm },
}

/// The purpose of a timer. It may come late, but never early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The share that the request with this number asked for has ended.
    Lease { number: u64 },
    /// A beat of the clock of uses has ended.
    Beat { serial: u64 },
}

impl Holder {
    /// `isolate` is a random number.
    pub fn new(quota: Quota, isolate: u64) -> Self {
        Self {
            quota,
            isolate,
            number: 0,
            accounted: 0,
            latest: Timestamp::default(),
            share: 0,
            uses: Uses::new(quota.window()),
            lease: None,
            renewal: None,
            under_way: VecDeque::new(),
            is_unanswered: false,
            nothing: None,
            demand: Demand::default(),
        }
    }

    /// How long every client is certainly refused.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        if now + JITTER < self.latest || (self.holds(now) && self.available() > 0) {
            return None;
        }
        self.nothing.and_then(|nothing| nothing.wait(now))
    }

    /// Decides on a client that has waited this long already. After `timeout` a request to the pool
    /// counts as unanswered.
    pub fn decide(
        &mut self,
        waited: Duration,
        now: Timestamp,
        timeout: Duration,
    ) -> (Decision, Vec<HolderTask>) {
        self.read_clock(now);
        if waited.is_zero() {
            self.demand.note(now);
        }
        let mut tasks: Vec<_> = self.uses.beat(now).into_iter().collect();
        if let Some(taken) = self.take(now) {
            tasks.extend(self.uses.beat(now));
            if self.should_renew(now) {
                let (request, alarm) = self.ask_for_share(false, now, timeout);
                tasks.extend([alarm, HolderTask::Ask(request)]);
            }
            return (Decision::Admit(taken), tasks);
        }
        if let Some(wait) = self.wait(now) {
            return (Decision::Refuse { wait }, tasks);
        }
        let can_be_lent = self.quota.count() >= MIN_TO_LEND;
        let decision = if can_be_lent && self.may_renew(now) {
            let (request, alarm) = self.ask_for_share(true, now, timeout);
            tasks.push(alarm);
            Decision::Ask(request)
        } else if can_be_lent {
            Decision::Wait(look_after(waited))
        } else {
            self.ask_for_one(waited, now, timeout)
        };
        (decision, tasks)
    }

    fn ask_for_one(&mut self, waited: Duration, now: Timestamp, timeout: Duration) -> Decision {
        self.under_way.retain(|(_, until)| now < *until);
        let max = match self.is_unanswered {
            true => 1,
            false => MAX_UNDER_WAY,
        };
        if self.under_way.len() >= max {
            return Decision::Wait(look_after(waited));
        }
        let request = self.request(PoolOperation::Admit, now);
        self.under_way.push_back((request.number, now + timeout));
        Decision::Ask(request)
    }

    /// Takes in an answer that a client waits for. The client is admitted, or has to wait.
    pub fn answered(
        &mut self,
        request: &PoolRequest,
        response: &PoolGrant,
        now: Timestamp,
    ) -> Result<Admission, Duration> {
        self.heard(request, response, now);
        let number = request.number;
        if response.admits {
            return Ok(Admission::There { number });
        }
        // A share may have come while this was under way.
        self.take(now).ok_or(response.wait)
    }

    /// Takes in an answer that no client waits for.
    pub fn heard(&mut self, request: &PoolRequest, response: &PoolGrant, now: Timestamp) {
        self.read_clock(now);
        let number = request.number;
        self.under_way.retain(|(asked, _)| *asked != number);
        self.is_unanswered = false;
        if let Some(renewal) = self.renewal.filter(|asked| asked.number == number) {
            self.renewal = None;
            self.share = response.share;
            self.uses.prune(renewal.used);
            let since = renewal.since;
            self.lease = Some(ShareLease { number, since });
        }
        // That there is something again is true whoever asked. How long to wait is said to those
        // that want something.
        if response.wait.is_zero() || !matches!(request.wish, PoolOperation::GiveBack { .. }) {
            self.nothing = Nothing::for_now(response.wait, now);
        }
    }

    /// Notes that a request got no answer, or an unreadable one.
    pub fn failed(&mut self, request: &PoolRequest) {
        self.is_unanswered = true;
        self.left(request);
    }

    /// Notes that nobody waits for the answer any more.
    pub fn left(&mut self, request: &PoolRequest) {
        self.under_way
            .retain(|(number, _)| *number != request.number);
        if self
            .renewal
            .is_some_and(|renewal| renewal.number == request.number)
        {
            self.renewal = None;
        }
    }

    /// Gives back an admission that was not used. Returns the request by which to tell the pool, if
    /// it has to know.
    pub fn give_back(&mut self, taken: Admission, now: Timestamp) -> Option<PoolRequest> {
        match taken {
            Admission::Here { of, accounted } => {
                // What was reported to the pool since then stays used.
                if accounted == self.accounted {
                    self.uses.take_out(of);
                }
                None
            }
            Admission::There { number } => {
                Some(self.request(PoolOperation::GiveBack { number }, now))
            }
        }
    }

    /// Takes in a timer. Returns the request by which to tell the pool, if it has to know.
    pub fn woken(
        &mut self,
        alarm: Alarm,
        now: Timestamp,
        timeout: Duration,
    ) -> Option<PoolRequest> {
        let number = match alarm {
            Alarm::Beat { serial } => {
                self.uses.beaten(serial);
                return None;
            }
            Alarm::Lease { number } => number,
        };
        if self.lease.is_some_and(|lease| lease.number == number) {
            self.lease = None;
        }
        if self.lease.is_some() || self.renewal.is_some_and(|renewal| renewal.number != number) {
            return None;
        }
        // The answer to a question of then comes too late to be used.
        self.renewal = None;
        let has_something = self.share > 0 || self.uses.total() > 0;
        has_something.then(|| self.ask_for_share(false, now, timeout).0)
    }

    /// Reads the clock. After a jump back, leases and waits are given up.
    fn read_clock(&mut self, now: Timestamp) {
        if now + JITTER < self.latest {
            self.lease = None;
            self.renewal = None;
            self.under_way.clear();
            self.nothing = None;
            self.latest = now;
        }
        self.latest = self.latest.max(now);
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.lease.is_some_and(|lease| now < lease.since + HOLD)
    }

    fn available(&self) -> u32 {
        self.share.saturating_sub(self.uses.total())
    }

    fn take(&mut self, now: Timestamp) -> Option<Admission> {
        (self.holds(now) && self.available() > 0).then(|| Admission::Here {
            of: self.uses.add(),
            accounted: self.accounted,
        })
    }

    /// How large the share should be. A single client is not a reason to ask for one.
    fn want(&self, now: Timestamp) -> u32 {
        let recent = self.demand.recent(now);
        let want = match self.uses.are_reused() {
            true => self.demand.in_a_window(self.quota.window(), now),
            false => recent,
        };
        if recent > 1 {
            want.min(self.quota.count())
        } else {
            0
        }
    }

    fn may_renew(&self, now: Timestamp) -> bool {
        self.renewal.is_none_or(|renewal| now >= renewal.until)
    }

    fn should_renew(&self, now: Timestamp) -> bool {
        let is_old = self
            .lease
            .is_some_and(|lease| now >= lease.since + RENEWAL_AGE);
        let runs_out = !self.uses.are_reused() && self.available() <= self.share / 4;
        (is_old || runs_out) && self.may_renew(now) && self.wait_is_over(now)
    }

    fn wait_is_over(&self, now: Timestamp) -> bool {
        self.nothing
            .is_none_or(|nothing| nothing.wait(now).is_none())
    }

    /// Reports what was used of the share, and asks for a new one. Until the answer comes, only what
    /// the isolate keeps may be used.
    fn ask_for_share(
        &mut self,
        admits: bool,
        now: Timestamp,
        timeout: Duration,
    ) -> (PoolRequest, HolderTask) {
        let holds = self.holds(now);
        let want = if holds || admits { self.want(now) } else { 0 };
        let (used, keep) = match (holds, self.uses.are_reused()) {
            (false, _) => (self.uses.total(), 0),
            (true, false) => (self.uses.total(), self.available().min(want)),
            (true, true) => (0, self.share.min(want).max(self.uses.total())),
        };
        self.share = used + keep;
        let wish = PoolOperation::Share {
            admits,
            used,
            keep,
            want: want.max(keep),
        };
        let request = self.request(wish, now);
        let number = request.number;
        self.accounted = number;
        self.renewal = Some(ShareRenewal {
            number,
            since: now,
            used,
            until: now + timeout,
        });
        let alarm = Alarm::Lease { number };
        (request, HolderTask::Wake { after: HOLD, alarm })
    }

    fn request(&mut self, wish: PoolOperation, now: Timestamp) -> PoolRequest {
        self.number += 1;
        PoolRequest {
            quota: self.quota,
            isolate: self.isolate,
            number: self.number,
            sent: now,
            wish,
        }
    }
}

fn look_after(waited: Duration) -> Duration {
    LOOK.max(waited / 4)
}
