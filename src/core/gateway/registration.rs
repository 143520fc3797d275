//! The registry at step 9: whether a socket is revoked or banned, and its registration.

use super::attempt::{Attempt, Found};
use super::platform::{ObjectReply, Platform, Registration};
use crate::policy::FailurePolicy;
use crate::record::Stage;
use crate::registry::{Arrival, DenialReason, RegistryResponse, SocketEntry, shard_of};
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::token::Identity;

impl<P: Platform> Attempt<'_, P> {
    /// A socket as the registry knows it.
    pub fn socket_entry(&self, found: Found<'_>, identity: Option<&Identity>) -> SocketEntry {
        let policy = &found.route.policy;
        let arrival = Arrival {
            id: &self.record.request_id,
            address: self.registry_address(),
            route: &found.route.pattern,
            origin: self.record.origin.as_deref(),
            realm: &policy
                .registering
                .realm(&policy.permission, &found.parameters),
            now: self.platform.now(),
        };
        SocketEntry::new(
            &arrival,
            identity.map(|identity| (identity, policy.one_time.accepted_until(identity))),
        )
    }

    /// The address as the whole gate counts it, whatever the route says: an administrator knows no
    /// other.
    fn registry_address(&self) -> AddressKey {
        self.request.address.key(self.gate.ipv6_prefix())
    }

    /// Asks the registry about an upgrade, where that is needed.
    pub async fn register(
        &mut self,
        found: Found<'_>,
        identity: Option<&Identity>,
    ) -> Result<(), Rejection> {
        let policy = &found.route.policy;
        let registering = &policy.registering;
        // Without revocations only sockets that expire matter.
        let may_expire = registering.is_held && identity.is_some();
        if !registering.is_judged && !may_expire {
            return Ok(());
        }
        self.enter(Stage::Registry);
        let counters = self.counters(&policy.counting);
        let registration = Registration {
            shard: shard_of(identity, self.registry_address()),
            entry: self.socket_entry(found, identity),
            with_channel: registering.is_held,
            ends_when_lost: policy.counting.on_registry_failure == FailurePolicy::Reject,
            timeout: policy.counting.timeout,
        };
        let ObjectReply { answer, channel } = self.platform.register(&registration).await;
        let failure = match answer {
            Ok(RegistryResponse::Admitted) => None,
            Ok(RegistryResponse::Refused { end }) => return Err(rejection_for(end)),
            Ok(other) => Some(format!("the registry answered {other:?}")),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            let without = "without a look into the registry";
            let lapses = counters.registry_lapse(without, failure)?;
            self.record.note_lapses(lapses);
        }
        self.reservations.ledgers.channels.extend(channel);
        Ok(())
    }
}

pub(super) fn rejection_for(end: DenialReason) -> Rejection {
    match end {
        DenialReason::Revoked => Reason::Revoked.because("the registry's answer"),
        DenialReason::Banned | DenialReason::Disconnected => {
            Reason::Banned.because("banned by an administrator")
        }
    }
}
