//! Step 9, the registry: whether a socket is revoked or banned, and its registration.

use std::time::Duration;

use super::{ObjectReply, Platform};
use crate::policy::OnLimiterFailure;
use crate::policy::Route;
use crate::record::Record;
use crate::registry::{Arrival, DenialReason, RegistryResponse, SocketEntry, shard_of};
use crate::request::address::AddressKey;
use crate::request::parameters::Parameters;
use crate::response::reason::{Reason, Rejection};
use crate::token::Identity;
use crate::util::time::Timestamp;

/// A socket to be admitted, and registered where it has a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The object to ask.
    pub shard: u8,
    pub entry: SocketEntry,
    /// Whether a channel is held while the socket lives.
    pub with_channel: bool,
    /// Whether the socket ends where the object can't be reached for long.
    pub ends_when_lost: bool,
    /// After this long the object counts as unable to answer.
    pub timeout: Duration,
}

/// A socket as the registry knows it. `address`: as the whole gate counts it, whatever the route
/// says, for an administrator knows no other.
pub(super) fn entry(
    now: Timestamp,
    address: AddressKey,
    (route, parameters): (&Route, &Parameters),
    identity: Option<&Identity>,
    record: &Record,
) -> SocketEntry {
    let policy = &route.policy;
    let arrival = Arrival {
        id: &record.request_id,
        address,
        route: &route.pattern,
        origin: record.origin.as_deref(),
        realm: &policy.registering.realm(&policy.permission, parameters),
        now,
    };
    SocketEntry::new(
        &arrival,
        identity.map(|identity| (identity, policy.one_time.accepted_until(identity))),
    )
}

/// Asks the registry about an upgrade, where that is needed; `address` as for [`entry`].
pub(super) async fn register<E: Platform>(
    platform: &E,
    address: AddressKey,
    place: (&Route, &Parameters),
    identity: Option<&Identity>,
    record: &mut Record,
) -> Result<Option<E::Channel>, Rejection> {
    let policy = &place.0.policy;
    let registering = &policy.registering;
    // Without revocations only what expires is of interest.
    let may_expire = registering.is_held && identity.is_some();
    if !registering.is_judged && !may_expire {
        return Ok(None);
    }
    let counting = &policy.counting;
    let registration = Registration {
        shard: shard_of(identity, address),
        entry: entry(platform.now(), address, place, identity, record),
        with_channel: registering.is_held,
        ends_when_lost: counting.on_failure == OnLimiterFailure::Reject,
        timeout: counting.timeout,
    };
    let ObjectReply { answer, channel } = platform.register(&registration).await;
    let failure = match answer {
        Ok(RegistryResponse::Admitted) => return Ok(channel),
        Ok(RegistryResponse::Refused { end }) => return Err(rejection_for(end)),
        Ok(other) => format!("the registry answered {other:?}"),
        Err(failure) => failure,
    };
    counting.lapse(record, "without a look into the registry", failure)?;
    Ok(channel)
}

pub(super) fn rejection_for(end: DenialReason) -> Rejection {
    match end {
        DenialReason::Revoked => Reason::Revoked.because("the registry's answer"),
        DenialReason::Banned | DenialReason::Disconnected => {
            Reason::Banned.because("banned by an administrator")
        }
    }
}
