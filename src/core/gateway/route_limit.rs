//! `RATE_LIMIT_ROUTE` at steps 6 and 9, and what is done for it behind the answer.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Gate, Platform};
use crate::limits::route_pool::{
    Admission, Alarm, Decision, Holder, HolderTask, PoolRequest, PoolResponse,
};
use crate::limits::scope::LimitScope;
use crate::policy::Counting;
use crate::policy::Route;
use crate::response::reason::{Reason, Rejection};
use crate::util::time::Timestamp;

/// A question to the object of a route's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCall {
    /// The route's pattern, which is the object's name.
    pub route: String,
    pub request: PoolRequest,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
}

/// What is to be done behind the answer; see [`Gate::perform`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackgroundTask {
    Ask(RouteCall),
    /// Perhaps there is something to ask then.
    Wake {
        after: Duration,
        route: String,
        alarm: Alarm,
        timeout: Duration,
    },
}

/// What the route's quota knows of an attempt.
#[derive(Default)]
pub(super) struct RouteReservation {
    asked: Option<RouteCall>,
    taken: Option<(String, Admission, Duration)>,
}

impl Gate {
    /// Step 6: refuses where a route is known to have used up its quota.
    pub(super) fn check_route(
        &self,
        counting: &Counting,
        route: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let holders = self.holders.borrow();
        let wait = holders.get(route).and_then(|holder| holder.wait(now));
        match (counting.route, wait) {
            (Some(quota), Some(wait)) => {
                let scope = LimitScope::Route;
                Err(Reason::RateLimited { scope, quota, wait }.because("known in this isolate"))
            }
            _ => Ok(()),
        }
    }

