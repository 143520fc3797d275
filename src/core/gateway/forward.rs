//! Step 10: a request that passed every check goes on.

use super::{Passage, Permit, Platform};
use crate::policy::Policy;
use crate::record::{Outcome, Record, Stage};
use crate::relay::{RelayMode, SocketLimits};
use crate::request::Request;
use crate::request::parameters::Parameters;
use crate::response::reason::Rejection;
use crate::token::Authenticated;
use crate::upstream::Forward;
use crate::upstream::assertion::Assertion;
use crate::util::time::Timestamp;

pub(super) async fn pass_upgrade<E: Platform>(
    platform: &E,
    policy: &Policy,
    parameters: &Parameters,
    request: &Request<'_>,
    record: &mut Record,
    permit: Permit<E::Channel>,
) -> Result<Passage<E>, Rejection> {
    let mut forward = Forward::upgrade(
        policy.upstream.destination(parameters),
        policy.upstream_timeout,
        request,
        &record.request_id,
        &permit.authenticated,
        &permit.offer,
    );
    if let Some(key) = &policy.assertion_key {
        let assertion = Assertion {
            audience: &policy.upstream.audience(),
            identity: permit.authenticated.identity.as_ref(),
            address: request.address.ip(),
            route: record.route.as_deref(),
            request_id: &record.request_id,
        };
        forward.assert(key.sign(&assertion, platform.now()));
    }
    let (reply, upstream) = platform.forward(&forward).await?;
    match reply.judge(&permit.offer) {
        Ok(protocol) => {
            record.outcome = Outcome::Admitted;
            Ok(Passage::Socket {
                upstream,
                protocol,
                limits: policy.limits(&permit.authenticated, platform.now()),
                channels: permit.channels,
            })
        }
        Err(rejection) => {
            platform.discard(upstream);
            Err(rejection)
        }
    }
}

pub(super) async fn pass_plain<E: Platform>(
    platform: &E,
    policy: &Policy,
    parameters: &Parameters,
    request: &Request<'_>,
    record: &mut Record,
) -> Result<Passage<E>, Rejection> {
    record.stage = Stage::Forward;
    let forward = Forward::plain(
        policy.upstream.destination(parameters),
        policy.upstream_timeout,
        request,
        &record.request_id,
    );
    let (_, upstream) = platform.forward(&forward).await?;
    record.outcome = Outcome::Proxied;
    Ok(Passage::Plain { upstream })
}

impl Policy {
    /// What holds for a socket that this opens now; `None` where it passes natively.
    fn limits(&self, authenticated: &Authenticated, now: Timestamp) -> Option<SocketLimits> {
        let RelayMode::Inspect(limits) = &self.relay else {
            return None;
        };
        let identity = authenticated.identity.as_ref();
        let accepted_until = identity.map(|identity| self.one_time.accepted_until(identity));
        Some(limits.for_socket(accepted_until, now))
    }
}
