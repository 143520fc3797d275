//! The object's side: what of a route's quota is used, lent and free.

mod stored;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::log::Log;
use super::{LEASE, MIN_TO_LEND, PoolGrant, PoolOperation, PoolRequest, PoolResponse, to_u32};
use crate::limits::KEPT_FOR;
use crate::limits::quota::Quota;
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::Timestamp;
pub use stored::CorruptPool;

/// The part of what is free that one isolate is lent at a time, at most.
const PART: u64 = 8;

/// The most isolates that hold a share at once, at about 60 bytes of memory each. Others ask for
/// each admission.
const MAX_HOLDERS: usize = 4096;

/// How many of the latest admissions can still be given back.
const MAX_RETURNS: usize = 1024;

/// How many requests in a second leave an object calm. It can answer about a thousand.
const CALM: u64 = 250;
const MAX_PACE: Duration = Duration::from_secs(4);

/// The smallest share that an object under strain lends, so that it is asked less often.
const MIN_UNDER_STRAIN: u32 = 16;

/// When no more than this is free, nothing is lent of it, and isolates ask again after a pause.
const LITTLE: u64 = 2 * PART;
const PACE_OF_LITTLE: Duration = Duration::from_millis(20);

/// How soon some of what is lent may come back.
const SOON: Duration = Duration::from_secs(1);

/// What is used, lent and free.
#[derive(Debug, Default)]
pub struct Pool {
    log: Log,
    shares: HashMap<u64, Share>,
    /// The sum of the shares, and of what their isolates would like to hold.
    lent: u64,
    wanted: u64,
    /// How much was lent before a restart, and when some of it was last lent.
    unknown: Option<(u64, TwoClocks)>,
    /// The isolates' clock, as far as it is known from requests.
    isolates: Timestamp,
    /// The second in which lapsed shares were last looked for.
    swept: u64,
    /// The isolate, request number and ordinal of admissions that were asked for one by one.
    returns: VecDeque<(u64, u64, u64)>,
    window: Duration,
    load: Load,
}

/// What a request is granted.
#[derive(Default)]
struct Grant {
    admits: bool,
    /// The isolate's share from now on.
    share: u32,
    /// What it would have been granted if there had been enough.
    due: u32,
}

#[derive(Debug)]
struct Share {
    number: u64,
    size: u32,
    want: u32,
    at: TwoClocks,
}

impl Pool {
    /// Answers a request, and returns the row to store before the answer leaves. There is none when
    /// the stored row counts for at least as much.
    pub fn step(
        &mut self,
        request: &PoolRequest,
        now: Timestamp,
    ) -> (PoolResponse, Option<Vec<u8>>) {
        let quota = request.quota;
        self.window = quota.window();
        self.load.note(now);
        let now = self.moment(request.sent, now);
        self.clamp_to(now);
        let granted = match request.wish {
            PoolOperation::GiveBack { number } => {
                self.take_back(request.isolate, number);
                Some(Grant::default())
            }
            PoolOperation::Admit => Some(Grant {
                admits: self.admit(request, now),
                share: 0,
                due: 1,
            }),
            PoolOperation::Share { .. } => self.lend(request, now),
        };
        let Some(Grant { admits, share, due }) = granted else {
            return (PoolResponse::Stale, None);
        };
        let is_given_all = share + u32::from(admits) >= due;
        let wait = self.wait(quota, is_given_all, now);
        let response = PoolResponse::Granted(PoolGrant {
            admits,
            share,
            wait,
        });
        let has_given = admits || share > 0;
        (response, has_given.then(|| self.encode()))
    }

    /// Now, by both clocks. The isolates' clock is the latest time of any request, since requests
    /// take a while to arrive; but a clock that was far ahead is not believed for long.
    fn moment(&mut self, sent: Timestamp, now: Timestamp) -> TwoClocks {
        let patience = self.window.min(LEASE);
        if sent > self.isolates || sent + patience < self.isolates {
            self.isolates = sent;
        }
        TwoClocks::new(now, self.isolates)
    }

    fn clamp_to(&mut self, now: TwoClocks) {
        self.log.clamp_to(now);
        self.log.prune(self.window, now);
        let second = now.object().0 / 1000;
        if self.swept == second {
            return;
        }
        self.swept = second;
        let horizon = self.horizon();
        let (lent, wanted) = (&mut self.lent, &mut self.wanted);
        self.shares.retain(|_, share| {
            share.at.clamp_to(now);
            let counts = share.at.left(horizon, now).is_some();
            if !counts {
                *lent -= u64::from(share.size);
                *wanted -= u64::from(share.want);
            }
            counts
        });
        self.unknown = self.unknown.take().and_then(|(count, mut at)| {
            at.clamp_to(now);
            at.left(horizon, now).map(|_| (count, at))
        });
    }

    fn counted(&self) -> u64 {
        let unknown = self.unknown.map_or(0, |(count, _)| count);
        self.log.total() + self.lent + unknown
    }

    fn free(&self, quota: Quota) -> u64 {
        u64::from(quota.count()).saturating_sub(self.counted())
    }

    fn admit(&mut self, request: &PoolRequest, now: TwoClocks) -> bool {
        let admits = self.free(request.quota) > 0;
        if admits {
            if self.returns.len() >= MAX_RETURNS {
                self.returns.pop_front();
            }
            let ordinal = self.log.next();
            self.returns
                .push_back((request.isolate, request.number, ordinal));
            self.log.add(1, self.window, now);
        }
        admits
    }

