//! The registry at step 9: whether a socket is revoked or banned, and its registration.

use super::attempt::{Attempt, Found};
use super::platform::{ObjectReply, Platform, Registration};
use crate::limits::scope::LimitScope;
use crate::policy::{FailurePolicy, Judging};
use crate::record::Stage;
use crate::registry::{
    Arrival, DenialReason, DeniedBy, MAX_SOCKETS_OF_OWNER, RegistryResponse, SocketEntry, shard_of,
};
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::token::{Authenticated, Identity, TokenDigest};
use crate::util::time::Timestamp;

impl<'a, P: Platform> Attempt<'a, P> {
    /// A socket as the registry knows it.
    pub fn socket_entry(
        &self,
        found: Found<'_>,
        identity: Option<&Identity>,
        token: Option<&TokenDigest>,
    ) -> SocketEntry {
        let policy = &found.route.policy;
        let arrival = Arrival {
            id: &self.record.request_id,
            address: self.registry_address(),
            route: &found.route.pattern,
            origin: self.record.origin.as_deref(),
            realm: &policy
                .registering
                .realm(&policy.permission, &found.parameters),
            token,
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

    /// Asks the registry about an upgrade, where that is needed, and registers its socket.
    pub async fn register(
        &mut self,
        found: Found<'a>,
        authenticated: &Authenticated,
    ) -> Result<(), Rejection> {
        let is_held = found.route.policy.registering.is_held;
        self.ask_registry(found, authenticated, is_held).await
    }

    /// Asks the registry about a plain request, where that is needed. There is nothing to register.
    pub async fn judge(
        &mut self,
        found: Found<'a>,
        authenticated: &Authenticated,
    ) -> Result<(), Rejection> {
        self.ask_registry(found, authenticated, false).await
    }

    async fn ask_registry(
        &mut self,
        found: Found<'a>,
        authenticated: &Authenticated,
        is_held: bool,
    ) -> Result<(), Rejection> {
        let identity = authenticated.identity.as_ref();
        let policy = &found.route.policy;
        let registering = &policy.registering;
        // Otherwise only sockets that expire matter.
        let may_expire = is_held && identity.is_some();
        if registering.judging == Judging::Never && !may_expire {
            return Ok(());
        }
        let shard = shard_of(identity, self.registry_address());
        let is_known = registering.judging == Judging::WhileDenialsExist
            && self.gate.undenied.is_known(shard, self.platform.now());
        if is_known && !may_expire {
            return Ok(());
        }
        self.enter(Stage::Registry);
        let counters = self.counters(self.counting(policy));
        let registration = Registration {
            shard,
            entry: self.socket_entry(found, identity, authenticated.token.as_ref()),
            with_channel: is_held && (registering.judging == Judging::Always || may_expire),
            ends_when_lost: policy.counting.on_registry_failure == FailurePolicy::Reject
                && !self.only_reports,
            timeout: policy.counting.timeout,
        };
        let ObjectReply { answer, channel } = self.platform.register(&registration).await;
        let failure = match answer {
            Ok(RegistryResponse::Admitted { denials_exist }) => {
                let now = self.platform.now();
                self.gate.undenied.learn(shard, denials_exist, now);
                None
            }
            Ok(RegistryResponse::Refused { end, by }) => return Err(rejection_for(end, by)),
            Ok(RegistryResponse::TooManySockets) => {
                let (scope, owner) = match identity.and_then(|identity| identity.subject.as_ref()) {
                    Some(_) => (LimitScope::User, "subject"),
                    None => (LimitScope::Address, "address"),
                };
                let cause = format!(
                    "the registry holds {MAX_SOCKETS_OF_OWNER} live sockets of this {owner}"
                );
                return Err(Reason::TooManySockets { scope }.because(cause));
            }
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

/// The refusal of who is revoked or banned by an administrator, with the denial that says so.
pub(super) fn rejection_for(end: DenialReason, by: Option<DeniedBy>) -> Rejection {
    let rejection = match end {
        DenialReason::Revoked => Reason::Revoked.because("the registry's answer"),
        DenialReason::Banned | DenialReason::Disconnected => Reason::Banned
            .because("banned by an administrator")
            .by("ADMIN_TOKEN"),
    };
    rejection.with(|evidence| {
        if let Some(DeniedBy { id, about, until }) = by {
            evidence.denial = Some(id);
            evidence.party = Some(about.into());
            evidence.until = (until < Timestamp::LATEST).then_some(until);
        }
    })
}
