//! The Durable Object that adds up the counts of isolates. It is an object of the registry's class
//! with its own name, so that no deployment needs another class.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use portcullis::metrics::{Change, MetricsRequest, MetricsResponse, STORE_EVERY, Statistics};
use portcullis::policy::REGISTRY_BINDING;
use portcullis::util::time::millis;
use wasm_bindgen::prelude::*;
use worker::worker_sys::DurableObjectState;
use worker::{Delay, Error, Result, State, console_error};

use crate::clock::now;
use crate::host;

#[wasm_bindgen(module = "/js/registry.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = askMetrics)]
    async fn ask_metrics(
        namespace: &JsValue,
        request: &str,
        milliseconds: f64,
    ) -> std::result::Result<JsValue, JsValue>;

    /// The text that was stored last, or undefined.
    #[wasm_bindgen(catch, js_name = loadText)]
    fn load_text(state: &JsValue) -> std::result::Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch, js_name = storeText)]
    fn store_text(state: &JsValue, text: &str) -> std::result::Result<(), JsValue>;
}

/// The path of requests to the object.
pub const PATH: &str = "/metrics";

/// Sends the object a request. The error says, for the log, why there is no response.
pub async fn ask(
    env: &JsValue,
    request: &MetricsRequest,
    timeout: Duration,
) -> std::result::Result<MetricsResponse, String> {
    let namespace = host::binding(env, REGISTRY_BINDING);
    let request = request.to_json();
    let answer = ask_metrics(&namespace, &request, millis(timeout) as f64).await;
    let text = host::text(answer)?;
    MetricsResponse::from_json(&text).ok_or_else(|| "its response can't be read".to_owned())
}

/// The sums of the object. A copy is stored every few seconds; after a crash, only that is left.
#[derive(Clone, Default)]
pub struct Keeper(Rc<Kept>);

#[derive(Default)]
struct Kept {
    statistics: RefCell<Option<Statistics>>,
    is_storing: Cell<bool>,
}

impl Keeper {
    /// Answers a request as JSON.
    pub fn answer(&self, state: &State, body: &str) -> Result<String> {
        let request = MetricsRequest::from_json(body)
            .ok_or_else(|| Error::from("the body is not a request to the object of metrics"))?;
        let (response, change) = {
            let mut memory = self.0.statistics.borrow_mut();
            let statistics = match &mut *memory {
                Some(statistics) => statistics,
                None => memory.insert(load(state)?),
            };
            statistics.step(request, now())
        };
        match change {
            Change::Nothing => {}
            Change::Soon => self.store_soon(state),
            Change::Now => self.store(state.as_raw())?,
        }
        Ok(response.to_json())
    }

    /// Stores after a while. The timer keeps the object in memory until then.
    fn store_soon(&self, state: &State) {
        if self.0.is_storing.replace(true) {
            return;
        }
        let (keeper, raw) = (self.clone(), JsValue::from(state.as_raw()));
        state.wait_until(async move {
            Delay::from(STORE_EVERY).await;
            keeper.0.is_storing.set(false);
            if let Err(error) = keeper.store(raw.unchecked_ref()) {
                console_error!("portcullis: metrics could not be stored: {error}");
            }
        });
    }

    fn store(&self, state: &DurableObjectState) -> Result<()> {
        if let Some(statistics) = &*self.0.statistics.borrow() {
            store_text(state, &statistics.to_json())?;
        }
        Ok(())
    }
}

/// The stored sums. If those of another version can't be read, counting starts again at zero.
fn load(state: &State) -> Result<Statistics> {
    let Some(text) = load_text(state.as_raw())? else {
        return Ok(Statistics::default());
    };
    Ok(Statistics::from_json(&text).unwrap_or_else(|| {
        console_error!("portcullis: stored metrics can't be read, and begin again");
        Statistics::default()
    }))
}
