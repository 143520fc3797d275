//! Made-up requests on their journey before the first real one comes, so that V8 has compiled what
//! that one needs. At module scope there is no randomness, no clock and no timer.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use worker::Context;

use crate::handler;
use crate::host;
use crate::isolate::Isolate;
use crate::platform::WorkerPlatform;
use crate::promise::Work;

thread_local! {
    static IS_UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Whether what runs now is part of a rehearsal: then it gets no randomness and writes no log.
pub fn is_under_way() -> bool {
    IS_UNDER_WAY.get()
}

/// Sends these requests through a gate of their own, which is made from `env` and then forgotten.
#[wasm_bindgen]
pub fn rehearse(requests: Vec<web_sys::Request>, env: &JsValue, context: &JsValue) {
    let isolate = Rc::new(Isolate::new(&host::describe_environment(env)));
    for request in requests {
        let platform = WorkerPlatform {
            isolate: isolate.clone(),
            env: env.clone(),
            request,
            context: Rc::new(Context::new(context.clone().unchecked_into())),
        };
        // Each waits for nothing but the made-up objects, so it ends within this turn.
        // Its end is an error, because module scope makes no socket and no body.
        let _ = handler::run(platform, marked);
    }
}

/// The same work, of which each step knows that it is a rehearsal. The mark is set within each step
/// alone, so that no request can ever see it, not even if a rehearsal never ended.
fn marked(mut work: Work) -> Work {
    Box::pin(poll_fn(move |task| {
        IS_UNDER_WAY.set(true);
        let polled = work.as_mut().poll(task);
        IS_UNDER_WAY.set(false);
        polled
    }))
}
