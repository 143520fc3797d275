//! Step 7: a request's credential, verified.

use super::claims::{Claimed, Expectations, Identity, TrustDomain};
use super::credential::{Credential, Source, TokenConflict};
use super::digest::TokenDigest;
use super::fault::{AuthenticationFault, CredentialFault, TokenFault};
use super::introspection::{SessionFault, Sessions};
use super::issuer::Issuer;
use super::jws::{self, TokenHeader, Untrusted};
use super::{Runtime, claims};
use crate::request::Request;
use crate::util::time::Timestamp;

/// `AUTH` other than `off`, with all that it needs.
#[derive(Debug)]
pub struct Authentication {
    /// `AUTH=required`, in contrast to `optional`.
    pub required: bool,
    pub sources: Vec<Source>,
    pub on_conflict: TokenConflict,
    /// One, or several that each accept only `iss` of their own; none where only sessions are
    /// trusted.
    pub issuers: Vec<Issuer>,
    /// Verifies credentials that are not JWTs, and without issuers all credentials.
    pub sessions: Option<Sessions>,
    /// `TOKEN_MAX_BYTES`: longer credentials are refused before any work is done on them.
    pub max_bytes: usize,
}

/// What step 7 found.
#[derive(Debug, Default)]
pub struct Authenticated {
    /// `None` for a client without a token, where `AUTH` is `optional`.
    pub identity: Option<Identity>,
    /// A digest of the token, or of the one that a ticket was issued for.
    pub token: Option<TokenDigest>,
    /// The credential, which no upstream may see.
    pub credential: Option<Credential>,
}

impl Authenticated {
    /// A client of which nothing was verified, with what no server may see of its request.
    pub fn nobody(credential: Option<Credential>) -> Self {
        Self {
            credential,
            ..Self::default()
        }
    }

    /// The token, if the client showed it itself. A ticket stands for one that the gate does not
    /// have.
    pub fn shown_token(&self) -> Option<&str> {
        let shown = self.credential.as_ref()?.token();
        let digest = self.token.as_ref()?;
        (TokenDigest::of(shown) == *digest).then_some(shown)
    }
}

/// What step 7 decides, with what the record says of the token either way.
#[derive(Debug)]
pub struct Verdict<T> {
    /// The header as the token claims it, verified or not; `None` for a token that has none that
    /// can be read.
    pub header: Option<TokenHeader>,
    /// What a token claims that was not accepted.
    pub claimed: Claimed,
    pub result: Result<T, AuthenticationFault>,
}

impl<T> Verdict<T> {
    fn without_header(result: Result<T, impl Into<AuthenticationFault>>) -> Self {
        Self {
            header: None,
            claimed: Claimed::default(),
            result: result.map_err(Into::into),
        }
    }

    fn map<U>(self, convert: impl FnOnce(T) -> U) -> Verdict<U> {
        Verdict {
            header: self.header,
            claimed: self.claimed,
            result: self.result.map(convert),
        }
    }
}

impl Authentication {
    /// Finds the credential of an upgrade.
    pub fn find(
        &self,
        request: &Request<'_>,
        protocols: &[String],
    ) -> Result<Option<Credential>, CredentialFault> {
        Credential::find_under(self.on_conflict, &self.sources, request, protocols)
    }

    /// Finds the credential of a socket in its first message.
    pub fn find_in_message(&self, message: &[u8]) -> Result<Option<Credential>, CredentialFault> {
        Credential::find_in_message(self.on_conflict, &self.sources, message)
    }

