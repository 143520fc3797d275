//! One-time tickets. A ticket takes the place of a token where only a URL can carry it.

use std::fmt;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::request::Request;
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::token::{Credential, Identity, Source, TokenDigest, TrustDomain};
use crate::util::from_json::{from_fields, from_json};
use crate::util::time::Timestamp;

/// The query parameter that carries a ticket.
pub const PARAMETER: &str = "ticket";

/// The secret itself: 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket([u8; 32]);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(REDACTED)")
    }
}

impl Ticket {
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The ticket in a request's query. Only canonical base64url is read, so that a malformed
    /// ticket costs no call.
    pub fn find(request: &Request<'_>) -> Result<Option<Self>, Rejection> {
        let query = request.url.query.unwrap_or_default();
        let mut found = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == PARAMETER)
            .map(|(_, value)| value);
        let Some(text) = found.next() else {
            return Ok(None);
        };
        if found.any(|other| other != text) {
            return Err(Reason::AmbiguousToken.because("two different tickets"));
        }
        let mut bytes = [0; 32];
        match Base64UrlUnpadded::decode(text.as_bytes(), &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Ok(Some(Self(bytes))),
            _ => Err(Reason::TokenInvalid.because("the ticket is malformed")),
        }
    }

    /// Where a request carries it.
    pub fn source() -> Source {
        Source::Query(PARAMETER.to_owned())
    }

    /// The text that the client gets: 43 characters that need no escape in a URL.
    pub fn text(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.0)
    }

    /// The name of the object that keeps it. It does not reveal the ticket.
    pub fn name(&self) -> String {
        format!("ticket {:x}", Sha256::digest(self.0))
    }

    /// The place that held it, from which it is removed before the request is forwarded.
    pub fn credential(&self) -> Credential {
        Credential::in_query(self.text(), PARAMETER)
    }

    /// The body of the answer to a client that asked for it. `life`: how long it can be used.
    pub fn answer(&self, life: Duration) -> String {
        #[derive(Serialize)]
        struct TicketResponse {
            ticket: String,
            /// Whole seconds, rounded down.
            expires_in: u64,
        }
        let answer = TicketResponse {
            ticket: self.text(),
            expires_in: life.as_secs(),
        };
        serde_json::to_string(&answer).expect("a text and a number")
    }
}

/// What must be the same where a ticket is used as where it was issued: `TICKET_BINDING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    pub address: bool,
    pub origin: bool,
    pub route: bool,
}

/// The place that a ticket is issued to, or used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    pub address: AddressKey,
    /// `Origin` as the client sent it; `None` if it sent none.
    pub origin: Option<String>,
    /// The route under whose settings its token was verified.
    pub route: String,
    /// Equal for all routes that accept the same tokens: a ticket is never good where its token
    /// would not be.
    pub rules: String,
}

/// The identity that a ticket admits.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub identity: Identity,
    /// Finds the sockets of the token that the ticket was issued for.
    pub token: TokenDigest,
    /// `alg` and `kid` of the token, for the record.
    pub alg: Option<String>,
    pub kid: Option<String>,
}

/// A grant as it is stored. Later versions must know these names.
#[derive(Serialize)]
struct StoredGrant {
    address: String,
    origin: Option<String>,
    route: String,
    subject: Option<String>,
    session: Option<String>,
    domain: TrustDomain,
    scopes: Vec<String>,
    claims: Map<String, Value>,
    expires: u64,
    alg: Option<String>,
    kid: Option<String>,
    token: TokenDigest,
    /// Only for a ticket that is not bound to its route.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<String>,
}

from_fields!(StoredGrant {
    address,
    origin,
    route,
    subject,
    session,
    domain,
    scopes,
    claims,
    expires,
    alg,
    kid,
    token,
    rules,
});

impl Grant {
    /// The text to store under the ticket's name.
    pub fn store(self, bounds: Bounds, binding: Binding) -> String {
        let stored = StoredGrant {
            address: bounds.address.to_string(),
            origin: bounds.origin,
            route: bounds.route,
            subject: self.identity.subject,
            session: self.identity.session,
            domain: self.identity.domain,
            scopes: self.identity.scopes,
            claims: self.identity.claims,
            expires: self.identity.expires.0,
            alg: self.alg,
            kid: self.kid,
            token: self.token,
            rules: (!binding.route).then_some(bounds.rules),
        };
        serde_json::to_string(&stored).expect("texts, a number and JSON")
    }

    /// Reads a stored grant for a request from these bounds, of which those of `binding` count.
    pub fn redeem(text: &str, bounds: &Bounds, binding: Binding) -> Result<Self, Rejection> {
        let unusable =
            |cause: &'static str| Err(Reason::TokenUnusable.because(cause).by("TICKET_BINDING"));
        let Some(stored) = from_json::<StoredGrant>(text) else {
            let unreadable = "the stored grant of the ticket can't be read";
            return Err(Reason::TokenUnusable.because(unreadable).by("TICKET_TTL"));
        };
        if binding.address && stored.address != bounds.address.to_string() {
            return unusable("the ticket was issued to another address");
        }
        if binding.origin && stored.origin != bounds.origin {
            return unusable("the ticket was issued to another origin");
        }
        let fits_route = match &stored.rules {
            Some(rules) if !binding.route => *rules == bounds.rules,
            _ => stored.route == bounds.route,
        };
        if !fits_route {
            return unusable("the ticket was issued for another route");
        }
        Ok(Self {
            identity: Identity {
                subject: stored.subject,
                session: stored.session,
                domain: stored.domain,
                scopes: stored.scopes,
                claims: stored.claims,
                expires: Timestamp(stored.expires),
            },
            alg: stored.alg,
            kid: stored.kid,
            token: stored.token,
        })
    }
}