    fn take_back(&mut self, isolate: u64, number: u64) {
        let of_it = |&(of, to, _): &(u64, u64, u64)| (of, to) == (isolate, number);
        if let Some((_, _, ordinal)) = self
            .returns
            .iter()
            .rposition(of_it)
            .and_then(|at| self.returns.remove(at))
        {
            self.log.take_out(ordinal);
        }
    }

    /// Takes an account of a share and lends a new one. `None` for a request that a later one
    /// overtook.
    fn lend(&mut self, request: &PoolRequest, now: TwoClocks) -> Option<Grant> {
        let PoolOperation::Share {
            admits,
            used,
            keep,
            want,
        } = request.wish
        else {
            return None;
        };
        let isolate = request.isolate;
        let known = self.shares.get(&isolate);
        if known.is_some_and(|share| share.number >= request.number) {
            return None;
        }
        // If the pool knows of no share, what the isolate reports of one either counts already,
        // since before a restart, or counts no longer.
        let (held, wanted) = known.map_or((0, 0), |share| (share.size, share.want));
        let kept = keep.min(held);
        self.log.add(used.min(held - kept), self.window, now);
        self.shares.remove(&isolate);
        self.lent -= u64::from(held - kept);
        self.wanted -= u64::from(wanted);
        let admitted = admits && self.admit(request, now);
        let quota = request.quota;
        let can_be_lent = quota.count() >= MIN_TO_LEND && self.shares.len() < MAX_HOLDERS;
        let want = match want {
            0 if !admits => 0,
            want if can_be_lent && self.load.is_a_strain() => want.max(MIN_UNDER_STRAIN),
            want => want,
        };
        self.wanted += u64::from(want);
        let fair = self.fair(quota, want);
        let part = if can_be_lent {
            self.free(quota) / PART
        } else {
            0
        };
        let granted = fair.saturating_sub(kept).min(to_u32(part));
        let size = kept + granted;
        self.lent += u64::from(granted);
        if size == 0 {
            self.wanted -= u64::from(want);
        } else {
            let share = Share {
                number: request.number,
                size,
                want,
                at: now,
            };
            self.shares.insert(isolate, share);
        }
        // An isolate with more than its part keeps counting for that until it reports less.
        Some(Grant {
            admits: admitted,
            share: size.min(fair),
            due: fair + u32::from(admits),
        })
    }

    /// What an isolate that wants this much may have. When all want more than there is, everybody
    /// gets an equal part of what it wants.
    fn fair(&self, quota: Quota, want: u32) -> u32 {
        let count = u64::from(quota.count());
        match self.wanted > count {
            true => to_u32(u64::from(want) * count / self.wanted),
            false => want,
        }
    }

    fn wait(&self, quota: Quota, is_given_all: bool, now: TwoClocks) -> Duration {
        let free = self.free(quota);
        if free > 0 && is_given_all {
            return Duration::ZERO;
        }
        let pace = self.load.pace();
        if free > LITTLE {
            return pace;
        }
        if free > 0 {
            return pace.max(PACE_OF_LITTLE);
        }
        let over = self.counted() - u64::from(quota.count());
        let by_log = self.log.wait(over + 1, self.window, now);
        let horizon = self.horizon();
        let by_unknown = self.unknown.and_then(|(_, at)| at.left(horizon, now));
        let by_shares = (self.lent > 0).then_some(SOON);
        let soonest = [by_log, by_unknown, by_shares].into_iter().flatten().min();
        soonest.unwrap_or_default().max(pace)
    }

    /// How long until the object's alarm is to look again; `None` if nothing has counted for
    /// [`KEPT_FOR`], so that the storage can be emptied.
    pub fn sleep(&self, now: Timestamp) -> Option<Duration> {
        let horizon = self.horizon();
        let shares = self.shares.values().map(|share| share.at);
        let unknown = self.unknown.iter().map(|(_, at)| *at);
        let lent = shares.chain(unknown).map(|at| at.object() + horizon);
        let used = self.log.last().map(|at| at.object() + self.window);
        let counts_until = lent.chain(used).max().unwrap_or_default();
        let kept_for = (counts_until + KEPT_FOR).since(now);
        // A clock that jumped back left it in the future.
        let kept_for = kept_for.min(horizon + KEPT_FOR);
        (!kept_for.is_zero()).then_some(kept_for)
    }

    /// How long anything that is granted now may count.
    pub fn horizon(&self) -> Duration {
        self.window + LEASE
    }
}

/// The number of requests in this second and in the one before.
#[derive(Debug, Default)]
struct Load {
    second: u64,
    requests: u64,
    before: u64,
}

impl Load {
    fn note(&mut self, now: Timestamp) {
        let second = now.0 / 1000;
        if second != self.second {
            let is_next = second == self.second + 1;
            self.before = if is_next { self.requests } else { 0 };
            self.second = second;
            self.requests = 0;
        }
        self.requests += 1;
    }

    fn requests(&self) -> u64 {
        self.requests.max(self.before)
    }

    fn is_a_strain(&self) -> bool {
        self.requests() > CALM
    }

    /// How long an isolate should ask for nothing after it got less than it wanted: zero while the
    /// object is calm, and longer the more requests it gets.
    fn pace(&self) -> Duration {
        if !self.is_a_strain() {
            return Duration::ZERO;
        }
        Duration::from_millis(self.requests() * 1000 / CALM).min(MAX_PACE)
    }
}
