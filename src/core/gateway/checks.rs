//! Steps 4 to 8 for everybody who shows a credential: for a socket, a ticket or a refresh, or as an
//! administrator.

use super::apart;
use super::attempt::{Attempt, Found};
use super::limits::Admission;
use super::one_time::Bearer;
use super::plain::{PlainRequest, is_preflight};
use super::platform::Platform;
use super::refresh::Refresher;
use super::token::{CountRule, TokenRuntime};
use crate::admin::{Administrators, Proof, name_of};
use crate::checks::handshake::Handshake;
use crate::one_time::jti::TokenUse;
use crate::policy::{Counting, PlainHttp, Site};
use crate::record::Stage;
use crate::response::reason::{AllowedMethods, Reason, Rejection};
use crate::token::{Authenticated, Identity, TokenDigest};

/// What a request wants, once step 3 knows it.
pub(super) enum Purpose<'a> {
    Upgrade(Found<'a>),
    Ticket(Found<'a>),
    Refresh(Found<'a>),
    Administration(&'a Administrators),
}

/// The form of a request, after step 4.
pub(super) enum Form<'a> {
    /// Not an upgrade, on a route that proxies such requests.
    Unchecked(Found<'a>),
    /// A browser asks what it may send to the server of a route that guards such requests.
    ServersPreflight(Found<'a>),
    /// A browser asks whether it may use an endpoint.
    Preflight(Found<'a>),
    Credential(Claimant<'a>),
}

/// A request whose credential decides.
pub(super) enum Claimant<'a> {
    Upgrade {
        found: Found<'a>,
        handshake: Handshake,
    },
    /// Not an upgrade, on a route that guards such requests.
    Plain(Found<'a>),
    Ticket(Found<'a>),
    Refresh(Found<'a>),
    Administration(&'a Administrators),
}

/// Who asks, after step 7.
pub(super) enum Caller<'a> {
    Upgrade(Upgrade<'a>),
    Plain(PlainRequest<'a>),
    Ticket(TokenHolder<'a>),
    Refresh(TokenHolder<'a>),
    Administrator,
}

/// A client that showed its token to an endpoint.
pub(super) struct TokenHolder<'a> {
    pub found: Found<'a>,
    pub identity: Identity,
    pub token: TokenDigest,
    /// Whether a provider knows it, rather than a key: then it can be one token for a whole session.
    pub is_introspected: bool,
}

/// An upgrade on its way from step 7 to step 9.
pub(super) struct Upgrade<'a> {
    pub found: Found<'a>,
    pub handshake: Handshake,
    pub bearer: Bearer,
}

/// Proof of step 5.
pub(super) struct OriginChecked(());

/// Proof of step 6.
pub(super) struct KnownChecked(());

/// Proof of steps 7 and 8.
pub(super) struct Permitted<'a>(Granted<'a>);

/// What step 8 permits. A ticket is judged at step 9, when it is known whose it is.
pub(super) enum Granted<'a> {
    Upgrade(Upgrade<'a>),
    Plain(PlainRequest<'a>),
    Ticket(TokenHolder<'a>),
    Refresh(Refresher<'a>),
    Administrator,
}

impl<'a> Permitted<'a> {
    pub fn into_inner(self) -> Granted<'a> {
        self.0
    }
}

impl<'a> Form<'a> {
    /// The route whose settings apply; `None` for an administrator.
    fn found(&self) -> Option<Found<'a>> {
        match self {
            Self::Unchecked(found)
            | Self::ServersPreflight(found)
            | Self::Preflight(found)
            | Self::Credential(
                Claimant::Upgrade { found, .. }
                | Claimant::Plain(found)
                | Claimant::Ticket(found)
                | Claimant::Refresh(found),
            ) => Some(found),
            Self::Credential(Claimant::Administration(_)) => None,
        }
    }
}

impl<'a, P: Platform> Attempt<'a, P> {
    /// Step 4: the handshake, or at an endpoint the method.
    pub fn check_form(&mut self, purpose: Purpose<'a>) -> Result<Form<'a>, Rejection> {
        self.enter(Stage::Handshake);
        Ok(match purpose {
            Purpose::Upgrade(found) if !self.request.asks_for_websocket() => {
                let plain_http = found.route.policy.plain_http;
                if plain_http != PlainHttp::Reject && is_mirrored(self.request.method) {
                    let allowed = AllowedMethods::Plain;
                    let cause = "the server would send back what the gate tells it";
                    return Err(Reason::MethodNotAllowed { allowed }.because(cause));
                }
                match plain_http {
                    PlainHttp::Proxy => Form::Unchecked(found),
                    PlainHttp::Guard if is_preflight(self.request) => Form::ServersPreflight(found),
                    PlainHttp::Guard => Form::Credential(Claimant::Plain(found)),
                    PlainHttp::Reject => {
                        let cause = "Upgrade does not name websocket";
                        self.heed(Err(Reason::UpgradeRequired.because(cause)))?;
                        Form::Unchecked(found)
                    }
                }
            }
            Purpose::Upgrade(found) => Form::Credential(Claimant::Upgrade {
                found,
                handshake: Handshake::read(self.request)?,
            }),
            Purpose::Ticket(found) => match self.request.method {
                "OPTIONS" => Form::Preflight(found),
                "POST" => Form::Credential(Claimant::Ticket(found)),
                _ => return Err(not_posted(AllowedMethods::Ticket)),
            },
            Purpose::Refresh(found) => match self.request.method {
                "OPTIONS" => Form::Preflight(found),
                "POST" => Form::Credential(Claimant::Refresh(found)),
                _ => return Err(not_posted(AllowedMethods::Refresh)),
            },
            // Its methods depend on what is asked for, which only an administrator may know.
            Purpose::Administration(all) => Form::Credential(Claimant::Administration(all)),
        })
    }

    /// Step 5: the origin. An administrator's token is in no browser's reach, so it needs none.
    pub fn check_origin(&mut self, form: &Form<'a>) -> Result<OriginChecked, Rejection> {
        if let Some(found) = form.found() {
            self.enter(Stage::Origin);
            if let Form::Credential(Claimant::Plain(_)) = form {
                let verdict = self.check_plain_origin(found);
                self.heed(verdict)?;
                return Ok(OriginChecked(()));
            }
            let origin = self.request.headers.get("origin");
            self.heed(found.route.policy.origins.check(origin.as_deref()))?;
        }
        Ok(OriginChecked(()))
    }

    /// Step 6: bans and exhausted quotas that are already known in this isolate. An administrator
    /// with the right token is never refused by those of an address.
    pub fn check_known(&mut self, form: &Form<'a>, site: &Site) -> Result<KnownChecked, Rejection> {
        self.enter(Stage::Known);
        let counting = match form {
            Form::Credential(Claimant::Administration(all)) => {
                if all.token.check(self.request).is_ok() {
                    return Ok(KnownChecked(()));
                }
                &site.elsewhere.counting
            }
            Form::Unchecked(found)
            | Form::ServersPreflight(found)
            | Form::Preflight(found)
            | Form::Credential(
                Claimant::Upgrade { found, .. }
                | Claimant::Plain(found)
                | Claimant::Ticket(found)
                | Claimant::Refresh(found),
            ) => self.counting(&found.route.policy),
        };
        let address = self.address(counting);
        let now = self.platform.now();
        self.heed(self.gate.check_address(counting, address, now))?;
        if let Form::Credential(Claimant::Upgrade { found, .. } | Claimant::Plain(found)) = form {
            self.heed(self.gate.check_route(counting, &found.route.pattern, now))?;
        }
        Ok(KnownChecked(()))
    }

    /// Step 7: the token, or what is shown in its place.
    pub async fn check_token(&mut self, claimant: Claimant<'a>) -> Result<Caller<'a>, Rejection> {
        self.enter(Stage::Token);
        // What would have been refused before is no attempt.
        self.is_attempt = self.finding.is_none();
        Ok(match claimant {
            Claimant::Upgrade {
                found,
                mut handshake,
            } => {
                let policy = &found.route.policy;
                let identified = self.identify(found, &mut handshake).await;
                let request = self.request;
                let unverified = || Bearer::Unverified(policy.unaccepted(request, &handshake));
                let bearer = self.heed_or(identified, unverified)?;
                if let Bearer::Verified {
                    user: Some(user), ..
                } = &bearer
                {
                    self.check_user(self.counting(policy), user)?;
                }
                Caller::Upgrade(Upgrade {
                    found,
                    handshake,
                    bearer,
                })
            }
            Claimant::Plain(found) => {
                let plain = apart(self.identify_plain(found)).await?;
                if let Some(user) = &plain.user {
                    self.check_user(self.counting(&found.route.policy), user)?;
                }
                Caller::Plain(plain)
            }
            Claimant::Ticket(found) => {
                Caller::Ticket(apart(self.check_plain_token(found, Freshness::Cached)).await?)
            }
            Claimant::Refresh(found) => {
                Caller::Refresh(apart(self.check_plain_token(found, Freshness::Current)).await?)
            }
            Claimant::Administration(all) => {
                self.administrator = Some(apart(self.check_administrator(all)).await?);
                // Only wrong tokens count.
                self.is_attempt = false;
                Caller::Administrator
            }
        })
    }

    /// Verifies what proves an administrator. Returns the name, for the record of what is done.
    async fn check_administrator(
        &mut self,
        administrators: &Administrators,
    ) -> Result<String, Rejection> {
        let counting = self.gate.counting(self.place);
        match (administrators.proof(self.request)?, counting) {
            (Proof::Assertion(access), Some(counting)) => {
                let counters = self.counters(counting);
                let address = self.address(counting);
                let (admission, rule) = (Admission::Request, CountRule::Enforced);
                let runtime = TokenRuntime::new(counters, address, admission, rule);
                let verdict = access.check_plain(&runtime, self.request, false).await;
                let (identity, _) = self.take_verdict(verdict, runtime.into_progress())?;
                let name = name_of(&identity);
                self.record.note_administrator(&name);
                Ok(name)
            }
            _ => {
                administrators.token.check(self.request)?;
                Ok("ADMIN_TOKEN".to_owned())
            }
        }
    }

    /// Refuses a user that is known to have used up its quota: step 6, as soon as it can be done.
    pub fn check_user(&mut self, counting: &Counting, ledger: &str) -> Result<(), Rejection> {
        let reached = self.record.stage;
        self.enter(Stage::Known);
        let known = self.gate.check_user(counting, ledger, self.platform.now());
        self.heed(known)?;
        self.enter(reached);
        Ok(())
    }

    /// The token of a request to an endpoint, which is mandatory.
    async fn check_plain_token(
        &mut self,
        found: Found<'a>,
        freshness: Freshness,
    ) -> Result<TokenHolder<'a>, Rejection> {
        let policy = &found.route.policy;
        let Some(authentication) = &policy.authentication else {
            return Err(Reason::NoRoute.because("the route has no tokens"));
        };
        let runtime = self.token_runtime(policy, Admission::Request);
        let afresh = freshness == Freshness::Current;
        let verdict = authentication
            .check_plain(&runtime, self.request, afresh)
            .await;
        let is_introspected = verdict.header.is_none();
        let (identity, token) = self.take_verdict(verdict, runtime.into_progress())?;
        self.record.note_identity(&identity);
        if policy.one_time.rejects_replay {
            // A token that can't be admitted at all is refused before any object is asked.
            TokenUse::of(&identity, policy.one_time.accepted_until(&identity))?;
        }
        Ok(TokenHolder {
            found,
            identity,
            token,
            is_introspected,
        })
    }

    /// Step 8: what the token permits. A ticket permits what the upgrade needs later, because that
    /// may depend on its path.
    pub fn check_permission(&mut self, caller: Caller<'a>) -> Result<Permitted<'a>, Rejection> {
        self.enter(Stage::Permission);
        Ok(Permitted(match caller {
            Caller::Upgrade(upgrade) => {
                if let Bearer::Verified { authenticated, .. } = &upgrade.bearer {
                    let verdict = self.permits_forwarding(upgrade.found, authenticated);
                    self.heed(verdict)?;
                }
                Granted::Upgrade(upgrade)
            }
            Caller::Plain(plain) => {
                if plain.is_verified {
                    let verdict = self.permits_forwarding(plain.found, &plain.authenticated);
                    self.heed(verdict)?;
                }
                Granted::Plain(plain)
            }
            Caller::Ticket(holder) => Granted::Ticket(holder),
            Caller::Refresh(holder) => {
                self.permits(holder.found, Some(&holder.identity))?;
                Granted::Refresh(Refresher::new(holder, self.request)?)
            }
            Caller::Administrator => Granted::Administrator,
        }))
    }

    /// Whether a client may reach the server of the route, and has what the server must be told.
    pub fn permits_forwarding(
        &mut self,
        found: Found<'a>,
        authenticated: &Authenticated,
    ) -> Result<(), Rejection> {
        self.permits(found, authenticated.identity.as_ref())?;
        self.upstream_headers(found, authenticated)?;
        Ok(())
    }

    /// Whether an identity has the scopes and claims that the route asks for.
    pub fn permits(
        &mut self,
        found: Found<'a>,
        identity: Option<&Identity>,
    ) -> Result<(), Rejection> {
        let permission = &found.route.policy.permission;
        self.enter(Stage::Permission);
        permission.check(identity, &found.parameters)
    }
}

/// Whether a remembered answer about a session counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Cached,
    /// The provider is asked: it may say a later end by now.
    Current,
}

/// Whether a server answers with the request as it got it (RFC 9110 §9.3.8): secrets of
/// `UPSTREAM_HEADERS` would be in it.
fn is_mirrored(method: &str) -> bool {
    matches!(method, "TRACE" | "TRACK")
}

fn not_posted(allowed: AllowedMethods) -> Rejection {
    Reason::MethodNotAllowed { allowed }.because("the method is not POST")
}
