//! The registry's SQL on the storage of its Durable Object.

use portcullis::registry::{Sql, SqlValue};
use worker::{SqlStorage, SqlStorageValue};

/// The SQLite storage of one object.
pub struct ObjectSql(pub SqlStorage);

impl Sql for ObjectSql {
    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String> {
        let bound = values.iter().map(|value| match value {
            SqlValue::Null => SqlStorageValue::Null,
            SqlValue::Text(text) => SqlStorageValue::String(text.clone()),
            SqlValue::Integer(number) => SqlStorageValue::Integer(*number),
        });
        let cursor = self.0.exec(statement, bound.collect::<Vec<_>>());
        let rows = cursor.map_err(|error| error.to_string())?.raw();
        rows.map(|row| {
            let columns = row.map_err(|error| error.to_string())?;
            columns.into_iter().map(read).collect()
        })
        .collect()
    }
}

fn read(value: SqlStorageValue) -> Result<SqlValue, String> {
    match value {
        SqlStorageValue::Null => Ok(SqlValue::Null),
        SqlStorageValue::String(text) => Ok(SqlValue::Text(text)),
        SqlStorageValue::Integer(number) => Ok(SqlValue::Integer(number)),
        _ => Err("a stored value has another type".to_owned()),
    }
}
