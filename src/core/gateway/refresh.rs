//! `/_portcullis/refresh`: a newer token moves the expiry of its subject's live sockets.

use serde::Serialize;

use super::checks::{Caller, Purpose};
use super::limits::{Client, Reservations};
use super::one_time::admit_once;
use super::registration::{entry, rejection_for};
use super::{Gate, Passage, Platform};
use crate::one_time::jti::TokenUse;
use crate::policy::Route;
use crate::record::{Outcome, Record, Stage};
use crate::registry::{RegistryRequest, RegistryResponse, session_key, subject_key};
use crate::request::Request;
use crate::request::address::Ipv6Prefix;
use crate::request::parameters::Parameters;
use crate::response::reason::{Reason, Rejection};

#[derive(Serialize)]
struct Refreshed {
    /// Whole seconds, rounded down.
    expires_in: u64,
    /// How many live until then.
    sockets: u64,
}

impl Gate {
    /// Steps 4 to 9 under the settings of a route: the token must be one that would open a socket
    /// there, and moves the sockets that were opened under the same rules.
    pub(super) async fn refresh<E: Platform>(
        &self,
        platform: &E,
        request: &Request<'_>,
        place: (&Route, &Parameters),
        prefix: Ipv6Prefix,
        record: &mut Record,
        reservations: &mut Reservations<E::Channel>,
    ) -> Result<Passage<E>, Rejection> {
        // 4 to 7
        let (route, parameters) = place;
        let policy = &route.policy;
        let caller = self
            .caller(platform, request, policy, Purpose::Refresh, record)
            .await?;
        let identity = match caller {
            Caller::Known(identity) => identity,
            Caller::Preflight => return Ok(Passage::Preflight),
        };

        // 8. permission
        record.stage = Stage::Permission;
        policy.permission.check(Some(&identity), parameters)?;
        let Some(subject) = subject_key(&identity) else {
            let detail = "the token names no subject, so it is not known whose sockets are meant";
            return Err(Reason::BadRequest {
                detail: detail.into(),
            }
            .because("the token names no subject"));
        };

        // 9. counters, the one use of the token, and the registry
        record.stage = Stage::Counters;
        let counting = &policy.counting;
        let address = request.address.key(counting.ipv6_prefix);
        let client = Client {
            address,
            user: None,
            opens: false,
        };
        self.admit(platform, counting, client, None, record, reservations)
            .await?;
        let until = policy.one_time.accepted_until(&identity);
        if policy.one_time.rejects_replay {
            admit_once(platform, TokenUse::of(&identity, until)?, counting, record).await?;
        }
        let shard = subject.shard();
        let address = request.address.key(prefix);
        let question = RegistryRequest::Extend {
            entry: entry(platform.now(), address, place, Some(&identity), record),
            subject,
            session: session_key(&identity),
        };
        let answers = platform
            .ask_registry(&[shard], &question, counting.timeout)
            .await;
        let failure = match answers.into_iter().next() {
            Some(Ok(RegistryResponse::Extended { sockets })) => {
                record.outcome = Outcome::Refreshed;
                let refreshed = Refreshed {
                    expires_in: until.since(platform.now()).as_secs(),
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
        // Nothing was prolonged, whatever the failure policy says.
        Err(counting.unavailable(failure))
    }
}
