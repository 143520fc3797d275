//! What an isolate has used of its share.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Alarm, HolderTask};
use crate::util::time::{Timestamp, millis};

/// The longest window in which an isolate reuses its share by itself. In longer windows its uses
/// become entries of the pool, which counts them a moment longer than it must.
const MAX_REUSE: Duration = Duration::from_secs(30);

/// How many beats a window has. A use is forgotten up to two beats late.
const BEATS: u32 = 20;

/// How much longer a timer is set than what it counts for: by this, and by a part of its length. A
/// runtime may measure from a moment earlier.
const MARGIN: Duration = Duration::from_millis(2);
const MARGIN_PART: u32 = 16;

/// How late a beat may be. A later one never comes: the request that waited for it was ended.
const LATENESS: Duration = Duration::from_secs(2);

/// When a use counts from, in milliseconds of the clock of beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareUse(u64);

/// The uses that count, by a clock of timers, which may fall behind but is never ahead.
#[derive(Debug)]
pub(super) struct Uses {
    window: Duration,
    /// When uses count from and how many they are, oldest first.
    counts: VecDeque<(ShareUse, u32)>,
    total: u32,
    /// How many milliseconds have passed at least.
    beaten: u64,
    serial: u64,
    /// When the beat under way began, by the isolate's clock.
    beating_since: Option<Timestamp>,
}

impl Uses {
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            counts: VecDeque::new(),
            total: 0,
            beaten: 0,
            serial: 0,
            beating_since: None,
        }
    }

    pub fn are_reused(&self) -> bool {
        self.window <= MAX_REUSE
    }

    pub fn total(&self) -> u32 {
        self.total
    }

    fn length(&self) -> Duration {
        (self.window / BEATS).max(Duration::from_millis(1))
    }

    /// Adds a use. It counts from the end of the current beat or, if none is under way, of the next.
    pub fn add(&mut self) -> ShareUse {
        let at = ShareUse(match self.are_reused() {
            true => self.beaten + millis(self.length()),
            false => 0,
        });
        self.total += 1;
        match self.counts.back_mut() {
            Some((last, count)) if *last == at => *count += 1,
            _ => self.counts.push_back((at, 1)),
        }
        at
    }

    /// Forgets the oldest `count` uses, which the pool counts now.
    pub fn prune(&mut self, mut count: u32) {
        self.total -= count.min(self.total);
        while let Some((_, first)) = self.counts.front_mut()
            && count > 0
        {
            let part = count.min(*first);
            *first -= part;
            count -= part;
            if *first == 0 {
                self.counts.pop_front();
            }
        }
    }

    /// Takes out a use that was given back, if it still counts. The oldest one is removed instead,
    /// which can't be later.
    pub fn take_out(&mut self, of: ShareUse) {
        if self.counts.front().is_some_and(|(oldest, _)| *oldest <= of) {
            self.prune(1);
        }
    }

    /// Starts a beat, if there are uses to be forgotten.
    pub fn beat(&mut self, now: Timestamp) -> Option<HolderTask> {
        let length = self.length();
        let after = length + length / MARGIN_PART + MARGIN;
        let is_beating =
            |since: Timestamp| now < since + after + LATENESS && now + LATENESS > since;
        if !self.are_reused() || self.total == 0 || self.beating_since.is_some_and(is_beating) {
            return None;
        }
        self.beating_since = Some(now);
        self.serial += 1;
        let alarm = Alarm::Beat {
            serial: self.serial,
        };
        Some(HolderTask::Wake { after, alarm })
    }

    /// Ends a beat. A beat that was given up says nothing.
    pub fn beaten(&mut self, serial: u64) {
        if serial != self.serial || self.beating_since.take().is_none() {
            return;
        }
        self.beaten += millis(self.length());
        let window = millis(self.window);
        while let Some((at, count)) = self.counts.front().copied()
            && at.0 + window <= self.beaten
        {
            self.prune(count);
        }
    }
}
