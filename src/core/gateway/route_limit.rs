//! `RATE_LIMIT_ROUTE` at steps 6 and 9, and what is done for it behind the answer.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Edge, Gate};
use crate::config::Counting;
use crate::limits::route_pool::{Alarm, Answer, Decision, Errand, Holder, Question, Taken};
use crate::limits::scope::Party;
use crate::response::reason::{Reason, Rejection};
use crate::routing::table::Route;
use crate::util::time::Timestamp;

/// A question to the object of a route's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCall {
    /// The route's pattern, which is the object's name.
    pub route: String,
    pub question: Question,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
}

/// What is to be done behind the answer; see [`Gate::perform`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteErrand {
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
pub(super) struct RouteTold {
    asked: Option<RouteCall>,
    taken: Option<(String, Taken, Duration)>,
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
                let party = Party::Route;
                Err(Reason::RateLimited { party, quota, wait }.because("known in this isolate"))
            }
            _ => Ok(()),
        }
    }

    /// Step 9: takes an admission from what the isolate was lent, or asks for one. Where nobody
    /// answers, `failure` says so.
    pub(super) async fn admit_route<E: Edge>(
        &self,
        edge: &E,
        route: &Route,
        told: &mut RouteTold,
        failure: &mut Option<String>,
    ) -> Result<(), Rejection> {
        let counting = &route.policy.counting;
        let Some(quota) = counting.route else {
            return Ok(());
        };
        let (pattern, timeout) = (&route.pattern, counting.timeout);
        let refused = |wait, cause: &'static str| {
            let party = Party::Route;
            Err(Reason::RateLimited { party, quota, wait }.because(cause))
        };
        let mut waited = Duration::ZERO;
        loop {
            let (decision, errands) = {
                let mut holders = self.holders.borrow_mut();
                let holder = holders
                    .entry(pattern.clone())
                    .or_insert_with(|| Holder::new(quota, u64::from_be_bytes(edge.random())));
                holder.decide(waited, edge.now(), timeout)
            };
            for errand in errands {
                edge.run_errand(errand_for(pattern, errand, timeout));
            }
            match decision {
                Decision::Admit(taken) => {
                    told.taken = Some((pattern.clone(), taken, timeout));
                    return Ok(());
                }
                Decision::Refuse { wait } => return refused(wait, "known in this isolate"),
                Decision::Wait(length) => {
                    waited += length;
                    if waited >= timeout {
                        *failure = Some(format!("{}: no turn to ask it", Party::Route));
                        return Ok(());
                    }
                    edge.pass(length).await;
                }
                Decision::Ask(question) => {
                    let call = call_for(pattern, question, timeout);
                    told.asked = Some(call.clone());
                    let answer = edge.ask_route(&call).await;
                    told.asked = None;
                    let mut holders = self.holders.borrow_mut();
                    let holder = holders.get_mut(pattern).expect("it asked");
                    let given = match answer {
                        Ok(Answer::Given(given)) => given,
                        unusable => {
                            holder.failed(&question);
                            let text = unusable.err().unwrap_or("a late answer".into());
                            *failure = Some(format!("{}: {text}", Party::Route));
                            return Ok(());
                        }
                    };
                    return match holder.answered(&question, &given, edge.now()) {
                        Ok(taken) => {
                            told.taken = Some((pattern.clone(), taken, timeout));
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
    pub(super) fn give_back_route<E: Edge>(&self, edge: &E, told: RouteTold) {
        let mut holders = self.holders.borrow_mut();
        let given_to = told.asked.map(|call| {
            let holder = holders.get_mut(&call.route).expect("it asked");
            holder.left(&call.question);
            let number = call.question.number;
            (call.route, Taken::There { number }, call.timeout)
        });
        if let Some((route, taken, timeout)) = given_to.or(told.taken) {
            let holder = holders.get_mut(&route).expect("it took");
            if let Some(question) = holder.give_back(taken, edge.now()) {
                edge.run_errand(RouteErrand::Ask(call_for(&route, question, timeout)));
            }
        }
    }

    /// Does what is to be done behind the answer: `pass` waits, `ask` asks the object, and tells the
    /// log where it gives no answer.
    pub async fn perform(
        &self,
        errand: RouteErrand,
        now: impl Fn() -> Timestamp,
        pass: impl AsyncFnOnce(Duration),
        ask: impl AsyncFnOnce(&RouteCall) -> Result<Answer, ()>,
    ) {
        let call = match errand {
            RouteErrand::Ask(call) => Some(call),
            RouteErrand::Wake {
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
    fn hear_route(&self, call: &RouteCall, answer: Result<Answer, ()>, now: Timestamp) {
        if let Some(holder) = self.holders.borrow_mut().get_mut(&call.route) {
            match answer {
                Ok(Answer::Given(given)) => holder.heard(&call.question, &given, now),
                Ok(Answer::Stale) | Err(()) => holder.failed(&call.question),
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
        let question = holders.get_mut(route)?.woken(alarm, now, timeout)?;
        Some(call_for(route, question, timeout))
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

fn call_for(route: &str, question: Question, timeout: Duration) -> RouteCall {
    let route = route.to_owned();
    RouteCall {
        route,
        question,
        timeout,
    }
}

fn errand_for(route: &str, errand: Errand, timeout: Duration) -> RouteErrand {
    match errand {
        Errand::Ask(question) => RouteErrand::Ask(call_for(route, question, timeout)),
        Errand::Wake { after, alarm } => RouteErrand::Wake {
            after,
            route: route.to_owned(),
            alarm,
            timeout,
        },
    }
}
