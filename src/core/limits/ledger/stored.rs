//! The rows in which a ledger is stored. The head, row 0, holds everything but the older entries,
//! which have rows of their own, and the slots. It is written with every change, unless that was
//! stored ahead.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bans::{Ban, Bans, MAX_FAILURES};
use super::journal::{Ahead, Journal, JournalEntry, Lent, ROW, Sealed};
use super::lending::MAX_LEASES;
use super::slots::{Held, MAX_SOCKETS, SlotLease, Slots};
use super::{EntryId, Ledger};
use crate::limits::bytes::{Reader, put, put_moment};
use crate::limits::quota::MAX_LENT;
use crate::limits::two_clocks::TwoClocks;
use crate::util::sorting::sorted_by;
use crate::util::time::{Timestamp, millis};

/// The number of the head.
pub const HEAD: u64 = 0;

/// The number of the row of slots: the largest integer that a double holds exactly.
pub const SLOTS: u64 = (1 << 53) - 1;

/// A stored row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub number: u64,
    pub data: Vec<u8>,
}

/// The number of a stored row that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptRow(pub u64);

/// A flag in an entry's first eight bytes: an id follows.
const HAS_ID: u64 = 1 << 63;
/// A flag in a journal's horizon: what was stored ahead follows.
const HAS_AHEAD: u64 = 1 << 63;
/// Another one: what was lent follows.
const HAS_LENT: u64 = 1 << 62;
/// A flag in the second eight bytes of a slot's time: the slot lost its channel.
const LOST: u64 = 1 << 63;
/// Another one: the slot was the last that was left under its cap.
const LAST: u64 = 1 << 62;

impl Ledger {
    /// Rebuilds a ledger from its rows, in the order of their numbers. A row that can't be read is
    /// an error: to ignore it would admit too many.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<Self, CorruptRow> {
        let mut rows = rows.into_iter();
        let Some(head) = rows.next() else {
            return Ok(Self::default());
        };
        let (mut ledger, latest) = match head.number {
            HEAD => read_head(&mut Reader(&head.data)),
            _ => None,
        }
        .ok_or(CorruptRow(head.number))?;
        let tails = ledger.journals.iter_mut();
        let tails: Vec<_> = tails
            .map(|(group, journal)| (group.clone(), std::mem::take(&mut journal.entries)))
            .collect();
        for row in rows {
            ledger.load_row(&row).ok_or(CorruptRow(row.number))?;
        }
        // In the order of the groups, to which rows may have added others.
        let mut tails = tails.into_iter().peekable();
        for (group, journal) in &mut ledger.journals {
            if let Some((_, tail)) = tails.next_if(|(of, _)| of == group) {
                journal.entries.extend(tail);
            }
            journal.settle_order(latest);
        }
        Ok(ledger)
    }

    fn load_row(&mut self, row: &Row) -> Option<()> {
        let mut reader = Reader(&row.data);
        if row.number == SLOTS {
            self.slots = reader.slots()?;
            return Some(());
        }
        let group = reader.text()?;
        let entries = reader.entries(ROW)?;
        let journal = self.journals.get_mut(&group)?;
        let is_next = row.number < self.next_row
            && journal
                .sealed
                .back()
                .is_none_or(|last| last.row < row.number);
        if !is_next || entries.is_empty() || !reader.is_empty() {
            return None;
        }
        journal.sealed.push_back(Sealed {
            row: row.number,
            left: entries.len(),
        });
        journal.entries.extend(entries);
        Some(())
    }

    /// The head as it is now.
    pub(super) fn head(&self, now: TwoClocks) -> Row {
        let mut data = Vec::new();
        put_moment(&mut data, now);
        put(&mut data, self.wakes_at.0);
        put(&mut data, self.next_row);
        match self.bans.ban {
            None => put(&mut data, 0),
            Some(Ban { since, length }) => {
                put(&mut data, millis(length));
                put_moment(&mut data, since);
            }
        }
        put(&mut data, millis(self.bans.window));
        put(&mut data, self.bans.failures.len() as u64);
        for at in &self.bans.failures {
            put_moment(&mut data, *at);
        }
        for (group, journal) in &self.journals {
            put_text(&mut data, group);
            let ahead = journal.ahead.filter(|ahead| ahead.left > 0);
            let has_ahead = ahead.map_or(0, |_| HAS_AHEAD);
            let has_lent = if journal.lent.is_empty() { 0 } else { HAS_LENT };
            put(&mut data, millis(journal.horizon) | has_ahead | has_lent);
            if let Some(Ahead { left, until }) = ahead {
                put(&mut data, left as u64);
                put_moment(&mut data, until);
            }
            if !journal.lent.is_empty() {
                put(&mut data, journal.lent.len() as u64);
            }
            for Lent { id, count, until } in &journal.lent {
                put(&mut data, *id);
                put(&mut data, u64::from(*count));
                put_moment(&mut data, *until);
            }
            put_entries(&mut data, journal.tail());
        }
        Row { number: HEAD, data }
    }

    /// The slots as they are now, oldest socket first: for each its id, and when it was taken or
    /// lost.
    pub(super) fn slots_row(&self) -> Row {
        let mut data = Vec::new();
        let leases: Vec<_> = self.slots.taken.iter().collect();
        for (id, lease) in sorted_by(leases, |one, other| one.1.number.cmp(&other.1.number)) {
            data.extend(id);
            put(&mut data, lease.since.object().0);
            let lost = match lease.held {
                Held::ByChannel => 0,
                Held::Lost => LOST,
            };
            let last = if lease.is_last { LAST } else { 0 };
            put(&mut data, lease.since.caller().0 | lost | last);
        }
        Row {
            number: SLOTS,
            data,
        }
    }

    /// A row of entries as it is now.
    pub(super) fn sealed_row(&self, group: &str, number: u64) -> Row {
        let mut data = Vec::new();
        put_text(&mut data, group);
        let entries: Vec<_> = self.journals[group].row(number).collect();
        put_entries(&mut data, entries.into_iter());
        Row { number, data }
    }
}

