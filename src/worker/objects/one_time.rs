//! The Durable Object that keeps what can be used once, and how an isolate calls it.

use std::time::Duration;

use portcullis::gateway::platform::OneTimeCall;
use portcullis::one_time::store::{StoreChange, StoreResponse, StoredValue, step, wire};
use portcullis::policy::ONE_TIME_BINDING;
use portcullis::util::time::millis;
use wasm_bindgen::JsValue;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, SqlStorage, SqlStorageValue, State,
    durable_object,
};

use crate::clock::now;
use crate::host;
use crate::promise::Settled;

/// How far ahead an alarm is set at most. It is set again if something is still kept then.
const MAX_SLEEP: Duration = Duration::from_hours(24 * 30);

/// Calls the object of a name. The error says for the log why there is no answer; it never quotes
/// an answer, which may hold an identity.
pub async fn ask(env: &JsValue, call: &OneTimeCall) -> std::result::Result<StoreResponse, String> {
    let namespace = host::binding(env, ONE_TIME_BINDING);
    let (path, content) = wire::encode_request(&call.request);
    let milliseconds = millis(call.timeout) as f64;
    let answer = host::ask_once(&namespace, &call.name, &path, content, milliseconds);
    let answer = host::text(Settled::of(answer).await)?;
    wire::decode_response(&answer).ok_or_else(|| "its answer can't be read".to_owned())
}

/// What is kept under one name. Nothing is written where nothing was kept.
#[durable_object(alarm)]
pub struct OneTime {
    state: State,
}

impl DurableObject for OneTime {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, mut http: Request) -> Result<Response> {
        let body = http.text().await?;
        let request = wire::decode_request(&http.path(), body)
            .ok_or_else(|| Error::from("the path of the object's URL is not a request"))?;
        // Loads, steps and stores without waiting, and an object runs one piece of code at a
        // time, so no other request can come between.
        let (answer, change) = step(self.load()?, request, now());
        if let Some(stored) = self.store(change)? {
            self.wake_after(&stored).await?;
        }
        Response::ok(wire::encode_response(&answer))
    }

    /// Empties the storage once nothing is kept any more.
    async fn alarm(&self) -> Result<Response> {
        match self.load()?.filter(|stored| stored.until > now()) {
            Some(stored) => self.wake_after(&stored).await?,
            None => self.state.storage().delete_all().await?,
        }
        Response::empty()
    }
}

impl OneTime {
    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    async fn wake_after(&self, stored: &StoredValue) -> Result<()> {
        let sleep = stored.until.since(now()).min(MAX_SLEEP);
        self.state.storage().set_alarm(sleep).await
    }

    fn load(&self) -> Result<Option<StoredValue>> {
        let table = "SELECT 1 FROM sqlite_master WHERE name = 'kept'";
        if self.sql().exec(table, None)?.raw().next().is_none() {
            return Ok(None);
        }
        let mut rows = self.sql().exec("SELECT data FROM kept", None)?.raw();
        let Some(columns) = rows.next() else {
            return Ok(None);
        };
        match columns?.as_slice() {
            [SqlStorageValue::Blob(data)] => StoredValue::decode(data).map(Some),
            _ => None,
        }
        .ok_or_else(|| Error::from("what is stored can't be read"))
    }

    /// Stores a change, and returns the value that it wrote.
    fn store(&self, change: StoreChange) -> Result<Option<StoredValue>> {
        match change {
            StoreChange::Nothing => Ok(None),
            StoreChange::Delete => {
                self.sql().exec("DELETE FROM kept", None)?;
                Ok(None)
            }
            StoreChange::Write(stored) => {
                let table = "CREATE TABLE IF NOT EXISTS kept \
                             (row INTEGER PRIMARY KEY, data BLOB NOT NULL)";
                self.sql().exec(table, None)?;
                let data = SqlStorageValue::Blob(stored.encode());
                self.sql()
                    .exec("INSERT OR REPLACE INTO kept VALUES (0, ?)", vec![data])?;
                Ok(Some(stored))
            }
        }
    }
}
