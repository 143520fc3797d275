//! What a handler gives the runtime.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// Wakes who polled last. A future may keep the waker of its first poll alone, as worker's `Delay`
/// does, which is of no task yet.
#[derive(Default)]
struct LastWaker(AtomicWaker);

impl Wake for LastWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// The answer at once where nothing is waited for, which spares the runtime a few turns, else a
/// promise of it.
pub fn at_once_or_promised(
    answer: impl Future<Output = Result<JsValue, JsValue>> + 'static,
) -> Result<JsValue, JsValue> {
    let mut answer = Box::pin(answer);
    let relay = Arc::new(LastWaker::default());
    let waker = Waker::from(relay.clone());
    match answer.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(answer) => answer,
        Poll::Pending => {
            let promised = poll_fn(move |task| {
                relay.0.register(task.waker());
                answer.as_mut().poll(&mut Context::from_waker(&waker))
            });
            Ok(future_to_promise(promised).into())
        }
    }
}
