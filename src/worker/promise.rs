//! A handler's result as the runtime takes it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use worker::worker_sys::Context as JsContext;

/// Wakes the task that polled last. A future may keep only the waker of its first poll, as worker's
/// `Delay` does, and at that time there is no task yet.
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

/// The answer itself if nothing is waited for, which spares the runtime a few turns, and otherwise a
/// promise of it. The context holds such a promise, so that an attempt whose client hangs up is
/// counted and recorded all the same.
pub fn at_once_or_promised(
    context: &worker::Context,
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
            let promise = future_to_promise(promised);
            AsRef::<JsContext>::as_ref(context).wait_until(&promise)?;
            Ok(promise.into())
        }
    }
}
