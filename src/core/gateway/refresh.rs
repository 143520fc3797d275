//! `POST /_portcullis/refresh`: a newer token moves the end of its subject's live sockets.

use serde::Serialize;

use super::attempt::Attempt;
use super::checks::TokenHolder;
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use super::registration::rejection_for;
use crate::record::{Outcome, Stage};
use crate::registry::{
    RefreshScope, RegistryKey, RegistryRequest, RegistryResponse, session_key, subject_key,
};
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use crate::token::TokenDigest;

#[derive(Serialize)]
struct Refreshed {
    /// Whole seconds, rounded down.
    expires_in: u64,
    /// How many sockets live until then.
    sockets: u64,
}

/// The header in which a client shows the token that its sockets live by, where tokens name no
/// session.
pub const PREVIOUS_TOKEN: &str = "portcullis-previous-token";

/// A client that refreshes its sockets by its token.
pub(super) struct Refresher<'a> {
    pub holder: TokenHolder<'a>,
    /// The owner of the sockets.
    subject: RegistryKey,
    scope: RefreshScope,
}

impl<'a> Refresher<'a> {
    pub fn new(holder: TokenHolder<'a>, request: &Request<'_>) -> Result<Self, Rejection> {
        let bad = |cause: &'static str, detail: &str| {
            let detail = format!("{cause}{detail}");
            Reason::BadRequest { detail }.because(cause)
        };
        let subject = subject_key(&holder.identity).ok_or_else(|| {
            let detail = ", so it is not known whose sockets are meant";
            bad("the token names no subject", detail)
        })?;
        let previous = request.headers.get(PREVIOUS_TOKEN);
        let previous = previous.as_deref().map(str::trim);
        let scope = match (session_key(&holder.identity), previous) {
            (Some(session), _) => RefreshScope::Session(session),
            // It needs no verification: it only chooses among the subject's own sockets.
            (None, Some(token)) if !token.is_empty() => RefreshScope::Token(TokenDigest::of(token)),
            (None, _) if holder.is_introspected => RefreshScope::Token(holder.token.clone()),
            (None, _) => {
                let detail = ", so it is not known which of the subject's sockets are meant; show \
                              the token that opened them or moved them last in the header \
                              Portcullis-Previous-Token";
                return Err(bad("the token names no session", detail));
            }
        };
        Ok(Self {
            holder,
            subject,
            scope,
        })
    }
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
            holder,
            subject,
            scope,
        } = permit.into_inner();
        let TokenHolder {
            found,
            identity,
            token,
            ..
        } = holder;
        let policy = &found.route.policy;
        let shard = subject.shard();
        let question = RegistryRequest::Extend {
            entry: self.socket_entry(found, Some(&identity), Some(&token)),
            subject,
            scope,
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
            Some(Ok(RegistryResponse::Refused { end, by })) => return Err(rejection_for(end, by)),
            Some(Ok(other)) => format!("the registry answered {other:?}"),
            Some(Err(failure)) => failure,
            None => "the registry did not answer".into(),
        };
        // Nothing was extended, whatever the failure policy says.
        Err(self.counters(&policy.counting).unavailable(failure))
    }
}
