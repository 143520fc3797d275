//! `RATE_LIMIT_ROUTE` at steps 6 and 9, and what is settled for it after the response.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::gate::Gate;
use super::limits::{Counters, KNOWN, limited};
use super::platform::{BackgroundTask, Platform, RouteCall};
use crate::limits::route_pool::{
    Admission, Alarm, Decision, Holder, HolderTask, PoolRequest, PoolResponse,
};
use crate::limits::scope::LimitScope;
use crate::policy::{Counting, Route};
use crate::response::reason::Rejection;
use crate::util::time::Timestamp;

/// What a route's quota holds for an attempt.
#[derive(Default)]
pub(super) enum RouteReservation {
    #[default]
    Nothing,
    /// The object was asked and did not answer yet.
    Asked(RouteCall),
    Taken(Taken),
}

/// An admission from a route's quota.
pub(super) struct Taken {
    route: String,
    admission: Admission,
    timeout: Duration,
}

/// Whether an admission of the route was counted.
pub(super) enum RouteCount {
    Counted,
    /// Nobody answered; the failure is for the log.
    Uncounted(String),
}

impl Gate {
    /// Step 6: refuses where a route is known to have used up its quota.
    pub(super) fn check_route(
        &self,
        counting: &Counting,
        route: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let Some(quota) = counting.route else {
            return Ok(());
        };
        let name = counting.object_name(route.to_owned());
        let holders = self.holders.borrow();
        match holders.get(&name).and_then(|holder| holder.wait(now)) {
            Some(wait) => Err(limited(LimitScope::Route, quota, wait, now, KNOWN)),
            None => Ok(()),
        }
    }

    /// Gives back what was taken for an upgrade that is refused after all, or is about to be taken
    /// for it.
    pub(super) fn give_back_route<P: Platform>(&self, platform: &P, reserved: RouteReservation) {
        let mut holders = self.holders.borrow_mut();
        let Taken {
            route,
            admission,
            timeout,
        } = match reserved {
            RouteReservation::Nothing => return,
            RouteReservation::Taken(taken) => taken,
            RouteReservation::Asked(call) => {
                let holder = holders.get_mut(&call.route).expect("it asked");
                holder.left(&call.request);
                let number = call.request.number;
                Taken {
                    route: call.route,
                    admission: Admission::There { number },
                    timeout: call.timeout,
                }
            }
        };
        let holder = holders.get_mut(&route).expect("it took");
        if let Some(request) = holder.give_back(admission, platform.now()) {
            let call = call_for(&route, request, timeout);
            platform.run_in_background(BackgroundTask::RoutePool(call));
        }
    }

    /// Takes in the answer to a question that no request waits for; `None` if there was none.
    pub(super) fn take_pool_answer(
        &self,
        call: &RouteCall,
        answer: Option<&PoolResponse>,
        now: Timestamp,
    ) {
        if let Some(holder) = self.holders.borrow_mut().get_mut(&call.route) {
            match answer {
                Some(PoolResponse::Granted(given)) => holder.heard(&call.request, given, now),
                Some(PoolResponse::Stale) | None => holder.failed(&call.request),
            }
        }
    }

    /// What to ask when a timer ends, if anything.
    pub(super) fn wake_route(
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

impl<P: Platform> Counters<'_, P> {
    /// Step 9: takes an admission from what the isolate was lent, or asks for one.
    pub async fn admit_route(
        &self,
        route: &Route,
        reservation: &mut RouteReservation,
    ) -> Result<RouteCount, Rejection> {
        let Self { gate, platform, .. } = self;
        let Some(quota) = self.counting.route else {
            return Ok(RouteCount::Counted);
        };
        let pattern = &self.counting.object_name(route.pattern.clone());
        let timeout = self.counting.timeout;
        let taken = |admission| {
            let route = pattern.clone();
            RouteReservation::Taken(Taken {
                route,
                admission,
                timeout,
            })
        };
        let refused = |wait, cause: &'static str| {
            Err(limited(
                LimitScope::Route,
                quota,
                wait,
                platform.now(),
                cause,
            ))
        };
        let uncounted = |failure: &str| {
            let text = format!("{}: {failure}", LimitScope::Route);
            Ok(RouteCount::Uncounted(text))
        };
        let mut waited = Duration::ZERO;
        loop {
            let (decision, tasks) = {
                let mut holders = gate.holders.borrow_mut();
                let holder = holders
                    .entry(pattern.clone())
                    .or_insert_with(|| Holder::new(quota, u64::from_be_bytes(platform.random())));
                holder.decide(waited, platform.now(), timeout)
            };
            for task in tasks {
                platform.run_in_background(background_task(pattern, task, timeout));
            }
            match decision {
                Decision::Admit(admission) => {
                    *reservation = taken(admission);
                    return Ok(RouteCount::Counted);
                }
                Decision::Refuse { wait } => return refused(wait, KNOWN),
                Decision::Wait(length) => {
                    waited += length;
                    if waited >= timeout {
                        return uncounted("no turn to ask it");
                    }
                    platform.wait(length).await;
                }
                Decision::Ask(request) => {
                    let call = call_for(pattern, request, timeout);
                    *reservation = RouteReservation::Asked(call.clone());
                    let answer = platform.ask_route_pool(&call).await;
                    *reservation = RouteReservation::Nothing;
                    let mut holders = gate.holders.borrow_mut();
                    let holder = holders.get_mut(pattern).expect("it asked");
                    let given = match answer {
                        Ok(PoolResponse::Granted(given)) => given,
                        unusable => {
                            holder.failed(&request);
                            let failure = unusable.err().unwrap_or("a late answer".into());
                            return uncounted(&failure);
                        }
                    };
                    return match holder.answered(&request, &given, platform.now()) {
                        Ok(admission) => {
                            *reservation = taken(admission);
                            Ok(RouteCount::Counted)
                        }
                        Err(wait) => refused(wait, "the answer of the route's quota"),
                    };
                }
            }
        }
    }
}

/// Runs two questions side by side. A refusal of the first does not wait for the second, and the
/// first decides if both refuse.
pub(super) async fn in_order<A, B>(
    first: impl Future<Output = Result<A, Rejection>>,
    second: impl Future<Output = Result<B, Rejection>>,
) -> Result<(A, B), Rejection> {
    match select(pin!(first), pin!(second)).await {
        Either::Left((first, second)) => Ok((first?, second.await?)),
        Either::Right((second, first)) => Ok((first.await?, second?)),
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
        HolderTask::Ask(request) => BackgroundTask::RoutePool(call_for(route, request, timeout)),
        HolderTask::Wake { after, alarm } => BackgroundTask::WakeRoute {
            after,
            route: route.to_owned(),
            alarm,
            timeout,
        },
    }
}
