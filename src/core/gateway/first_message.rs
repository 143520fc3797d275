//! Step 7 for a socket whose token is in its first message: it is accepted before its server is
//! known.

use super::attempt::{Attempt, Found};
use super::platform::{NoFirstMessage, Opening, Platform};
use crate::checks::handshake::Handshake;
use crate::limits::scope::LimitScope;
use crate::relay::first_message::{FirstMessage, FirstMessageFate, FirstMessagePassing, Opened};
use crate::response::reason::{Reason, Rejection};
use crate::token::{Authentication, Credential};

impl<'a, P: Platform> Attempt<'a, P> {
    /// Accepts the socket and waits for its first message. The client already has its answer then, so
    /// every refusal is a close.
    pub async fn await_first_message(
        &mut self,
        found: Found<'a>,
        handshake: &mut Handshake,
        authentication: &Authentication,
        awaited: &FirstMessage,
    ) -> Result<Option<Credential>, Rejection> {
        let protocol = awaited.choose(&handshake.protocols).cloned();
        let opening = Opening {
            route: found.number,
            is_tls: self.request.url.is_tls(),
            address: &self.record.address,
            request_id: &self.record.request_id,
            protocol: protocol.as_deref(),
            greeting: awaited.greeting.as_deref(),
            max_bytes: awaited.max_bytes,
            timeout: awaited.timeout,
        };
        let message = self.platform.first_message(&opening).await;
        let is_open = !matches!(
            message,
            Err(NoFirstMessage::TooManyOfAddress | NoFirstMessage::TooMany)
        );
        // From here on the client has its answer, whatever is decided.
        if is_open {
            // The server may only choose the subprotocol that the client was answered with.
            handshake.protocols = protocol.iter().cloned().collect();
        }
        self.opened = is_open.then(|| Opened {
            protocol,
            first: FirstMessageFate::AsSent,
            drops_upstream_greeting: awaited.greeting.is_some() && awaited.drops_upstream_greeting,
        });
        // A token that is not found can't be removed, so the message must not reach the server.
        let can_report = is_open && awaited.passing == FirstMessagePassing::Pass;
        let message = message.map_err(rejection_for);
        let message = self.heed_later(can_report, message)?;
        let found = authentication.find_in_message(&message);
        let credential = self.heed_later(can_report, found.map_err(Rejection::from))?;
        if let (Some(opened), Some(credential)) = (&mut self.opened, &credential) {
            opened.first = match awaited.passing {
                FirstMessagePassing::Pass => FirstMessageFate::AsSent,
                FirstMessagePassing::Drop => FirstMessageFate::Dropped,
                FirstMessagePassing::Strip => {
                    FirstMessageFate::Replaced(credential.without_token(&message))
                }
            };
        }
        Ok(credential)
    }
}

fn rejection_for(failure: NoFirstMessage) -> Rejection {
    match failure {
        NoFirstMessage::TooManyOfAddress => {
            let scope = LimitScope::Address;
            Reason::TooManySockets { scope }
                .because("too many sockets of this address have not sent their first message")
        }
        NoFirstMessage::TooMany => Reason::TooManySockets {
            scope: LimitScope::Route,
        }
        .because("too many sockets of this isolate have not sent their first message"),
        NoFirstMessage::TimedOut => Reason::TokenMissing
            .because("no message came in time")
            .by("FIRST_MESSAGE_TIMEOUT"),
        NoFirstMessage::TooLong => Reason::TokenInvalid
            .because("the first message is too long")
            .by("TOKEN_MAX_BYTES"),
        NoFirstMessage::Left => {
            Reason::TokenMissing.because("the client left before its first message")
        }
    }
}
