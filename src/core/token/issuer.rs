//! Issuers: whose tokens are trusted, and where their keys come from.

use std::rc::Rc;

use super::claims::Expectations;
use super::jwks::{Fetch, RemoteKeys};
use super::jws::{TokenHeader, Untrusted};
use super::keys::{Algorithm, KeyRing, NO_KEY};
use super::{Runtime, TokenFault};
use crate::util::digest::hex_digest;

/// An issuer whose tokens are trusted: its keys, and what a token under them must say. A key of
/// one issuer never validates a token of another.
#[derive(Debug)]
pub struct Issuer {
    pub keys: KeySources,
    pub expectations: Expectations,
}

/// Where an issuer's keys come from: the settings, a URL, or both.
#[derive(Debug, Default)]
pub struct KeySources {
    /// The keys in the settings.
    pub fixed: KeyRing,
    /// The keys by URL.
    pub remote: Option<Rc<RemoteKeys>>,
}

/// The source of the key that verified a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VerifiedBy {
    /// The key with this number among those in the settings.
    Fixed(usize),
    Remote,
}

impl KeySources {
    pub fn fixed(ring: KeyRing) -> Self {
        Self {
            fixed: ring,
            remote: None,
        }
    }

    pub fn remote(keys: RemoteKeys) -> Self {
        Self {
            fixed: KeyRing::default(),
            remote: Some(Rc::new(keys)),
        }
    }

    /// Verifies a token's signature, first by the keys in the settings, which cost no fetch.
    pub(super) async fn verify<R: Runtime>(
        &self,
        runtime: &R,
        token: &Untrusted<'_>,
    ) -> Result<VerifiedBy, TokenFault> {
        let algorithm = Algorithm::from_name(&token.header.algorithm)
            .ok_or_else(|| TokenFault::invalid("alg is not one that is verified here"))?;
        let fault = match self.fixed.verify(runtime, algorithm, token).await {
            Ok(number) => return Ok(VerifiedBy::Fixed(number)),
            Err(fault) => fault,
        };
        match &self.remote {
            Some(remote) if remote.is_for(algorithm) => {
                match verify_remotely(remote, runtime, algorithm, token).await {
                    Ok(()) => Ok(VerifiedBy::Remote),
                    Err(TokenFault::Invalid(cause)) if cause == NO_KEY => Err(fault),
                    Err(fault) => Err(fault),
                }
            }
            _ => Err(fault),
        }
    }

    /// Names every source of keys, as [`Self::id`] does.
    pub(super) fn ids(&self) -> Vec<String> {
        let fixed = (0..self.fixed.len()).map(VerifiedBy::Fixed);
        let remote = self.remote.is_some().then_some(VerifiedBy::Remote);
        fixed.chain(remote).map(|source| self.id(source)).collect()
    }

    /// Names the source of a key, without revealing the key. It tells apart the tokens of two
    /// services that name no issuer.
    pub(super) fn id(&self, verified_by: VerifiedBy) -> String {
        match (verified_by, &self.remote) {
            (VerifiedBy::Remote, Some(remote)) => {
                hex_digest([Some("url"), Some(remote.url.as_str())])
            }
            (VerifiedBy::Remote, None) => unreachable!("a remote key needs a URL"),
            (VerifiedBy::Fixed(number), _) => self.fixed.id(number),
        }
    }
}

async fn verify_remotely<R: Runtime>(
    remote: &Rc<RemoteKeys>,
    runtime: &R,
    algorithm: Algorithm,
    token: &Untrusted<'_>,
) -> Result<(), TokenFault> {
    let unavailable = || TokenFault::ProviderUnavailable(remote.failure());
    let header = &token.header;
    let mut ring = current_keys(remote, runtime, header, algorithm)
        .await
        .ok_or_else(unavailable)?;
    let mut verified = ring.verify(runtime, algorithm, token).await;
    // The token named none of the keys that were tried: its own may be newer than the set.
    if verified.is_err()
        && ring.could_only_guess(header, algorithm)
        && remote.need(runtime.now(), true) == Fetch::First
    {
        remote.begin(runtime.now(), true);
        runtime.fetch_keys(remote, true).await;
        match remote.ring(runtime.now()) {
            Some(renewed) if !Rc::ptr_eq(&renewed, &ring) => {
                verified = renewed.verify(runtime, algorithm, token).await;
                ring = renewed;
            }
            _ => {}
        }
    }
    let may_be_newer =
        || !ring.has_key_for(header, algorithm) || ring.could_only_guess(header, algorithm);
    match verified {
        Err(TokenFault::Invalid(_)) if may_be_newer() && remote.failed_last() => Err(unavailable()),
        verified => verified.map(|_| ()),
    }
}

/// The keys of a set by URL. A fetch that is due happens first, or in the background where the
/// keys at hand are still good.
async fn current_keys<R: Runtime>(
    remote: &Rc<RemoteKeys>,
    runtime: &R,
    header: &TokenHeader,
    algorithm: Algorithm,
) -> Option<Rc<KeyRing>> {
    let mut ring = remote.ring(runtime.now());
    // Twice at most: a first set may come from the platform's cache, older than the token's key.
    for _ in 0..2 {
        let lacks_key = ring
            .as_ref()
            .is_some_and(|ring| !ring.has_key_for(header, algorithm));
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
