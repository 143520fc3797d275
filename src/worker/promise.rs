//! A handler's result as the runtime takes it.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use worker::worker_sys::Context as JsContext;

/// A response, or why there is none.
type Answer = Result<JsValue, JsValue>;
pub type Work = Pin<Box<dyn Future<Output = Answer>>>;
/// An answer that the client gets before the work is done, once there is one.
pub type Early = Box<dyn Fn() -> Option<JsValue>>;

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

/// Work that is polled through one waker.
struct UnderWay {
    work: Work,
    relay: Arc<LastWaker>,
    waker: Waker,
}

impl UnderWay {
    fn poll(&mut self) -> Poll<Answer> {
        let mut context = Context::from_waker(&self.waker);
        self.work.as_mut().poll(&mut context)
    }

    fn poll_for(&mut self, task: &Context<'_>) -> Poll<Answer> {
        self.relay.0.register(task.waker());
        self.poll()
    }

    /// Goes on after the client has its answer.
    fn go_on(mut self, context: &worker::Context) {
        let rest = future_to_promise(poll_fn(move |task| self.poll_for(task)));
        // The context is that of the request, which is under way.
        let _ = AsRef::<JsContext>::as_ref(context).wait_until(&rest);
    }
}

/// The answer itself if nothing is waited for, which spares the runtime a few turns, and otherwise a
/// promise of it. The context holds such a promise, so that an attempt whose client hangs up is
/// counted and recorded all the same.
///
/// `early` is an answer that the client gets before the work is done. The work then goes on.
pub fn at_once_or_promised(context: Rc<worker::Context>, early: Early, work: Work) -> Answer {
    let relay = Arc::new(LastWaker::default());
    let mut work = UnderWay {
        work,
        waker: Waker::from(relay.clone()),
        relay,
    };
    if let Poll::Ready(answer) = work.poll() {
        return answer;
    }
    if let Some(response) = early() {
        work.go_on(&context);
        return Ok(response);
    }
    let held = context.clone();
    let mut work = Some(work);
    let promise = future_to_promise(poll_fn(move |task| {
        let Some(under_way) = &mut work else {
            return Poll::Pending;
        };
        let polled = under_way.poll_for(task);
        match polled.is_pending().then(&early).flatten() {
            None => polled,
            Some(response) => {
                if let Some(work) = work.take() {
                    work.go_on(&context);
                }
                Poll::Ready(Ok(response))
            }
        }
    }));
    AsRef::<JsContext>::as_ref(&*held).wait_until(&promise)?;
    Ok(promise.into())
}
