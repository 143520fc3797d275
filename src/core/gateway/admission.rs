//! Step 9: quotas and sockets, what can be used once, and the registry.

use super::apart;
use super::attempt::{Attempt, Found};
use super::checks::{Granted, Permitted, TokenHolder, Upgrade};
use super::limits::{Admission, Lapses};
use super::one_time::Bearer;
use super::plain::PlainRequest;
use super::platform::{LedgerCall, Platform};
use super::refresh::Refresher;
use super::route_limit::{RouteCount, in_order};
use crate::checks::handshake::Handshake;
use crate::one_time::jti::TokenUse;
use crate::one_time::ticket::Ticket;
use crate::policy::{Counting, Policy};
use crate::record::Stage;
use crate::response::reason::Rejection;
use crate::token::Authenticated;

/// Proof of step 9, and of the steps whose proofs it took.
pub(super) struct Admitted<'a>(Deed<'a>);

/// What was admitted.
pub(super) enum Deed<'a> {
    Forward(Socket<'a>),
    ForwardPlain(PlainRequest<'a>),
    IssueTicket(TokenHolder<'a>),
    Refresh(Refresher<'a>),
    Administer,
}

/// A socket to be opened at the server.
pub(super) struct Socket<'a> {
    pub found: Found<'a>,
    pub handshake: Handshake,
    pub authenticated: Authenticated,
    /// Whether steps 7 and 9 accepted what the client showed, if it had to show anything. Otherwise
    /// it is let through only because refusals are reported.
    pub is_verified: bool,
}

impl<'a> Admitted<'a> {
    pub fn into_inner(self) -> Deed<'a> {
        self.0
    }
}

impl<'a, P: Platform> Attempt<'a, P> {
    pub async fn admit(&mut self, permitted: Permitted<'a>) -> Result<Admitted<'a>, Rejection> {
        self.enter(Stage::Counters);
        Ok(Admitted(match permitted.into_inner() {
            Granted::Upgrade(upgrade) => self.admit_upgrade(upgrade).await?,
            Granted::Plain(mut plain) => {
                apart(self.admit_plain(&mut plain)).await?;
                Deed::ForwardPlain(plain)
            }
            Granted::Ticket(holder) => {
                apart(self.admit_request(holder.found)).await?;
                Deed::IssueTicket(holder)
            }
            Granted::Refresh(refresher) => {
                let TokenHolder {
                    found, identity, ..
                } = &refresher.holder;
                apart(self.admit_request(found)).await?;
                let policy = &found.route.policy;
                if policy.one_time.rejects_replay {
                    let until = policy.one_time.accepted_until(identity);
                    let token_use = TokenUse::of(identity, until)?;
                    let counters = self.counters(&policy.counting);
                    let lapses = apart(counters.admit_once(token_use)).await?;
                    self.record.note_lapses(lapses);
                }
                Deed::Refresh(refresher)
            }
            // Nobody counts what the right administrator's token does.
            Granted::Administrator => Deed::Administer,
        }))
    }

    /// The ledger of the address, the user and the route, then what is used up by asking, and the
    /// registry last.
    async fn admit_upgrade(&mut self, upgrade: Upgrade<'a>) -> Result<Deed<'a>, Rejection> {
        let Upgrade {
            found,
            handshake,
            bearer,
        } = upgrade;
        let policy = &found.route.policy;
        // What would have been refused before is counted against nobody.
        if self.finding.is_none() {
            let admission = Admission::Socket { key: handshake.key };
            let user = match &bearer {
                Bearer::Verified { user, .. } => user.clone(),
                Bearer::Ticket { .. } | Bearer::Unverified(_) => None,
            };
            let counted = self.count(found, admission, user).await;
            self.heed(counted)?;
        }
        let (authenticated, is_verified) = match bearer {
            Bearer::Verified { authenticated, .. } => (authenticated, true),
            Bearer::Ticket { ticket, beside } => {
                let admission = Admission::Socket { key: handshake.key };
                let redeemed = apart(self.redeem(found, &ticket, admission))
                    .await
                    .map(Some);
                let credential = Some(ticket.credential().with(beside));
                match self.heed_or(redeemed, || None)? {
                    Some(spent) => (
                        Authenticated {
                            credential,
                            ..spent
                        },
                        true,
                    ),
                    None => (Authenticated::nobody(credential), false),
                }
            }
            Bearer::Unverified(credential) => (Authenticated::nobody(credential), false),
        };
        if self.finding.is_none() {
            let used = apart(self.use_once(policy, &authenticated)).await;
            self.heed(used)?;
        }
        let registered = apart(self.register(found, &authenticated)).await;
        self.heed(registered)?;
        // Last of all: nobody whom another check refuses may close somebody's socket.
        if !self.reservations.ledgers.full.is_empty() {
            self.enter(Stage::Counters);
            apart(self.replace_oldest(policy)).await?;
        }
        Ok(Deed::Forward(Socket {
            found,
            handshake,
            authenticated,
            is_verified,
        }))
    }

    /// Counts a request by its address, its user if that is known, and its route.
    pub(super) async fn count(
        &mut self,
        found: Found<'a>,
        admission: Admission,
        user: Option<String>,
    ) -> Result<(), Rejection> {
        let counting = self.counting(&found.route.policy);
        let counters = self.counters(counting);
        let mut calls = self.address_calls(counting, admission);
        let ledgers = &mut self.reservations.ledgers;
        if let Some(user) = user {
            calls.extend(counters.user_call(user, admission, ledgers));
        }
        let of_client = counters.ask(&calls, ledgers);
        let of_route = counters.admit_route(found.route, &mut self.reservations.route);
        let (lapses, of_route) = in_order(of_client, of_route).await?;
        self.record.note_lapses(lapses);
        if let RouteCount::Uncounted(failure) = of_route {
            self.record.note_lapses(counters.lapse(failure)?);
        }
        Ok(())
    }

    /// Spends a ticket, and does for its owner what was done for the owner of a token before.
    async fn redeem(
        &mut self,
        found: Found<'a>,
        ticket: &Ticket,
        admission: Admission,
    ) -> Result<Authenticated, Rejection> {
        let counting = self.counting(&found.route.policy);
        let counters = self.counters(counting);
        let bounds = self.bounds(found);
        let bounds = (&bounds, found.route.policy.one_time.ticket_binding);
        let spent = counters.spend(ticket, bounds, self.record).await?;
        let verdict = self.permits_forwarding(found, &spent);
        self.heed(verdict)?;
        self.enter(Stage::Counters);
        let user = self.heed_or(counting.user_ledger(&spent), || None)?;
        if let Some(user) = user {
            self.check_user(counting, &user)?;
            if self.finding.is_none() {
                let ledgers = &mut self.reservations.ledgers;
                let call = counters.user_call(user, admission, ledgers);
                let asked = counters.ask(call.as_slice(), ledgers).await;
                let lapses = self.heed_or(asked, Lapses::new)?;
                self.record.note_lapses(lapses);
            }
        }
        Ok(spent)
    }

    /// Takes the slots of the oldest sockets, where `ON_FULL` says so. Where refusals are only
    /// reported nobody is closed.
    async fn replace_oldest(&mut self, policy: &'a Policy) -> Result<(), Rejection> {
        let counters = self.counters(self.counting(policy));
        let ledgers = &mut self.reservations.ledgers;
        let lapses = if self.only_reports {
            let full = ledgers.full.drain(..);
            full.map(|call| {
                format!(
                    "ON_FULL would have closed the oldest socket of {}",
                    call.scope
                )
            })
            .collect()
        } else {
            counters.replace_oldest(ledgers).await?
        };
        self.record.note_lapses(lapses);
        Ok(())
    }

    /// Uses up the `jti` of a token, where it is admitted once.
    async fn use_once(
        &mut self,
        policy: &'a Policy,
        authenticated: &Authenticated,
    ) -> Result<(), Rejection> {
        if let Some(token_use) = policy.token_use(authenticated)? {
            let counters = self.counters(self.counting(policy));
            let lapses = counters.admit_once(token_use).await?;
            self.record.note_lapses(lapses);
        }
        Ok(())
    }

    /// Counts a request to an endpoint against its address.
    pub async fn admit_request(&mut self, found: Found<'a>) -> Result<(), Rejection> {
        let counting = self.counting(&found.route.policy);
        let calls = self.address_calls(counting, Admission::Request);
        let counters = self.counters(counting);
        let ledgers = &mut self.reservations.ledgers;
        let lapses = counters.ask(&calls, ledgers).await?;
        self.record.note_lapses(lapses);
        Ok(())
    }

    /// The question to the ledger of the address, unless it was asked at step 7 already, the attempt
    /// was lent, or nothing is counted by address.
    pub fn address_calls(
        &mut self,
        counting: &'a Counting,
        admission: Admission,
    ) -> Vec<LedgerCall> {
        if self.is_counted {
            return Vec::new();
        }
        let address = self.address(counting);
        let counters = self.counters(counting);
        let call = counters.address_call(address, admission);
        self.is_counted = call.is_some();
        let call = call.and_then(|call| counters.address_call_unless_lent(call));
        call.into_iter().collect()
    }
}
