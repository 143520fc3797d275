//! Step 9, the registry: whether a socket is revoked or banned, and its registration.

use std::time::Duration;

use super::Edge;
use super::once::unavailable;
use crate::client::AddressKey;
use crate::config::OnLimiterFailure;
use crate::record::Record;
use crate::registry::{Answer, Arrival, End, Entry, shard_of};
use crate::rejection::{Reason, Rejection};
use crate::route::{Parameters, Route};
use crate::token::Identity;

/// A socket to be admitted, and registered where it has a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The object to ask.
    pub shard: u8,
    pub entry: Entry,
    /// Whether a channel is held while the socket lives.
    pub with_channel: bool,
    /// Whether the socket ends where the object can't be reached for long.
    pub ends_when_lost: bool,
    /// After this long the object counts as unable to answer.
    pub timeout: Duration,
}

/// What came of it.
pub struct Registered<C> {
    /// The error is for the log.
    pub answer: Result<Answer, String>,
    /// Tries on where there was no answer. Let go of, the socket is not registered any more.
    pub channel: Option<C>,
}

/// Asks the registry about an upgrade, where that is needed. `address`: as the whole gate counts
/// it, whatever the route says, for an administrator knows no other.
pub(super) async fn register<E: Edge>(
    edge: &E,
    address: AddressKey,
    (route, parameters): (&Route, &Parameters),
    identity: Option<&Identity>,
    record: &mut Record,
) -> Result<Vec<E::Channel>, Rejection> {
    let policy = &route.policy;
    let registering = &policy.registering;
    // Without revocations only what expires is of interest.
    let may_expire = registering.is_held && identity.is_some();
    if !registering.is_judged && !may_expire {
        return Ok(Vec::new());
    }
    let entry = Entry::new(
        &Arrival {
            id: &record.request_id,
            address,
            route: &route.pattern,
            origin: record.origin.as_deref(),
            realm: &registering.realm(&policy.permission, parameters),
            now: edge.now(),
        },
        identity.map(|identity| (identity, policy.one_time.accepted_until(identity))),
    );
    let counting = &policy.counting;
    let registration = Registration {
        shard: shard_of(identity, address),
        entry,
        with_channel: registering.is_held,
        ends_when_lost: counting.on_failure == OnLimiterFailure::Reject,
        timeout: counting.timeout,
    };
    let Registered { answer, channel } = edge.register(&registration).await;
    let failure = match answer {
        Ok(Answer::Admitted) => return Ok(channel.into_iter().collect()),
        Ok(Answer::Refused { end }) => return Err(refusal_of(end)),
        Ok(other) => format!("the registry answered {other:?}"),
        Err(failure) => failure,
    };
    match counting.on_failure {
        OnLimiterFailure::Reject => Err(unavailable(counting.timeout, failure)),
        OnLimiterFailure::Admit => {
            record.note_lapse(format!(
                "admitted without a look into the registry: {failure}"
            ));
            Ok(channel.into_iter().collect())
        }
    }
}

pub(super) fn refusal_of(end: End) -> Rejection {
    match end {
        End::Revoked => Reason::Revoked.because("the registry's answer"),
        End::Banned | End::Kicked => Reason::Banned.because("banned by an administrator"),
    }
}
