//! The Durable Object that keeps one address's ledger, and how an isolate asks it.

use std::cell::RefCell;
use std::time::Duration;

use portcullis::config::LEDGER_BINDING;
use portcullis::gateway::LedgerCall;
use portcullis::ledger::{Answer, Attempt, Change, Ledger, Row, wire};
use portcullis::time::millis;
use wasm_bindgen::JsValue;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, SqlStorageValue, State, console_error,
    durable_object,
};

use crate::fetch::now;
use crate::native;

/// Asks the ledger of an address, or says for the log why there is no answer.
pub async fn ask(env: &JsValue, call: &LedgerCall) -> std::result::Result<Answer, String> {
    let answer = native::ask_ledger(
        &native::binding(env, LEDGER_BINDING),
        &call.ledger,
        &wire::encode_attempt(&call.attempt),
        millis(call.timeout) as f64,
    )
    .await
    .map_err(|error| native::describe(&error))?
    .as_string()
    .unwrap_or_default();
    wire::decode_answer(&answer).ok_or_else(|| format!("the ledger answered {answer:?}"))
}

/// One address's attempts. They stand in SQLite, so that eviction forgets none; `kept` is a copy
/// of it while the object lives.
#[durable_object]
pub struct AddressLedger {
    state: State,
    kept: RefCell<Option<Kept>>,
}

struct Kept {
    ledger: Ledger,
    /// How long attempts matter under the terms of the last one.
    horizon: Duration,
    alarm_is_set: bool,
}

impl DurableObject for AddressLedger {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            kept: RefCell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let attempt = wire::decode_attempt(&request.path())
            .ok_or_else(|| Error::from("no attempt in the path of the ledger's URL"))?;
        let (answer, alarm_is_missing) = self.step(&attempt)?;
        if alarm_is_missing {
            let storage = self.state.storage();
            storage.set_alarm(attempt.terms.horizon()).await?;
        }
        let response = Response::empty()?;
        let headers = response.headers();
        headers.set("answer", &wire::encode_answer(&answer))?;
        Ok(response)
    }

    /// An idle ledger leaves nothing in storage.
    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        // What can't be read would refuse its address for ever.
        let idle_in = self.idle_in().unwrap_or_else(|error| {
            console_error!("portcullis: a ledger is emptied: {error}");
            None
        });
        match idle_in {
            Some(idle_in) => storage.set_alarm(idle_in).await?,
            None => {
                self.kept.take();
                storage.delete_all().await?;
            }
        }
        Response::empty()
    }
}

impl AddressLedger {
    /// Loads, steps and stores. Nothing in here waits, and an object runs one piece of code at a
    /// time, so no other attempt can come between. Also says whether no alarm is set.
    fn step(&self, attempt: &Attempt) -> Result<(Answer, bool)> {
        let mut kept = self.kept.borrow_mut();
        let kept = self.load(&mut kept)?;
        kept.horizon = attempt.terms.horizon();
        let (answer, change) = kept.ledger.step(attempt, now());
        self.store(change, kept.horizon)?;
        let alarm_was_set = std::mem::replace(&mut kept.alarm_is_set, true);
        Ok((answer, !alarm_was_set))
    }

    /// How long until nothing in the ledger matters any more, if anything still does.
    fn idle_in(&self) -> Result<Option<Duration>> {
        let mut kept = self.kept.borrow_mut();
        let kept = self.load(&mut kept)?;
        let idle_from = kept.ledger.idle_from(kept.horizon);
        let idle_in = idle_from.map(|at| at.since(now()));
        Ok(idle_in.filter(|length| !length.is_zero()))
    }

    fn load<'a>(&self, kept: &'a mut Option<Kept>) -> Result<&'a mut Kept> {
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let sql = self.state.storage().sql();
        sql.exec(
            "CREATE TABLE IF NOT EXISTS attempts \
             (row INTEGER PRIMARY KEY, horizon INTEGER NOT NULL, data BLOB NOT NULL)",
            None,
        )?;
        let stored = sql.exec("SELECT row, horizon, data FROM attempts ORDER BY row", None)?;
        let mut horizon = Duration::ZERO;
        let mut rows = Vec::new();
        for columns in stored.raw() {
            let columns: [SqlStorageValue; 3] = columns?
                .try_into()
                .map_err(|_| Error::from("a stored row has other columns"))?;
            let [
                SqlStorageValue::Integer(number),
                SqlStorageValue::Integer(milliseconds),
                SqlStorageValue::Blob(data),
            ] = columns
            else {
                return Err(Error::from("a stored row has other types"));
            };
            horizon = Duration::from_millis(milliseconds as u64);
            let number = number as u64;
            rows.push(Row { number, data });
        }
        let ledger = Ledger::load(rows)
            .map_err(|row| Error::from(format!("stored row {} can't be read", row.0)))?;
        Ok(kept.insert(Kept {
            ledger,
            horizon,
            alarm_is_set: false,
        }))
    }

    fn store(&self, change: Change, horizon: Duration) -> Result<()> {
        let sql = self.state.storage().sql();
        if let Some(first) = change.delete_before {
            let first = SqlStorageValue::Integer(first as i64);
            sql.exec("DELETE FROM attempts WHERE row < ?", vec![first])?;
        }
        if let Some(row) = change.write {
            let columns = vec![
                SqlStorageValue::Integer(row.number as i64),
                SqlStorageValue::Integer(millis(horizon) as i64),
                SqlStorageValue::Blob(row.data),
            ];
            sql.exec("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)", columns)?;
        }
        Ok(())
    }
}
