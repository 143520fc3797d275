//! Proof that every check of a request was made, and that none refused it, or only where refusals are
//! reported.

use super::admission::{Admitted, Deed, Socket};
use super::checks::TokenHolder;
use super::checks::{KnownChecked, OriginChecked};
use super::plain::PlainRequest;
use super::refresh::Refresher;

/// A request that may go on after every check. Only [`Permits::new`] makes one.
pub(super) struct Permit<T>(T);

impl<T> Permit<T> {
    /// Uses the permit.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The permit of a request, by what it permits.
pub(super) enum Permits<'a> {
    Forward(Permit<Socket<'a>>),
    ForwardPlain(Permit<PlainRequest<'a>>),
    IssueTicket(Permit<TokenHolder<'a>>),
    Refresh(Permit<Refresher<'a>>),
    Administer(Permit<()>),
}

impl<'a> Permits<'a> {
    /// From the proofs of steps 5, 6 and 9; the last one took those of steps 4, 7 and 8. Only the
    /// check itself can make its proof, so that a journey that leaves one out does not compile.
    pub fn new(_: OriginChecked, _: KnownChecked, admitted: Admitted<'a>) -> Self {
        match admitted.into_inner() {
            Deed::Forward(socket) => Self::Forward(Permit(socket)),
            Deed::ForwardPlain(plain) => Self::ForwardPlain(Permit(plain)),
            Deed::IssueTicket(holder) => Self::IssueTicket(Permit(holder)),
            Deed::Refresh(refresher) => Self::Refresh(Permit(refresher)),
            Deed::Administer => Self::Administer(Permit(())),
        }
    }
}