    /// Step 9: takes an admission from what the isolate was lent, or asks for one. Where nobody
    /// answers, `failure` says so.
    pub(super) async fn admit_route<E: Platform>(
        &self,
        platform: &E,
        route: &Route,
        reservations: &mut RouteReservation,
        failure: &mut Option<String>,
    ) -> Result<(), Rejection> {
        let counting = &route.policy.counting;
        let Some(quota) = counting.route else {
            return Ok(());
        };
        let (pattern, timeout) = (&route.pattern, counting.timeout);
        let refused = |wait, cause: &'static str| {
            let scope = LimitScope::Route;
            Err(Reason::RateLimited { scope, quota, wait }.because(cause))
        };
        let mut waited = Duration::ZERO;
        loop {
            let (decision, tasks) = {
                let mut holders = self.holders.borrow_mut();
                let holder = holders
                    .entry(pattern.clone())
                    .or_insert_with(|| Holder::new(quota, u64::from_be_bytes(platform.random())));
                holder.decide(waited, platform.now(), timeout)
            };
            for task in tasks {
                platform.run_in_background(background_task(pattern, task, timeout));
            }
            match decision {
                Decision::Admit(taken) => {
                    reservations.taken = Some((pattern.clone(), taken, timeout));
                    return Ok(());
                }
                Decision::Refuse { wait } => return refused(wait, "known in this isolate"),
                Decision::Wait(length) => {
                    waited += length;
                    if waited >= timeout {
                        *failure = Some(format!("{}: no turn to ask it", LimitScope::Route));
                        return Ok(());
                    }
                    platform.pass(length).await;
                }
                Decision::Ask(request) => {
                    let call = call_for(pattern, request, timeout);
                    reservations.asked = Some(call.clone());
                    let answer = platform.ask_route(&call).await;
                    reservations.asked = None;
                    let mut holders = self.holders.borrow_mut();
                    let holder = holders.get_mut(pattern).expect("it asked");
                    let given = match answer {
                        Ok(PoolResponse::Granted(given)) => given,
                        unusable => {
                            holder.failed(&request);
                            let text = unusable.err().unwrap_or("a late answer".into());
                            *failure = Some(format!("{}: {text}", LimitScope::Route));
                            return Ok(());
                        }
                    };
                    return match holder.answered(&request, &given, platform.now()) {
                        Ok(taken) => {
                            reservations.taken = Some((pattern.clone(), taken, timeout));
                            Ok(())
                        }
                        Err(wait) => refused(wait, "the answer of the route's quota"),
                    };
                }
            }
        }
    }

    /// For an upgrade that is refused after all: gives back what was taken for it, or is about to
    /// be given.
    pub(super) fn give_back_route<E: Platform>(
        &self,
        platform: &E,
        reservations: RouteReservation,
    ) {
        let mut holders = self.holders.borrow_mut();
        let given_to = reservations.asked.map(|call| {
            let holder = holders.get_mut(&call.route).expect("it asked");
            holder.left(&call.request);
            let number = call.request.number;
            (call.route, Admission::There { number }, call.timeout)
        });
        if let Some((route, taken, timeout)) = given_to.or(reservations.taken) {
            let holder = holders.get_mut(&route).expect("it took");
            if let Some(request) = holder.give_back(taken, platform.now()) {
                platform.run_in_background(BackgroundTask::Ask(call_for(&route, request, timeout)));
            }
        }
    }

    /// Does what is to be done behind the answer: `pass` waits, `ask` asks the object, and tells the
    /// log where it gives no answer.
    pub async fn perform(
        &self,
        task: BackgroundTask,
        now: impl Fn() -> Timestamp,
        pass: impl AsyncFnOnce(Duration),
        ask: impl AsyncFnOnce(&RouteCall) -> Result<PoolResponse, ()>,
    ) {
        let call = match task {
            BackgroundTask::Ask(call) => Some(call),
            BackgroundTask::Wake {
                after,
                route,
                alarm,
                timeout,
            } => {
                pass(after).await;
                self.wake_route(&route, alarm, timeout, now())
            }
        };
        if let Some(call) = call {
            let answer = ask(&call).await;
            self.hear_route(&call, answer, now());
        }
    }

    /// Takes in what came of a question that no request waits for.
    fn hear_route(&self, call: &RouteCall, answer: Result<PoolResponse, ()>, now: Timestamp) {
        if let Some(holder) = self.holders.borrow_mut().get_mut(&call.route) {
            match answer {
                Ok(PoolResponse::Granted(given)) => holder.heard(&call.request, &given, now),
                Ok(PoolResponse::Stale) | Err(()) => holder.failed(&call.request),
            }
        }
    }

    /// A timer came.
    fn wake_route(
        &self,
        route: &str,
        alarm: Alarm,
        timeout: Duration,
        now: Timestamp,
    ) -> Option<RouteCall> {
        let mut holders = self.holders.borrow_mut();
        let request = holders.get_mut(route)?.woken(alarm, now, timeout)?;
        Some(call_for(route, request, timeout))
    }
}

/// Both side by side. The first's word comes first, and a refusal of it does not wait for the
/// second's.
pub(super) async fn in_order(
    first: impl Future<Output = Result<(), Rejection>>,
    second: impl Future<Output = Result<(), Rejection>>,
) -> Result<(), Rejection> {
    match select(pin!(first), pin!(second)).await {
        Either::Left((first, second)) => {
            first?;
            second.await
        }
        Either::Right((second, first)) => {
            first.await?;
            second
        }
    }
}

fn call_for(route: &str, request: PoolRequest, timeout: Duration) -> RouteCall {
    let route = route.to_owned();
    RouteCall {
        route,
        request,
        timeout,
    }
}

fn background_task(route: &str, task: HolderTask, timeout: Duration) -> BackgroundTask {
    match task {
        HolderTask::Ask(request) => BackgroundTask::Ask(call_for(route, request, timeout)),
        HolderTask::Wake { after, alarm } => BackgroundTask::Wake {
            after,
            route: route.to_owned(),
            alarm,
            timeout,
        },
    }
}
