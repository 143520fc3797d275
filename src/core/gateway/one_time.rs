//! Step 9, its last part: what can be used once, after every check that could still refuse.

use std::time::Duration;

use super::Platform;
use crate::checks::handshake::Handshake;
use crate::one_time::jti::TokenUse;
use crate::one_time::store::{StoreRequest, StoreResponse};
use crate::one_time::ticket::{Bounds, Grant, Ticket};
use crate::policy::{Counting, Policy};
use crate::record::Record;
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use crate::token::{Authenticated, Credential};
use crate::util::time::Timestamp;

/// A question to the object of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceCall {
    pub name: String,
    pub request: StoreRequest,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
}

/// Who asks to be admitted, as far as step 7 knows.
pub(super) enum Bearer {
    Verified(Authenticated),
    /// Whom it stands for is known when it is spent.
    Ticket(Ticket),
}

impl Policy {
    /// Step 7: verifies the token, or reads a ticket in its place. One that came beside a token
    /// could stand for somebody else.
    pub(super) async fn identify<E: Platform>(
        &self,
        platform: &E,
        request: &Request<'_>,
        handshake: &Handshake,
        record: &mut Record,
    ) -> Result<Bearer, Rejection> {
        let Some(authentication) = &self.authentication else {
            return Ok(Bearer::Verified(Authenticated::default()));
        };
        let protocols = &handshake.protocols;
        if self.one_time.ticket_ttl.is_some()
            && let Some(ticket) = Ticket::find(request)?
        {
            return match Credential::find(&authentication.sources, request, protocols)? {
                None => Ok(Bearer::Ticket(ticket)),
                Some(_) => Err(Reason::AmbiguousToken.because("a ticket and a token")),
            };
        }
        let verdict = authentication.check(platform, request, protocols).await;
        let authenticated = record.note_verdict(verdict)?;
        if let Some(identity) = &authenticated.identity {
            record.note_identity(identity);
        }
        // Whether it can be admitted at all is known before anything is asked.
        self.token_use(&authenticated)?;
        Ok(Bearer::Verified(authenticated))
    }

    /// The one admission of a token, where that is asked for.
    pub(super) fn token_use(
        &self,
        authenticated: &Authenticated,
    ) -> Result<Option<TokenUse>, Rejection> {
        let identity = authenticated.identity.as_ref();
        identity
            .filter(|_| self.one_time.rejects_replay)
            .map(|identity| TokenUse::of(identity, self.one_time.accepted_until(identity)))
            .transpose()
    }
}

/// Spends a ticket. Without an answer nobody knows whose it is, so every failure refuses. One
/// that is shown outside its bounds is spent as well: it has leaked.
pub(super) async fn spend<E: Platform>(
    platform: &E,
    ticket: &Ticket,
    bounds: &Bounds,
    counting: &Counting,
    record: &mut Record,
) -> Result<Authenticated, Rejection> {
    let call = OnceCall {
        name: ticket.name(),
        request: StoreRequest::Take,
        timeout: counting.timeout,
    };
    let grant = match platform.ask_once(&call).await {
        Ok(StoreResponse::Given(content)) => Grant::redeem(&content, bounds)?,
        Ok(_) => {
            return Err(Reason::TokenUnusable.because("the ticket is unknown, spent or expired"));
        }
        Err(failure) => return Err(counting.unavailable(failure)),
    };
    (record.alg, record.kid) = (grant.alg, grant.kid);
    record.note_identity(&grant.identity);
    Ok(Authenticated {
        identity: Some(grant.identity),
        credential: Some(ticket.credential()),
    })
}

/// Admits a `jti` once, or does what the failure policy says.
pub(super) async fn admit_once<E: Platform>(
    platform: &E,
    id: TokenUse,
    counting: &Counting,
    record: &mut Record,
) -> Result<(), Rejection> {
    let call = OnceCall {
        name: id.name,
        request: StoreRequest::keep(id.until, String::new()),
        timeout: counting.timeout,
    };
    let failure = match platform.ask_once(&call).await {
        Ok(StoreResponse::Kept) => return Ok(()),
        Ok(StoreResponse::Exists) => {
            return Err(Reason::TokenUnusable.because("the jti was admitted before"));
        }
        Ok(other) => format!("it answered {other:?}"),
        Err(failure) => failure,
    };
    let failure = format!("the object of the jti: {failure}");
    counting.lapse(record, "uncounted", failure)
}

/// Keeps until a time what a new ticket stands for.
pub(super) async fn keep<E: Platform>(
    platform: &E,
    ticket: &Ticket,
    (until, content): (Timestamp, String),
    counting: &Counting,
) -> Result<(), Rejection> {
    let call = OnceCall {
        name: ticket.name(),
        request: StoreRequest::keep(until, content),
        timeout: counting.timeout,
    };
    let failure = match platform.ask_once(&call).await {
        Ok(StoreResponse::Kept) => return Ok(()),
        Ok(other) => format!("the object of the ticket answered {other:?}"),
        Err(failure) => failure,
    };
    Err(counting.unavailable(failure))
}
