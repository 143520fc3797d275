//! Step 9: quotas and sockets, what can be used once, and the registry.

use super::attempt::{Attempt, Found};
use super::checks::{Granted, Permitted, TokenHolder, Upgrade};
use super::limits::Admission;
use super::one_time::Bearer;
use super::platform::{LedgerCall, Platform};
use super::refresh::Refresher;
use super::route_limit::{RouteCount, in_order};
use crate::checks::handshake::Handshake;
use crate::one_time::jti::TokenUse;
use crate::policy::Counting;
use crate::record::Stage;
use crate::response::reason::Rejection;
use crate::token::Authenticated;

/// Proof of step 9, and of the steps whose proofs it took.
pub(super) struct Admitted<'a>(Deed<'a>);

/// What was admitted.
pub(super) enum Deed<'a> {
    Forward(Socket<'a>),
    IssueTicket(TokenHolder<'a>),
    Refresh(Refresher<'a>),
    Administer,
}

/// A socket to be opened at the server.
pub(super) struct Socket<'a> {
    pub found: Found<'a>,
    pub handshake: Handshake,
    pub authenticated: Authenticated,
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
            Granted::Ticket(holder) => {
                self.admit_request(holder.found).await?;
                Deed::IssueTicket(holder)
            }
            Granted::Refresh(refresher) => {
                let TokenHolder {
                    found, identity, ..
                } = &refresher.holder;
                self.admit_request(found).await?;
                let policy = &found.route.policy;
                if policy.one_time.rejects_replay {
                    let until = policy.one_time.accepted_until(identity);
                    let token_use = TokenUse::of(identity, until)?;
                    let counters = self.counters(&policy.counting);
                    let lapses = counters.admit_once(token_use).await?;
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
        let counters = self.counters(&policy.counting);
        let key = handshake.key;
        let mut calls = self.address_calls(&policy.counting, Admission::Socket { key });
        let ledgers = &mut self.reservations.ledgers;
        if let Bearer::Verified {
            user: Some(user), ..
        } = &bearer
        {
            calls.push(counters.user_call(user.clone(), ledgers));
        }
        let of_client = counters.ask(&calls, ledgers);
        let of_route = counters.admit_route(found.route, &mut self.reservations.route);
        let (lapses, of_route) = in_order(of_client, of_route).await?;
        self.record.note_lapses(lapses);
        if let RouteCount::Uncounted(failure) = of_route {
            self.record.note_lapses(counters.lapse(failure)?);
        }

        let authenticated = match bearer {
            Bearer::Verified { authenticated, .. } => authenticated,
            Bearer::Ticket { ticket, beside } => {
                let bounds = self.bounds(found);
                let spent = counters
                    .spend(
                        &ticket,
                        beside,
                        (&bounds, policy.one_time.ticket_binding),
                        self.record,
                    )
                    .await?;
                self.permits_forwarding(found, &spent)?;
                self.enter(Stage::Counters);
                if let Some(user) = policy.counting.user_ledger(&spent)? {
                    self.check_user(&policy.counting, &user)?;
                    let ledgers = &mut self.reservations.ledgers;
                    let call = counters.user_call(user, ledgers);
                    let lapses = counters.ask(&[call], ledgers).await?;
                    self.record.note_lapses(lapses);
                }
                spent
            }
        };
        if let Some(token_use) = policy.token_use(&authenticated)? {
            let lapses = counters.admit_once(token_use).await?;
            self.record.note_lapses(lapses);
        }
        self.register(found, &authenticated).await?;
        // Last of all: nobody whom another check refuses may close somebody's socket.
        if !self.reservations.ledgers.full.is_empty() {
            self.enter(Stage::Counters);
            let ledgers = &mut self.reservations.ledgers;
            let lapses = counters.replace_oldest(ledgers).await?;
            self.record.note_lapses(lapses);
        }
        Ok(Deed::Forward(Socket {
            found,
            handshake,
            authenticated,
        }))
    }

    /// Counts a request to an endpoint against its address.
    async fn admit_request(&mut self, found: Found<'a>) -> Result<(), Rejection> {
        let counting = &found.route.policy.counting;
        let calls = self.address_calls(counting, Admission::Request);
        let counters = self.counters(counting);
        let ledgers = &mut self.reservations.ledgers;
        let lapses = counters.ask(&calls, ledgers).await?;
        self.record.note_lapses(lapses);
        Ok(())
    }

    /// The question to the ledger of the address, unless it was asked at step 7 already or nothing
    /// is counted by address.
    fn address_calls(&mut self, counting: &'a Counting, admission: Admission) -> Vec<LedgerCall> {
        if self.is_counted {
            return Vec::new();
        }
        let address = self.address(counting);
        let call = self.counters(counting).address_call(address, admission);
        self.is_counted = call.is_some();
        call.into_iter().collect()
    }
}
