//! `POST /_portcullis/refresh`: a newer token moves the end of its subject's live sockets.

use serde::Serialize;

use super::admission::Refresher;
use super::attempt::Attempt;
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use super::registration::rejection_for;
use crate::record::{Outcome, Stage};
use crate::registry::{RegistryRequest, RegistryResponse, session_key};
use crate::response::reason::Rejection;

#[derive(Serialize)]
struct Refreshed {
    /// Whole seconds, rounded down.
    expires_in: u64,
    /// How many sockets live until then.
    sockets: u64,
}

impl<'a, P: Platform> Attempt<'a, P> {
    /// Moves the sockets that were opened under the rules of this route: its token would open a
    /// socket there.
    pub async fn refresh(
        &mut self,
        permit: Permit<Refresher<'a>>,
    ) -> Result<Passage<P>, Rejection> {
        self.enter(Stage::Registry);
        let Refresher {
            found,
            identity,
            subject,
        } = permit.into_inner();
        let policy = &found.route.policy;
        let shard = subject.shard();
        let question = RegistryRequest::Extend {
            entry: self.socket_entry(found, Some(&identity)),
            subject,
            session: session_key(&identity),
        };
        let answers = self
            .platform
            .ask_registry(&[shard], &question, policy.counting.timeout)
            .await;
        let failure = match answers.into_iter().next() {
            Some(Ok(RegistryResponse::Extended { sockets })) => {
                self.record.outcome = Outcome::Refreshed;
                let until = policy.one_time.accepted_until(&identity);
                let refreshed = Refreshed {
                    expires_in: until.since(self.platform.now()).as_secs(),
                    sockets,
                };
                let json = serde_json::to_string(&refreshed).expect("two numbers");
                return Ok(Passage::Json { json });
            }
            Some(Ok(RegistryResponse::Refused { end })) => return Err(rejection_for(end)),
            Some(Ok(other)) => format!("the registry answered {other:?}"),
            Some(Err(failure)) => failure,
            None => "the registry did not answer".into(),
        };
        // Nothing was extended, whatever the failure policy says.
        Err(self.counters(&policy.counting).unavailable(failure))
    }
}
