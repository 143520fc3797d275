//! Work after the response: what every [`BackgroundTask`] does.

use super::gate::Gate;
use super::platform::{
    Background, BackgroundTask, LedgerCall, Ledgers, Metrics, RouteCall, RoutePools, Wait,
};
use crate::limits::ledger::{LedgerResponse, Operation};
use crate::record::Record;
use crate::token::Providers;
use crate::util::time::{Clock, Timestamp};

impl Gate {
    /// Runs a task that no response waits for. Returns what is to be recorded; the error is a line
    /// for the log.
    pub async fn perform<P>(
        &self,
        platform: &P,
        task: BackgroundTask,
    ) -> Result<Option<Box<Record>>, String>
    where
        P: Clock + Wait + Ledgers + RoutePools + Providers + Metrics + Background,
    {
        match task {
            BackgroundTask::Ledger(call) => {
                self.settle_with_ledger(platform, &call).await?;
            }
            BackgroundTask::Failure { call, record } => {
                let answer = self.settle_with_ledger(platform, &call).await?;
                return Ok(ban(&call, &answer, *record, platform.now()));
            }
            BackgroundTask::TellRefusals {
                after,
                call,
                untold,
            } => {
                platform.wait(after).await;
                let now = platform.now();
                if let Some(task) = Self::refusals_of_the_second(call, &untold, now) {
                    platform.run_in_background(task);
                }
            }
            BackgroundTask::EndLease { after, lease, id } => {
                platform.wait(after).await;
                self.end_lease(&lease, id);
            }
            BackgroundTask::RoutePool(call) => self.settle_with_pool(platform, &call).await?,
            BackgroundTask::WakeRoute {
                after,
                route,
                alarm,
                timeout,
            } => {
                platform.wait(after).await;
                let call = self.wake_route(&route, alarm, timeout, platform.now());
                if let Some(call) = call {
                    self.settle_with_pool(platform, &call).await?;
                }
            }
            BackgroundTask::Report => self.report(platform).await?,
            BackgroundTask::FetchKeys(keys) => platform.fetch_keys(&keys, false).await,
        }
        Ok(None)
    }

    async fn settle_with_ledger<P: Clock + Ledgers + Background>(
        &self,
        platform: &P,
        call: &LedgerCall,
    ) -> Result<LedgerResponse, String> {
        match platform.ask_ledger(call).await.answer {
            Ok(answer) => {
                self.hear(platform, call, &answer);
                Ok(answer)
            }
            Err(failure) => {
                let lapse = match call.request.operation {
                    Operation::GiveBack { .. } => "an admission was not given back".to_owned(),
                    Operation::Count {
                        attempts: 0,
                        failures,
                    } => uncounted(failures, "a failure", "failures"),
                    Operation::Count { attempts, .. } => {
                        uncounted(attempts, "a refused attempt", "refused attempts")
                    }
                    _ => "a question went unanswered".to_owned(),
                };
                Err(format!("{lapse}: {}: {failure}", call.scope))
            }
        }
    }

    async fn settle_with_pool<P: Clock + RoutePools>(
        &self,
        platform: &P,
        call: &RouteCall,
    ) -> Result<(), String> {
        let answer = platform.ask_route_pool(call).await;
        self.take_pool_answer(call, answer.as_ref().ok(), platform.now());
        answer.map(drop).map_err(|failure| {
            format!(
                "the quota of {} could not be updated: {failure}",
                call.route
            )
        })
    }
}

fn uncounted(number: u32, one: &str, many: &str) -> String {
    match number {
        1 => format!("{one} went uncounted"),
        _ => format!("{number} {many} went uncounted"),
    }
}

/// The record of a ban that a failure brought. A ban that held before answers otherwise.
fn ban(
    call: &LedgerCall,
    answer: &LedgerResponse,
    failed: Record,
    now: Timestamp,
) -> Option<Box<Record>> {
    let rule = call.request.limits.ban?;
    let LedgerResponse::Counted(outlook) = answer else {
        return None;
    };
    let until = now + outlook.banned_for;
    let rule = rule.failures.to_string();
    (!outlook.banned_for.is_zero()).then(|| Box::new(Record::of_ban(failed, &rule, now, until)))
}
