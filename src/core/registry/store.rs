//! The stored denials of one object, in SQL. The Durable Object runs it on its SQLite storage;
//! the host tests run the same statements on SQLite itself.

use std::cell::Cell;
use std::time::Duration;

use serde::Serialize;

use super::{
    About, Claim, Denial, DenialKind, DenialTarget, ListedDenial, MAX_DENIALS,
    MAX_DENIALS_OF_SUBJECT, Opening, RegistryKey, RegistryRequest,
};
use crate::util::time::Timestamp;

/// How often denials that ended are deleted.
pub const SWEEP_EVERY: Duration = Duration::from_hours(24);

/// Each statement makes one thing of the table.
const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS denials (name TEXT PRIMARY KEY, \
     before INTEGER NOT NULL, until INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, \
     about TEXT NOT NULL, subject TEXT, since INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS denials_by_subject ON denials (subject) \
     WHERE subject IS NOT NULL",
];

/// A database that runs one statement at a time.
pub trait Sql {
    /// Runs a statement with values for its `?` and returns the rows. The error is for the log.
    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String>;
}

/// A value of a statement or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlValue {
    Null,
    Text(String),
    Integer(i64),
}

impl From<Timestamp> for SqlValue {
    fn from(at: Timestamp) -> Self {
        // `Timestamp::LATEST` fits.
        Self::Integer(i64::try_from(at.0).unwrap_or(i64::MAX))
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// What is stored that a request depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    pub denials: Vec<(DenialTarget, Denial)>,
    /// Where a denial that needs a place finds one.
    pub room: Room,
    /// Whether any denial still applies, for a request to admit a socket.
    pub any_applies: bool,
    /// The denials that are to be listed, and whether there are more.
    pub listed: (Vec<ListedDenial>, bool),
    /// Whether the denial that is to be lifted is stored.
    pub lifted_exists: bool,
    /// How many live sockets the owner has. The object counts them, not its database.
    pub owned: usize,
}

/// Whether there is a place for one more denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Room {
    #[default]
    Free,
    /// As many denials are about the subject as may be.
    SubjectFull,
    /// The object is full.
    Full,
}

/// Whether a denial that applies is stored, as far as the object knows without its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnyApplies {
    Unknown,
    None,
    /// One applies until this time.
    Until(Timestamp),
}

/// The table of denials, by the names of their targets.
pub struct Denials<S> {
    sql: S,
    has_table: Cell<bool>,
    /// How many are stored, once they have been counted.
    count: Cell<Option<u32>>,
    any_applies: Cell<AnyApplies>,
}

impl<S: Sql> Denials<S> {
    pub fn new(sql: S) -> Self {
        Self {
            sql,
            has_table: Cell::new(false),
            count: Cell::new(None),
            any_applies: Cell::new(AnyApplies::Unknown),
        }
    }

    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String> {
        if !self.has_table.get() {
            for statement in SCHEMA {
                self.sql.run(statement, &[])?;
            }
            self.has_table.set(true);
        }
        self.sql.run(statement, values)
    }

    /// Loads what a request depends on. Where a new denial needs a place and there is none,
    /// deletes those that ended.
    pub fn load_for(&self, request: &RegistryRequest, now: Timestamp) -> Result<Stored, String> {
        let mut stored = Stored::default();
        match request {
            RegistryRequest::Open(Opening { entry, again }) => {
                self.load_for_admission(&mut stored, &entry.denial_targets(*again), now)?;
            }
            RegistryRequest::Admit { entry } => {
                self.load_for_admission(&mut stored, &entry.denial_targets(false), now)?;
            }
            RegistryRequest::Extend { entry, .. } => {
                stored.denials = self.load(&entry.denial_targets(false))?;
            }
            RegistryRequest::Deny {
                target,
                denial,
                about,
                ..
            } => {
                stored.denials = self.load(std::slice::from_ref(target))?;
                if stored.denials.is_empty() && denial.needs_room(target.kind, now) {
                    stored.room = self.room(about, now)?;
                }
            }
            RegistryRequest::Lift { kind, id } => {
                stored.lifted_exists = self.is_stored(*kind, id, now)?;
            }
            RegistryRequest::ListDenials { kind, max, about } => {
                stored.listed = self.list(*kind, *max, about.as_deref(), now)?;
            }
            RegistryRequest::List { .. } | RegistryRequest::Count => {}
        }
        Ok(stored)
    }

