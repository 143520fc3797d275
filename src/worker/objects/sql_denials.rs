//! SqlDenials in SQLite, by their names.

use std::cell::Cell;

use portcullis::registry::{Denial, DenialTarget, MAX_DENIALS};
use portcullis::util::time::Timestamp;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use crate::clock::now;

pub struct SqlDenials {
    storage: SqlStorage,
    has_table: Cell<bool>,
    /// How many are stored, once counted.
    count: Cell<Option<u32>>,
}

impl SqlDenials {
    pub fn new(storage: SqlStorage) -> Self {
        Self {
            storage,
            has_table: Cell::new(false),
            count: Cell::new(None),
        }
    }

    /// The storage with its table.
    fn sql(&self) -> Result<&SqlStorage> {
        if !self.has_table.replace(true) {
            self.storage.exec(
                "CREATE TABLE IF NOT EXISTS denials (name TEXT PRIMARY KEY, \
                 before INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
                None,
            )?;
        }
        Ok(&self.storage)
    }

    /// Those that are stored of these, by their names.
    pub fn load(&self, names: &[DenialTarget]) -> Result<Vec<(String, Denial)>> {
        let names: Vec<_> = names.iter().map(DenialTarget::name).collect();
        let names = serde_json::to_string(&names)?;
        let rows = self.sql()?.exec(
            "SELECT name, before, until FROM denials \
             WHERE name IN (SELECT value FROM json_each(?))",
            vec![names.into()],
        )?;
        let mut found = Vec::new();
        for columns in rows.raw() {
            match columns?.as_slice() {
                [
                    SqlStorageValue::String(name),
                    SqlStorageValue::Integer(before),
                    SqlStorageValue::Integer(until),
                ] => {
                    let denial = Denial {
                        before: Timestamp(*before as u64),
                        until: Timestamp(*until as u64),
                    };
                    found.push((name.clone(), denial));
                }
                _ => return Err(Error::from("a stored denial has other types")),
            }
        }
        Ok(found)
    }

    /// `is_first`: none is stored under this name.
    pub fn store(&self, target: &DenialTarget, denial: Denial, is_first: bool) -> Result<()> {
        let columns = vec![
            target.name().into(),
            SqlStorageValue::Integer(denial.before.0 as i64),
            SqlStorageValue::Integer(denial.until.0 as i64),
        ];
        let insert = "INSERT OR REPLACE INTO denials VALUES (?, ?, ?)";
        self.sql()?.exec(insert, columns)?;
        self.count
            .update(|count| count.map(|count| count + u32::from(is_first)));
        Ok(())
    }

    pub fn have_room(&self) -> Result<bool> {
        let count = match self.count.get() {
            Some(count) if count < MAX_DENIALS => count,
            // What is over needs no room.
            _ => self.sweep()?,
        };
        Ok(count < MAX_DENIALS)
    }

    /// Forgets what is over; gives how many are left.
    pub fn sweep(&self) -> Result<u32> {
        let sql = self.sql()?;
        let now = SqlStorageValue::Integer(now().0 as i64);
        sql.exec("DELETE FROM denials WHERE until <= ?", vec![now])?;
        let mut rows = sql.exec("SELECT COUNT(*) FROM denials", None)?.raw();
        let count = match rows.next().transpose()?.as_deref() {
            Some([SqlStorageValue::Integer(count)]) => *count as u32,
            _ => return Err(Error::from("denials can't be counted")),
        };
        self.count.set(Some(count));
        Ok(count)
    }
}
