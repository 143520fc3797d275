//! Requests to a ledger that are answered later, because their sockets wait for the slot of an older
//! socket.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::{AbortHandle, abortable};
use js_sys::{Function, Promise};
use portcullis::limits::ledger::EntryId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use worker::Delay;

/// The function that answers a request, and the request's timer.
struct Waiter {
    resolve: Function,
    timer: AbortHandle,
}

/// The requests, each with the id of its socket.
#[derive(Default)]
pub struct Waiters(RefCell<Vec<(EntryId, Waiter)>>);

impl Waiters {
    /// The promise of an answer. If none is given in time, `give_up` is called.
    pub fn promise(
        &self,
        id: EntryId,
        patience: Duration,
        give_up: impl FnOnce() + 'static,
    ) -> Promise {
        let (task, timer) = abortable(async move {
            Delay::from(patience).await;
            give_up();
        });
        spawn_local(async {
            // If the timer was aborted, there is nothing left to do.
            let _ = task.await;
        });
        Promise::new(&mut |resolve, _| {
            let timer = timer.clone();
            let mut waiters = self.0.borrow_mut();
            waiters.retain(|(known, _)| *known != id);
            waiters.push((id, Waiter { resolve, timer }));
        })
    }

    /// Answers a request, unless it was answered before.
    pub fn answer(&self, id: &EntryId, answer: &JsValue) {
        let mut waiters = self.0.borrow_mut();
        if let Some(place) = waiters.iter().position(|(known, _)| known == id) {
            let (_, Waiter { resolve, timer }) = waiters.swap_remove(place);
            // A timer that is left would keep the object from sleeping.
            timer.abort();
            // Resolving a promise does not fail.
            let _ = resolve.call1(&JsValue::UNDEFINED, answer);
        }
    }
}