/// Reads the head: the ledger without its other rows, and when the head was written.
fn read_head(reader: &mut Reader<'_>) -> Option<(Ledger, TwoClocks)> {
    let written = reader.moment()?;
    let wakes_at = Timestamp(reader.number()?);
    let next_row = reader.number()?;
    let ban = match reader.number()? {
        0 => None,
        length => Some(Ban {
            since: reader.moment()?,
            length: Duration::from_millis(length),
        }),
    };
    let window = Duration::from_millis(reader.number()?);
    let failures = reader.number()?;
    if failures > MAX_FAILURES.into() {
        return None;
    }
    let failures = (0..failures)
        .map(|_| reader.moment())
        .collect::<Option<_>>()?;
    let mut journals = BTreeMap::new();
    while !reader.is_empty() {
        let group = reader.text()?;
        let horizon = reader.number()?;
        let ahead = match horizon & HAS_AHEAD {
            0 => None,
            _ => Some(reader.ahead()?),
        };
        let lent = match horizon & HAS_LENT {
            0 => Vec::new(),
            _ => reader.leases()?,
        };
        let room = ROW - ahead.map_or(0, |ahead| ahead.left);
        let journal = Journal {
            horizon: Duration::from_millis(horizon & !(HAS_AHEAD | HAS_LENT)),
            entries: reader.entries(room)?.into(),
            ahead,
            lent,
            ..Journal::default()
        };
        if journals.insert(group, journal).is_some() {
            return None;
        }
    }
    let ledger = Ledger {
        journals,
        bans: Bans {
            failures,
            window,
            ban,
        },
        next_row,
        wakes_at,
        slots: Slots::default(),
    };
    Some((ledger, written))
}

fn put_text(data: &mut Vec<u8>, text: &str) {
    put(data, text.len() as u64);
    data.extend(text.as_bytes());
}

fn put_entries<'a>(data: &mut Vec<u8>, entries: impl ExactSizeIterator<Item = &'a JournalEntry>) {
    put(data, entries.len() as u64);
    for entry in entries {
        let flag = if entry.id.is_some() { HAS_ID } else { 0 };
        put(data, entry.at.object().0 | flag);
        put(data, entry.at.caller().0);
        data.extend(entry.id.iter().flatten());
    }
}

impl Reader<'_> {
    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(bytes).ok().map(str::to_owned)
    }

    fn ahead(&mut self) -> Option<Ahead> {
        let left = usize::try_from(self.number()?).ok()?;
        let until = self.moment()?;
        (left <= ROW).then_some(Ahead { left, until })
    }

    fn leases(&mut self) -> Option<Vec<Lent>> {
        let count = usize::try_from(self.number()?).ok()?;
        if count > MAX_LEASES {
            return None;
        }
        (0..count).map(|_| self.lease()).collect()
    }

    fn lease(&mut self) -> Option<Lent> {
        let id = self.number()?;
        let count = u32::try_from(self.number()?).ok()?;
        let until = self.moment()?;
        (1..=MAX_LENT)
            .contains(&count)
            .then_some(Lent { id, count, until })
    }

    fn slots(&mut self) -> Option<Slots> {
        let mut slots = Slots::default();
        while !self.is_empty() {
            let id = self.take()?;
            let object = Timestamp(self.number()?);
            let caller = self.number()?;
            let since = TwoClocks::new(object, Timestamp(caller & !(LOST | LAST)));
            let held = match caller & LOST {
                0 => Held::ByChannel,
                _ => Held::Lost,
            };
            let lease = SlotLease::new(since, held, caller & LAST != 0);
            if slots.taken.contains_key(&id) || slots.taken.len() >= MAX_SOCKETS as usize {
                return None;
            }
            slots.insert(id, lease);
        }
        Some(slots)
    }

    fn entries(&mut self, max: usize) -> Option<Vec<JournalEntry>> {
        let count = usize::try_from(self.number()?).ok()?;
        if count > max {
            return None;
        }
        (0..count).map(|_| self.entry()).collect()
    }

    fn entry(&mut self) -> Option<JournalEntry> {
        let object = self.number()?;
        let caller = self.number()?;
        let id: Option<EntryId> = match object & HAS_ID {
            0 => None,
            _ => Some(self.take()?),
        };
        Some(JournalEntry {
            at: TwoClocks::new(Timestamp(object & !HAS_ID), Timestamp(caller)),
            id,
        })
    }
}
