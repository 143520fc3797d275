//! Issuers: whose tokens are trusted, and where their keys come from.

use std::rc::Rc;

use super::claims::Expectations;
use super::jwks::{Fetch, RemoteKeys};
use super::jws::{TokenHeader, Untrusted};
use super::keys::KeyRing;
use super::{Runtime, TokenFault};

/// An issuer whose tokens are trusted: its keys, and what a token under them must say. A key of
/// one issuer never validates a token of another.
#[derive(Debug)]
pub struct Issuer {
    pub keys: KeySource,
    pub expectations: Expectations,
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub enum KeySource {
    /// From the settings.
    Fixed(KeyRing),
    /// From a URL.
    Remote(Rc<RemoteKeys>),
}

impl KeySource {
    /// Verifies a token's signature, with a key set fetched for it where that is due.
    pub(super) async fn verify<R: Runtime>(
        &self,
        runtime: &R,
        token: &Untrusted<'_>,
    ) -> Result<(), TokenFault> {
        let remote = match self {
            Self::Fixed(ring) => return ring.verify(runtime, token).await,
            Self::Remote(remote) => remote,
        };
        let ring = current_keys(remote, runtime, &token.header)
            .await
            .ok_or_else(|| TokenFault::Unverified(remote.failure()))?;
        let verified = ring.verify(runtime, token).await;
        // The token named none of the keys that were tried: its own may be newer than the set.
        if verified.is_ok()
            || !ring.could_only_guess(&token.header)
            || remote.need(runtime.now(), true) != Fetch::First
        {
            return verified;
        }
        remote.begin(runtime.now(), true);
        runtime.fetch_keys(remote, true).await;
        match remote.ring(runtime.now()) {
            Some(renewed) if !Rc::ptr_eq(&renewed, &ring) => renewed.verify(runtime, token).await,
            _ => verified,
        }
    }
}

/// The keys of a set by URL. A fetch that is due happens first, or in the background where the
/// keys at hand are still good.
async fn current_keys<R: Runtime>(
    remote: &Rc<RemoteKeys>,
    runtime: &R,
    header: &TokenHeader,
) -> Option<Rc<KeyRing>> {
    let mut ring = remote.ring(runtime.now());
    // Twice at most: a first set may come from the platform's cache, older than the token's key.
    for _ in 0..2 {
        let lacks_key = ring.as_ref().is_some_and(|ring| !ring.has_key_for(header));
        match remote.need(runtime.now(), lacks_key) {
            Fetch::No => break,
            Fetch::Background => {
                remote.begin(runtime.now(), false);
                runtime.fetch_keys_after_response(remote);
                break;
            }
            Fetch::First => {
                remote.begin(runtime.now(), lacks_key);
                runtime.fetch_keys(remote, lacks_key).await;
                ring = remote.ring(runtime.now());
                if ring.is_none() {
                    break;
                }
            }
        }
    }
    ring
}