    /// Where no denial applies, none is looked up.
    fn load_for_admission(
        &self,
        stored: &mut Stored,
        targets: &[DenialTarget],
        now: Timestamp,
    ) -> Result<(), String> {
        stored.any_applies = self.any_applies(now)?;
        if stored.any_applies {
            stored.denials = self.load(targets)?;
        }
        Ok(())
    }

    /// The stored denials with these targets.
    pub fn load(&self, targets: &[DenialTarget]) -> Result<Vec<(DenialTarget, Denial)>, String> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = targets.iter().map(DenialTarget::name).collect();
        let list = as_json(&names);
        let rows = self.run(
            "SELECT name, before, until FROM denials \
             WHERE name IN (SELECT value FROM json_each(?))",
            &[SqlValue::Text(list)],
        )?;
        let mut found = Vec::new();
        for row in rows {
            let [
                SqlValue::Text(name),
                SqlValue::Integer(before),
                SqlValue::Integer(until),
            ] = row.as_slice()
            else {
                return Err(unreadable());
            };
            let target = names.iter().position(|known| known == name);
            found.extend(target.map(|at| (targets[at].clone(), denial_of(*before, *until))));
        }
        Ok(found)
    }

    /// Whether any stored denial applies.
    fn any_applies(&self, now: Timestamp) -> Result<bool, String> {
        match self.any_applies.get() {
            AnyApplies::None => return Ok(false),
            AnyApplies::Until(end) if end > now => return Ok(true),
            AnyApplies::Until(_) | AnyApplies::Unknown => {}
        }
        if !self.is_made()? {
            self.any_applies.set(AnyApplies::None);
            return Ok(false);
        }
        let sql = "SELECT until FROM denials WHERE until > ? LIMIT 1";
        let known = match self.run(sql, &[now.into()])?.first().map(Vec::as_slice) {
            None => AnyApplies::None,
            Some([SqlValue::Integer(until)]) => AnyApplies::Until(Timestamp(*until as u64)),
            Some(_) => return Err(unreadable()),
        };
        self.any_applies.set(known);
        Ok(known != AnyApplies::None)
    }

    /// Whether the table was ever made. Asking does not make it: an object that denies nobody writes
    /// nothing.
    fn is_made(&self) -> Result<bool, String> {
        let sql = "SELECT 1 FROM sqlite_master WHERE name = 'denials'";
        Ok(self.has_table.get() || !self.sql.run(sql, &[])?.is_empty())
    }

    fn is_stored(&self, kind: DenialKind, id: &str, now: Timestamp) -> Result<bool, String> {
        let rows = self.run(
            "SELECT 1 FROM denials WHERE kind = ? AND id = ? AND until > ?",
            &[kind.name().into(), id.into(), now.into()],
        )?;
        Ok(!rows.is_empty())
    }

    /// The denials of a kind that apply, the newest first, and whether there are more. `about`:
    /// those of these keys, and all of a subject.
    fn list(
        &self,
        kind: DenialKind,
        max: usize,
        about: Option<&[RegistryKey]>,
        now: Timestamp,
    ) -> Result<(Vec<ListedDenial>, bool), String> {
        let limit = SqlValue::Integer(i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1));
        let rows = match about {
            None => self.run(
                "SELECT id, about, since, before, until FROM denials \
                 WHERE kind = ? AND until > ? ORDER BY since DESC, id LIMIT ?",
                &[kind.name().into(), now.into(), limit],
            )?,
            Some(keys) => {
                let target = |key: &RegistryKey| DenialTarget {
                    kind,
                    key: key.clone(),
                };
                let names: Vec<_> = keys.iter().map(|key| target(key).name()).collect();
                self.run(
                    "SELECT id, about, since, before, until FROM denials \
                     WHERE (name IN (SELECT value FROM json_each(?)) \
                     OR subject IN (SELECT value FROM json_each(?))) \
                     AND kind = ? AND until > ? ORDER BY since DESC, id LIMIT ?",
                    &[
                        SqlValue::Text(as_json(&names)),
                        SqlValue::Text(as_json(keys)),
                        kind.name().into(),
                        now.into(),
                        limit,
                    ],
                )?
            }
        };
        let are_more = rows.len() > max;
        let listed = rows.into_iter().take(max).map(|row| match row.as_slice() {
            [
                SqlValue::Text(id),
                SqlValue::Text(about),
                SqlValue::Integer(since),
                SqlValue::Integer(before),
                SqlValue::Integer(until),
            ] => Ok(ListedDenial {
                id: id.clone(),
                about: About::from_json(about).ok_or_else(unreadable)?,
                since: Timestamp(*since as u64),
                denial: denial_of(*before, *until),
            }),
            _ => Err(unreadable()),
        });
        Ok((listed.collect::<Result<_, _>>()?, are_more))
    }

    /// Stores a denial. `is_first`: none is stored for this target.
    pub fn store(
        &self,
        target: &DenialTarget,
        denial: Denial,
        about: &About,
        is_first: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        let subject = subject_of(about).map_or(SqlValue::Null, |key| key.as_str().into());
        self.run(
            "INSERT INTO denials (name, before, until, kind, id, about, subject, since) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) \
             DO UPDATE SET before = excluded.before, until = excluded.until",
            &[
                target.name().as_str().into(),
                denial.before.into(),
                denial.until.into(),
                target.kind.name().into(),
                target.id().as_str().into(),
                about.to_json().as_str().into(),
                subject,
                now.into(),
            ],
        )?;
        self.count
            .update(|count| count.map(|count| count + u32::from(is_first)));
        self.any_applies.set(AnyApplies::Unknown);
        Ok(())
    }

    /// Deletes the denial of this kind and id.
    pub fn delete(&self, kind: DenialKind, id: &str) -> Result<(), String> {
        self.run(
            "DELETE FROM denials WHERE kind = ? AND id = ?",
            &[kind.name().into(), id.into()],
        )?;
        self.count.set(None);
        self.any_applies.set(AnyApplies::Unknown);
        Ok(())
    }

    fn room(&self, about: &About, now: Timestamp) -> Result<Room, String> {
        if let Some(subject) = subject_of(about) {
            let sql = "SELECT COUNT(*) FROM denials WHERE subject = ? AND until > ?";
            let rows = self.run(sql, &[subject.as_str().into(), now.into()])?;
            if count_in(&rows)? >= MAX_DENIALS_OF_SUBJECT {
                return Ok(Room::SubjectFull);
            }
        }
        let count = match self.count.get() {
            Some(count) if count < MAX_DENIALS => count,
            // Denials that ended need no place.
            _ => self.sweep(now)?,
        };
        Ok(match count < MAX_DENIALS {
            true => Room::Free,
            false => Room::Full,
        })
    }

    /// Deletes the denials that ended; returns how many are left.
    pub fn sweep(&self, now: Timestamp) -> Result<u32, String> {
        self.run("DELETE FROM denials WHERE until <= ?", &[now.into()])?;
        let count = count_in(&self.run("SELECT COUNT(*) FROM denials", &[])?)?;
        self.count.set(Some(count));
        Ok(count)
    }
}

fn denial_of(before: i64, until: i64) -> Denial {
    Denial {
        before: Timestamp(before as u64),
        until: Timestamp(until as u64),
    }
}

/// The subject that a denial counts for, whatever its issuer.
fn subject_of(about: &About) -> Option<RegistryKey> {
    let subject = about.sub.as_deref()?;
    Some(RegistryKey::claim(Claim::Subject, None, subject))
}

fn count_in(rows: &[Vec<SqlValue>]) -> Result<u32, String> {
    match rows.first().map(Vec::as_slice) {
        Some([SqlValue::Integer(count)]) => Ok(*count as u32),
        _ => Err("the stored denials can't be counted".into()),
    }
}

/// A list for `json_each`.
fn as_json(texts: &[impl Serialize]) -> String {
    serde_json::to_string(texts).expect("a list of texts")
}

fn unreadable() -> String {
    "a stored denial has other types".to_owned()
}
