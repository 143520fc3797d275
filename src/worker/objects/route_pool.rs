//! The Durable Object that keeps one route's quota, and how an isolate calls it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use portcullis::gateway::platform::RouteCall;
use portcullis::limits::KEPT_FOR;
use portcullis::limits::route_pool::{Pool, PoolResponse, wire};
use portcullis::policy::ROUTE_QUOTA_BINDING;
use portcullis::util::time::millis;
use wasm_bindgen::JsValue;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, console_error, durable_object,
};

use crate::clock::now;
use crate::host;
use crate::promise::Settled;

/// Calls the quota of a route. The error says for the log why there is no answer.
pub async fn ask(env: &JsValue, call: &RouteCall) -> std::result::Result<PoolResponse, String> {
    let answer = host::ask_by_path(
        &host::binding(env, ROUTE_QUOTA_BINDING),
        &call.route,
        &wire::encode_request(&call.request),
        millis(call.timeout) as f64,
    );
    let answer = host::text(Settled::of(answer).await)?;
    wire::decode_response(&answer).ok_or_else(|| format!("it answered {answer:?}"))
}

/// One route's quota. It is stored, so that eviction forgets nothing; `pool` is a copy of it while
/// the object lives.
#[durable_object(alarm)]
pub struct RouteQuota {
    state: State,
    pool: RefCell<Option<Pool>>,
    alarm_is_set: Cell<bool>,
}

impl DurableObject for RouteQuota {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            pool: RefCell::default(),
            alarm_is_set: Cell::default(),
        }
    }

    /// Loads, steps and stores. Nothing in here waits, and an object runs one piece of code at a
    /// time, so no other request can come between. What is stored is stored before the answer
    /// leaves.
    async fn fetch(&self, http: Request) -> Result<Response> {
        let request = wire::decode_request(&http.path())
            .ok_or_else(|| Error::from("the path of the quota's URL is not a request"))?;
        let mut pool = self.pool.borrow_mut();
        let pool = self.load(&mut pool)?;
        let (answer, row) = pool.step(&request, now());
        if let Some(row) = row {
            let alarm_is_missing = !self.alarm_is_set.replace(true);
            let wake_in = alarm_is_missing.then(|| millis(pool.horizon() + KEPT_FOR));
            self.store(&row, wake_in)?;
        }
        Ok(host::answer_by_header(&wire::encode_response(&answer)).into())
    }

    /// Empties the storage of a quota that has been idle for long.
    async fn alarm(&self) -> Result<Response> {
        // A quota that can't be read would refuse its route for ever.
        let sleep = self.sleep().unwrap_or_else(|error| {
            console_error!("portcullis: the quota of a route is emptied: {error}");
            None
        });
        match sleep {
            Some(length) => host::store_rows(
                self.state.storage().as_raw(),
                &[],
                &[],
                &[],
                &[],
                Some(millis(length) as f64),
            )?,
            None => {
                self.pool.take();
                self.alarm_is_set.set(false);
                self.state.storage().delete_all().await?;
            }
        }
        Response::empty()
    }
}

impl RouteQuota {
    fn sleep(&self) -> Result<Option<Duration>> {
        let mut pool = self.pool.borrow_mut();
        Ok(self.load(&mut pool)?.sleep(now()))
    }

    fn load<'a>(&self, pool: &'a mut Option<Pool>) -> Result<&'a mut Pool> {
        if let Some(pool) = pool {
            return Ok(pool);
        }
        let stored = host::load_rows(self.state.storage().as_raw())?;
        let loaded = match stored.get(1) {
            None => Pool::default(),
            Some(data) => {
                // The alarm was set with the first row, and is set again as long as there is one.
                self.alarm_is_set.set(true);
                Pool::load(&js_sys::Uint8Array::new(data).to_vec())
                    .map_err(|_| Error::from("what is stored can't be read"))?
            }
        };
        Ok(pool.insert(loaded))
    }

    /// Stores the one row, and sets the alarm.
    fn store(&self, row: &[u8], wake_in: Option<u64>) -> Result<()> {
        let wake_in = wake_in.map(|milliseconds| milliseconds as f64);
        let (storage, end) = (self.state.storage(), row.len() as u32);
        host::store_rows(storage.as_raw(), &[0.0], &[end], row, &[], wake_in)?;
        Ok(())
    }
}
