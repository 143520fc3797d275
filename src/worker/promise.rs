//! A handler's work, and the promises that it waits for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use worker::worker_sys::Context as JsContext;

use crate::work::{Answer, Work};
use crate::{clock, host};

/// An answer that the client gets before the work is done, once there is one.
pub type Early = Box<dyn Fn() -> Option<JsValue>>;

thread_local! {
    static TASKS: RefCell<HashMap<u32, Task>> = RefCell::default();
    static CALLS: RefCell<HashMap<u32, Call>> = RefCell::default();
    static LAST_NUMBER: Cell<u32> = const { Cell::new(0) };
    /// The task that is to go on at once, while a waker is called.
    static NEXT: Cell<Next> = const { Cell::new(Next::Later) };
    /// How scripts hand over what a promise brought.
    static SETTLE: JsValue = Closure::<dyn Fn(u32, JsValue, bool)>::new(settle).into_js_value();
}

/// When a task that is woken goes on.
#[derive(Default, Clone, Copy)]
enum Next {
    /// In a microtask of its own.
    #[default]
    Later,
    /// As soon as its waker was called, by the caller.
    AtOnce,
    Task(u32),
}

fn number() -> u32 {
    let number = LAST_NUMBER.get().wrapping_add(1);
    LAST_NUMBER.set(number);
    number
}

/// Work that waits for something.
struct Task {
    work: Work,
    waker: Waker,
    handle: Arc<Handle>,
    context: Rc<worker::Context>,
    early: Early,
    /// Resolves and rejects the promise of its answer.
    answer: (Function, Function),
}

/// By which a task is woken.
struct Handle {
    task: u32,
    is_woken: AtomicBool,
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Ordering::Relaxed) {
            return;
        }
        let task = self.task;
        match NEXT.get() {
            Next::AtOnce => NEXT.set(Next::Task(task)),
            Next::Later | Next::Task(_) => spawn_local(async move { go_on(task) }),
        }
    }
}

fn poll(work: &mut Work, waker: &Waker) -> Poll<Answer> {
    clock::in_one_turn(|| work.as_mut().poll(&mut Context::from_waker(waker)))
}

/// The answer itself if nothing is waited for, which spares the runtime a few turns, and otherwise a
/// promise of it. The context holds such a promise, so that an attempt whose client hangs up is
/// counted and recorded all the same.
///
/// `early` is an answer that the client gets before the work is done. The work then goes on.
pub fn at_once_or_promised(context: Rc<worker::Context>, early: Early, mut work: Work) -> Answer {
    let handle = Arc::new(Handle {
        task: number(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(handle.clone());
    if let Poll::Ready(answer) = poll(&mut work, &waker) {
        return answer;
    }
    let response = early();
    let (promise, answer) = promise(&context)?;
    let number = handle.task;
    let task = Task {
        work,
        waker,
        handle,
        context,
        early,
        answer,
    };
    TASKS.with_borrow_mut(|tasks| tasks.insert(number, task));
    Ok(response.unwrap_or_else(|| promise.into()))
}

/// A promise that the request's context holds, and how it is resolved and rejected.
fn promise(context: &worker::Context) -> Result<(Promise, (Function, Function)), JsValue> {
    let mut functions = None;
    let promise = Promise::new(&mut |resolve, reject| functions = Some((resolve, reject)));
    AsRef::<JsContext>::as_ref(context).wait_until(&promise)?;
    Ok((promise, functions.expect("a promise calls this at once")))
}

/// Lets a task go on until it waits again or is done.
fn go_on(number: u32) {
    let Some(mut task) = TASKS.with_borrow_mut(|tasks| tasks.remove(&number)) else {
        return;
    };
    task.handle.is_woken.store(false, Ordering::Relaxed);
    match poll(&mut task.work, &task.waker) {
        Poll::Ready(answer) => task.settle(answer),
        Poll::Pending => {
            if let Some(response) = (task.early)() {
                // The rest has a promise of its own.
                if let Ok((_, rest)) = promise(&task.context) {
                    let answer = std::mem::replace(&mut task.answer, rest);
                    settle_by(&answer, Ok(response));
                }
            }
            TASKS.with_borrow_mut(|tasks| tasks.insert(number, task));
        }
    }
}

impl Task {
    fn settle(self, answer: Answer) {
        settle_by(&self.answer, answer);
    }
}

fn settle_by((resolve, reject): &(Function, Function), answer: Answer) {
    let (function, value) = match &answer {
        Ok(value) => (resolve, value),
        Err(error) => (reject, error),
    };
    // Neither throws.
    let _ = function.call1(&JsValue::UNDEFINED, value);
}

/// What a promise brings, once a task waits for it.
#[derive(Default)]
struct Call {
    result: Option<Result<JsValue, JsValue>>,
    waker: Option<Waker>,
}

/// Waits for a promise. The task goes on in the turn in which the promise is settled, which
/// `JsFuture` leaves to a microtask, and no closures are made for it.
pub struct Settled(u32);

impl Settled {
    /// `promise`: what a script returned, or what it threw, which is as good as a rejection.
    pub fn of(promise: Result<Promise, JsValue>) -> Self {
        let number = number();
        let mut call = Call::default();
        match promise {
            Ok(promise) => SETTLE.with(|settle| host::follow(&promise, settle, number)),
            Err(thrown) => call.result = Some(Err(thrown)),
        }
        // The promise calls back in a later turn.
        CALLS.with_borrow_mut(|calls| calls.insert(number, call));
        Self(number)
    }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        CALLS.with_borrow_mut(|calls| {
            let call = calls.get_mut(&self.0).expect("it is kept as long as this");
            match call.result.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    call.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        CALLS.with_borrow_mut(|calls| calls.remove(&self.0));
    }
}

/// Called by a script from a microtask, so nothing is being polled.
fn settle(number: u32, value: JsValue, is_fulfilled: bool) {
    let waker = CALLS.with_borrow_mut(|calls| {
        let call = calls.get_mut(&number)?;
        call.result = Some(if is_fulfilled { Ok(value) } else { Err(value) });
        call.waker.take()
    });
    let Some(waker) = waker else { return };
    NEXT.set(Next::AtOnce);
    waker.wake();
    if let Next::Task(task) = NEXT.replace(Next::Later) {
        go_on(task);
    }
}
