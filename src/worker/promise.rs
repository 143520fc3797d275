//! A handler's result as the runtime takes it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use worker::worker_sys::Context as JsContext;

/// A response, or why there is none.
type Answer = Result<JsValue, JsValue>;
pub type Work = Pin<Box<dyn Future<Output = Answer>>>;
/// An answer that the client gets before the work is done, once there is one.
pub type Early = Box<dyn Fn() -> Option<JsValue>>;

/// Work that waits for something.
struct Task {
    work: Work,
    waker: Waker,
    early: Early,
    context: Rc<worker::Context>,
    promise: Settle,
}

impl Task {
    /// Answers early, if there is an early answer. The context then holds the rest of the work.
    fn answer_early(&mut self) {
        if let Some(response) = (self.early)() {
            let (rest, settle) = promise();
            let answered = std::mem::replace(&mut self.promise, settle);
            answered.settle(Ok(response));
            hold(&self.context, &rest);
        }
    }
}

/// The functions that settle a promise.
struct Settle {
    resolve: Function,
    reject: Function,
}

impl Settle {
    fn settle(self, answer: Answer) {
        let (function, value) = match answer {
            Ok(value) => (self.resolve, value),
            Err(error) => (self.reject, error),
        };
        // The functions of a promise throw nothing.
        let _ = function.call1(&JsValue::UNDEFINED, &value);
    }
}

fn promise() -> (Promise, Settle) {
    let mut settle = None;
    let promise = Promise::new(&mut |resolve, reject| settle = Some(Settle { resolve, reject }));
    let settle = settle.expect("a promise calls this before it exists");
    (promise, settle)
}

/// Keeps the request's context until the promise settles.
fn hold(context: &worker::Context, promise: &Promise) {
    // The context is that of the request, which is under way.
    let _ = AsRef::<JsContext>::as_ref(context).wait_until(promise);
}

/// The tasks of this isolate. What wakes one polls it at once, because a promise that settles does
/// so in a turn of its own already; the runtime's `queueMicrotask` would take another.
#[derive(Default)]
struct Tasks {
    /// By number. There is none under the number of a task that is polled now.
    waiting: Vec<Option<Task>>,
    /// Numbers that no task has.
    free: Vec<usize>,
    /// Those that were woken while one was polled: a poll never begins within another.
    woken: VecDeque<usize>,
    is_polling: bool,
}

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
}

impl Tasks {
    fn take_number(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            self.waiting.len() - 1
        })
    }

    /// A task that was woken, unless one is polled now.
    fn next(&mut self) -> Option<(usize, Task)> {
        while !self.is_polling {
            let number = self.woken.pop_front()?;
            // One that is done may be woken once more.
            if let Some(task) = self.waiting[number].take() {
                return Some((number, task));
            }
        }
        None
    }
}

/// Wakes the task of a number.
struct Wakeup(usize);

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        TASKS.with_borrow_mut(|tasks| tasks.woken.push_back(self.0));
        poll_woken();
    }
}

fn poll_woken() {
    while let Some((number, mut task)) = TASKS.with_borrow_mut(Tasks::next) {
        match poll(&mut task.work, &task.waker) {
            Poll::Pending => {
                task.answer_early();
                TASKS.with_borrow_mut(|tasks| tasks.waiting[number] = Some(task));
            }
            Poll::Ready(answer) => {
                TASKS.with_borrow_mut(|tasks| tasks.free.push(number));
                task.promise.settle(answer);
            }
        }
    }
}

/// Polls while no other poll can begin. It can be within another one itself, where a server in this
/// same Worker answers by the gate.
fn poll(work: &mut Work, waker: &Waker) -> Poll<Answer> {
    let is_within = TASKS.with_borrow_mut(|tasks| std::mem::replace(&mut tasks.is_polling, true));
    let polled = work.as_mut().poll(&mut Context::from_waker(waker));
    TASKS.with_borrow_mut(|tasks| tasks.is_polling = is_within);
    polled
}

/// The answer itself if nothing is waited for, which spares the runtime a few turns, and otherwise a
/// promise of it. The context holds such a promise, so that an attempt whose client hangs up is
/// counted and recorded all the same.
///
/// With an early answer the client has its answer before the work is done. The work then goes on.
pub fn at_once_or_promised(context: Rc<worker::Context>, early: Early, mut work: Work) -> Answer {
    let number = TASKS.with_borrow_mut(Tasks::take_number);
    let waker = Waker::from(Arc::new(Wakeup(number)));
    if let Poll::Ready(answer) = poll(&mut work, &waker) {
        TASKS.with_borrow_mut(|tasks| tasks.free.push(number));
        poll_woken();
        return answer;
    }
    let answer = early();
    let (whole, settle) = promise();
    hold(&context, &whole);
    let task = Task {
        work,
        waker,
        early,
        context,
        promise: settle,
    };
    TASKS.with_borrow_mut(|tasks| tasks.waiting[number] = Some(task));
    poll_woken();
    Ok(answer.unwrap_or_else(|| whole.into()))
}
