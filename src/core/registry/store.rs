//! The stored denials of one object, in SQL. The Durable Object runs it on its SQLite storage;
//! the host tests run the same statements on SQLite itself.

use std::cell::Cell;
use std::time::Duration;

use super::{Denial, DenialTarget, MAX_DENIALS, RegistryRequest};
use crate::util::time::Timestamp;

/// How often denials that ended are deleted.
pub const SWEEP_EVERY: Duration = Duration::from_hours(24);

/// A database that runs one statement at a time.
pub trait Sql {
    /// Runs a statement with values for its `?` and returns the rows. The error is for the log.
    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String>;
}

/// A value of a statement or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlValue {
    Text(String),
    Integer(i64),
}

impl From<Timestamp> for SqlValue {
    fn from(at: Timestamp) -> Self {
        // `Timestamp::LATEST` fits.
        Self::Integer(i64::try_from(at.0).unwrap_or(i64::MAX))
    }
}

/// What is stored that a request depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub denials: Vec<(DenialTarget, Denial)>,
    /// Whether a denial that needs a place finds one.
    pub has_room: bool,
}

/// The table of denials, by the names of their targets.
pub struct Denials<S> {
    sql: S,
    has_table: Cell<bool>,
    /// How many are stored, once they have been counted.
    count: Cell<Option<u32>>,
}

impl<S: Sql> Denials<S> {
    pub fn new(sql: S) -> Self {
        Self {
            sql,
            has_table: Cell::new(false),
            count: Cell::new(None),
        }
    }

    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String> {
        if !self.has_table.get() {
            self.sql.run(
                "CREATE TABLE IF NOT EXISTS denials (name TEXT PRIMARY KEY, \
                 before INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
                &[],
            )?;
            self.has_table.set(true);
        }
        self.sql.run(statement, values)
    }

    /// Loads what a request depends on. Where a new denial needs a place and there is none,
    /// deletes those that ended.
    pub fn load_for(&self, request: &RegistryRequest, now: Timestamp) -> Result<Stored, String> {
        let denials = self.load(&request.denial_targets())?;
        let has_room = match request {
            RegistryRequest::Deny { target, denial, .. }
                if denials.is_empty() && denial.needs_room(target.kind, now) =>
            {
                self.has_room(now)?
            }
            _ => true,
        };
        Ok(Stored { denials, has_room })
    }

    /// The stored denials with these targets.
    pub fn load(&self, targets: &[DenialTarget]) -> Result<Vec<(DenialTarget, Denial)>, String> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = targets.iter().map(DenialTarget::name).collect();
        let list = serde_json::to_string(&names).expect("a list of texts");
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
                return Err("a stored denial has other types".into());
            };
            let denial = Denial {
                before: Timestamp(*before as u64),
                until: Timestamp(*until as u64),
            };
            let target = names.iter().position(|known| known == name);
            found.extend(target.map(|at| (targets[at].clone(), denial)));
        }
        Ok(found)
    }

    /// Stores a denial. `is_first`: none is stored for this target.
    pub fn store(
        &self,
        target: &DenialTarget,
        denial: Denial,
        is_first: bool,
    ) -> Result<(), String> {
        self.run(
            "INSERT OR REPLACE INTO denials VALUES (?, ?, ?)",
            &[
                SqlValue::Text(target.name()),
                denial.before.into(),
                denial.until.into(),
            ],
        )?;
        self.count
            .update(|count| count.map(|count| count + u32::from(is_first)));
        Ok(())
    }

    fn has_room(&self, now: Timestamp) -> Result<bool, String> {
        let count = match self.count.get() {
            Some(count) if count < MAX_DENIALS => count,
            // Denials that ended need no place.
            _ => self.sweep(now)?,
        };
        Ok(count < MAX_DENIALS)
    }

    /// Deletes the denials that ended; returns how many are left.
    pub fn sweep(&self, now: Timestamp) -> Result<u32, String> {
        self.run("DELETE FROM denials WHERE until <= ?", &[now.into()])?;
        let rows = self.run("SELECT COUNT(*) FROM denials", &[])?;
        let count = match rows.first().map(Vec::as_slice) {
            Some([SqlValue::Integer(count)]) => *count as u32,
            _ => return Err("the stored denials can't be counted".into()),
        };
        self.count.set(Some(count));
        Ok(count)
    }
}

impl RegistryRequest {
    /// The targets whose stored denials the answer depends on.
    fn denial_targets(&self) -> Vec<DenialTarget> {
        match self {
            Self::Admit { entry } | Self::Extend { entry, .. } => entry.denial_targets(false),
            Self::Deny { target, .. } => vec![target.clone()],
            Self::List { .. } => Vec::new(),
        }
    }
}
