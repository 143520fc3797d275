//! The object's side: what of a route's quota is used, lent and free.

mod stored;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::log::Log;
use super::{LEASE, MIN_TO_LEND, PoolGrant, PoolOperation, PoolRequest, PoolResponse, to_u32};
use crate::limits::quota::Quota;
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::Timestamp;
pub use stored::CorruptPool;

/// Of what is free, one isolate is lent at most this part at a time.
const PART: u64 = 8;

/// Isolates that hold a share at once, some 60 bytes each in memory. Others ask for each
/// admission.
const MAX_HOLDERS: usize = 4096;

/// Admissions that can still be given back, the latest.
const MAX_RETURNS: usize = 1024;

/// Questions in a second that do not strain an object, which can answer about a thousand.
const CALM: u64 = 250;
const MAX_PACE: Duration = Duration::from_secs(4);

/// What an object under strain lends at least, so that it is asked less.
const MIN_UNDER_STRAIN: u32 = 16;

/// With so little left that nothing is lent of it, who asks again does so after this long.
const LITTLE: u64 = 2 * PART;
const PACE_OF_LITTLE: Duration = Duration::from_millis(20);

/// When everything is lent, some of it may come back this soon.
const SOON: Duration = Duration::from_secs(1);

/// What is used, lent and free.
#[derive(Debug, Default)]
pub struct Pool {
    log: Log,
    shares: HashMap<u64, Share>,
    /// The sum of the shares, and what their isolates would like it to be.
    lent: u64,
    wanted: u64,
    /// What a restart left of shares: how much, and the last moment at which some was lent.
    unknown: Option<(u64, TwoClocks)>,
    /// The isolates' clock, as far as questions told.
    isolates: Timestamp,
    /// When the shares were last looked through, by the second.
    swept: u64,
    /// Isolate, question and ordinal of admissions that were asked for one by one.
    returns: VecDeque<(u64, u64, u64)>,
    window: Duration,
    load: Load,
    is_asleep: bool,
}

#[derive(Debug)]
struct Share {
    number: u64,
    size: u32,
    want: u32,
    at: TwoClocks,
}

/// What becomes of an object that nobody asked since it set its alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idle {
    /// Something counts for so long.
    Not(Duration),
    /// Nothing counts by the object's clock, which may have jumped: look again after this long.
    /// To be stored.
    Perhaps(Duration, Vec<u8>),
    Yes,
}

impl Pool {
    /// Answers a question, and says what to store in place of what is stored, before the answer
    /// goes out. What is not stored counts for less than what is.
    pub fn step(
        &mut self,
        request: &PoolRequest,
        now: Timestamp,
    ) -> (PoolResponse, Option<Vec<u8>>) {
        let quota = request.quota;
        self.window = quota.window();
        self.is_asleep = false;
        self.load.note(now);
        let now = self.moment(request.sent, now);
        self.clamp_to(now);
        let gives = match request.wish {
            PoolOperation::GiveBack { number } => {
                self.take_back(request.isolate, number);
                Some((false, 0, 0))
            }
            PoolOperation::Admit => Some((self.admit(request, now), 0, 1)),
            PoolOperation::Share { .. } => self.lend(request, now),
        };
        let Some((admits, share, want)) = gives else {
            return (PoolResponse::Stale, None);
        };
        let is_given_all = share + u32::from(admits) >= want;
        let wait = self.wait(quota, is_given_all, now);
        let response = PoolResponse::Granted(PoolGrant {
            admits,
            share,
            wait,
        });
        let has_given = admits || share > 0;
        (response, has_given.then(|| self.encode()))
    }

    /// The isolates' clock is the latest that questions told, since they are under way for a
    /// while; but not for so long as a clock may have been ahead.
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

    /// Whether the request that waits is admitted, the share from now on, and what was wanted.
    /// `None` for a question that a later one overtook.
    fn lend(&mut self, request: &PoolRequest, now: TwoClocks) -> Option<(bool, u32, u32)> {
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
        // What an isolate that holds nothing here says of a share counts already, since before a
        // restart, or does no more.
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
        // An isolate with more than its part holds on to that until it accounts for less.
        Some((admitted, size.min(fair), fair + u32::from(admits)))
    }

    /// Of what all want together, everybody can have the same part.
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

    /// Asked by the object's alarm, which comes a window and a lease after the last question or
    /// later: whether all that is stored can go.
    pub fn idle(&mut self, now: Timestamp) -> Idle {
        let horizon = self.horizon();
        let shares = self.shares.values().map(|share| share.at);
        let unknown = self.unknown.iter().map(|(_, at)| *at);
        let lent = shares.chain(unknown).map(|at| at.object() + horizon);
        let used = self.log.last().map(|at| at.object() + self.window);
        let counts_until = lent.chain(used).max().unwrap_or_default();
        let counts_for = counts_until.since(now).min(horizon);
        if !counts_for.is_zero() {
            return Idle::Not(counts_for);
        }
        if self.is_asleep {
            return Idle::Yes;
        }
        self.is_asleep = true;
        Idle::Perhaps(horizon, self.encode())
    }

    /// How long anything given now may count.
    pub fn horizon(&self) -> Duration {
        self.window + LEASE
    }
}

/// Questions in this second and the one before.
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

    /// How long an isolate should ask for nothing after it got less than it wanted: nothing while
    /// the object is calm, else the longer the more it is asked.
    fn pace(&self) -> Duration {
        if !self.is_a_strain() {
            return Duration::ZERO;
        }
        Duration::from_millis(self.requests() * 1000 / CALM).min(MAX_PACE)
    }
}