    /// Whether a token may be in the first message of a socket.
    pub fn reads_messages(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| matches!(source, Source::Message(_)))
    }

    /// Verifies the token of an upgrade.
    pub async fn check<R: Runtime>(
        &self,
        runtime: &R,
        found: Result<Option<Credential>, CredentialFault>,
    ) -> Verdict<Authenticated> {
        let credential = match found {
            Ok(Some(credential)) => credential,
            Ok(None) if self.required => {
                let fault = CredentialFault::Missing("no token in any of TOKEN_SOURCES");
                return Verdict::without_header(Err(fault));
            }
            Ok(None) => return Verdict::without_header(Ok::<_, CredentialFault>(<_>::default())),
            Err(fault) => return Verdict::without_header(Err(fault)),
        };
        let verdict = self.identify(runtime, &credential, false).await;
        verdict.map(|identity| Authenticated {
            identity: Some(identity),
            token: Some(TokenDigest::of(credential.token())),
            credential: Some(credential),
        })
    }

    /// Verifies the token of a request that is not an upgrade. It is mandatory, and only a header
    /// or cookie may hold it: a URL ends up in logs. With `afresh` a session's provider is asked
    /// even if its last answer is still remembered.
    pub async fn check_plain<R: Runtime>(
        &self,
        runtime: &R,
        request: &Request<'_>,
        afresh: bool,
    ) -> Verdict<(Identity, TokenDigest)> {
        let sources = self.sources.iter();
        let sources: Vec<_> = sources
            .filter(|source| source.is_for_plain_requests())
            .cloned()
            .collect();
        match Credential::find_under(self.on_conflict, &sources, request, &[]) {
            Ok(Some(credential)) => {
                let verdict = self.identify(runtime, &credential, afresh).await;
                verdict.map(|identity| (identity, TokenDigest::of(credential.token())))
            }
            Ok(None) => {
                let fault = CredentialFault::Missing("no token in a header or cookie");
                Verdict::without_header(Err(fault))
            }
            Err(fault) => Verdict::without_header(Err(fault)),
        }
    }

    /// The trust domains that the settings name. A token whose issuer is not checked may be of
    /// another one, which only the token names.
    pub fn domains(&self) -> Vec<TrustDomain> {
        let of = |expectations: &Expectations, key_sources: Vec<String>| {
            let issuers = expectations.issuers.iter().cloned();
            let named: Vec<_> = issuers.map(TrustDomain::Issuer).collect();
            match named.is_empty() {
                false => named,
                true => key_sources
                    .into_iter()
                    .map(TrustDomain::KeySource)
                    .collect(),
            }
        };
        let issuers = self.issuers.iter();
        let mut domains: Vec<_> = issuers
            .flat_map(|issuer| of(&issuer.expectations, issuer.keys.ids()))
            .collect();
        if let Some(sessions) = &self.sessions {
            domains.extend(of(sessions.expectations(), vec![sessions.key_source()]));
        }
        domains
    }

    /// Whether a browser may send a token without a script that asks for it.
    pub fn takes_cookies(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| matches!(source, Source::Cookie(_)))
    }

    /// A session id is introspected, where that is configured; anything else is a JWT.
    async fn identify<R: Runtime>(
        &self,
        runtime: &R,
        credential: &Credential,
        afresh: bool,
    ) -> Verdict<Identity> {
        let (token, padding) = (credential.token(), credential.padding());
        if token.len() > self.max_bytes {
            let cause = format!(
                "longer than the {} bytes of TOKEN_MAX_BYTES",
                self.max_bytes
            );
            return Verdict::without_header(Err(TokenFault::TooLong(cause)));
        }
        match &self.sessions {
            Some(sessions) if self.issuers.is_empty() || !jws::is_jwt(token, padding) => {
                match sessions.identify(runtime, token, afresh).await {
                    Ok(identity) => Verdict::without_header(Ok::<_, TokenFault>(identity)),
                    Err(SessionFault { fault, claimed }) => Verdict {
                        claimed,
                        ..Verdict::without_header(Err(fault))
                    },
                }
            }
            _ => match Untrusted::parse(token, padding) {
                Ok(token) => {
                    let result = self.verify(runtime, &token).await;
                    let fault = result.as_ref().err();
                    Verdict {
                        claimed: fault.map_or_else(Claimed::default, |fault| {
                            self.claimed(&token, fault, runtime.now())
                        }),
                        result: result.map_err(Into::into),
                        header: Some(token.header),
                    }
                }
                Err(fault) => Verdict::without_header(Err(fault)),
            },
        }
    }

    async fn verify<R: Runtime>(
        &self,
        runtime: &R,
        token: &Untrusted<'_>,
    ) -> Result<Identity, TokenFault> {
        let issuer = self.issuer_of(token)?;
        let verified_by = issuer.keys.verify(runtime, token).await?;
        let expectations = &issuer.expectations;
        expectations.check_type(token.header.token_type.as_deref())?;
        let key_source = || issuer.keys.id(verified_by);
        expectations.check(token.claims()?, None, key_source, runtime.now())
    }

    /// What the record says of a token that is not accepted. Whom it names is said only where a
    /// trusted key signed it and its issuer is right.
    fn claimed(&self, token: &Untrusted<'_>, fault: &TokenFault, now: Timestamp) -> Claimed {
        let Ok(claims) = token.claims() else {
            return Claimed::default();
        };
        let issuer = self.issuer_of(token).ok();
        let names = issuer.map(|issuer| &issuer.expectations.names);
        Claimed::of(&claims, names, fault, now)
    }

    /// The issuer whose keys must verify the token. With several, its unverified `iss` chooses;
    /// under the keys of that issuer it is then checked again.
    fn issuer_of(&self, token: &Untrusted<'_>) -> Result<&Issuer, TokenFault> {
        if let [only] = self.issuers.as_slice() {
            return Ok(only);
        }
        let claims = token.claims()?;
        let named = claims::issuer_of(&claims);
        self.issuers
            .iter()
            .find(|issuer| named.is_some_and(|named| issuer.expectations.accepts_issuer(named)))
            .ok_or(TokenFault::invalid("iss names no trusted issuer"))
    }
}
