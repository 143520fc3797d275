//! `AUTH` and everything about tokens.

use std::time::Duration;

use super::Var;
use super::group::Group;
use super::issuers::{audiences, key_sources, parse_algorithms, read_issuers};
use super::reader::Reader;
use super::settings::{
    AUTH, ISSUERS, JWT_ALGORITHMS, JWT_AUDIENCE, JWT_ISSUER, JWT_JWKS, JWT_JWKS_STALE,
    JWT_JWKS_URL, JWT_LEEWAY, JWT_MAX_AGE, JWT_SECRET, JWT_TYP, MAX_TOKEN_BYTES, MIN_TOKEN_BYTES,
    ON_TOKEN_CONFLICT, SESSION_CACHE, SESSION_CLAIM, SESSION_URL, SESSION_URL_AUTH, SUBJECT_CLAIM,
    TOKEN_MAX_BYTES, TOKEN_SOURCES,
};
use super::values;
use crate::token::{
    self, Algorithm, Authentication, ClaimName, Expectations, IdentityClaims, Issuer, Key,
    Sessions, TokenConflict,
};
use crate::util::duration;

pub(super) const JWKS_EXAMPLE: &str = "https://id.example.com/jwks";
const SESSION_EXAMPLE: &str = "https://id.example.com/introspect";

#[derive(Clone, Copy, PartialEq)]
enum Auth {
    Required,
    Optional,
    Off,
}

/// Absent with `AUTH=off`. The other settings are checked
/// either way.
pub(super) fn read(reader: &mut Reader<'_>) -> Group<Authentication> {
    let auth = reader.or_default(&AUTH, |text| {
        values::one_of(
            text,
            &[
                ("required", Auth::Required),
                ("optional", Auth::Optional),
                ("off", Auth::Off),
            ],
        )
    });
    let entries = reader.list_or_default(&TOKEN_SOURCES);
    let sources = values::token_sources(&entries).unwrap_or_else(|problem| {
        reader.error(&TOKEN_SOURCES, problem);
        Vec::new()
    });
    let on_conflict = reader.or_default(&ON_TOKEN_CONFLICT, |text| {
        values::one_of(
            text,
            &[
                ("refuse", TokenConflict::Refuse),
                ("first", TokenConflict::First),
            ],
        )
    });
    let common = Common {
        leeway: reader.or_default(&JWT_LEEWAY, duration::duration),
        max_age: reader.parse(&JWT_MAX_AGE, duration::positive_duration),
        types: reader.list(&JWT_TYP).unwrap_or_default(),
        stale: reader.or_default(&JWT_JWKS_STALE, duration::duration),
        names: read_names(reader),
    };
    let max_bytes = reader.or_default(&TOKEN_MAX_BYTES, max_token_bytes);
    let issuers = if reader.has(&ISSUERS) {
        read_issuers(reader, &common)
    } else {
        match read_issuer(reader, &common) {
            Group::Faulty => None,
            Group::Absent => Some(Vec::new()),
            Group::Present(issuer) => Some(vec![issuer]),
        }
    };
    let sessions = read_sessions(reader, &common);
    if auth == Auth::Off {
        return Group::Absent;
    }
    let (Some(issuers), Ok(sessions)) = (issuers, sessions.sound()) else {
        return Group::Faulty;
    };
    if issuers.is_empty() && sessions.is_none() {
        reader.missing(
            &AUTH,
            &[
                &JWT_SECRET,
                &JWT_JWKS,
                &JWT_JWKS_URL,
                &ISSUERS,
                &SESSION_URL,
            ],
            "no key could verify a token; set JWT_SECRET, JWT_JWKS, JWT_JWKS_URL, ISSUERS or \
             SESSION_URL, or set AUTH to off",
        );
        return Group::Faulty;
    }
    Group::Present(Authentication {
        required: auth == Auth::Required,
        sources,
        on_conflict,
        issuers,
        sessions,
        max_bytes: max_bytes as usize,
    })
}

fn max_token_bytes(text: &str) -> Result<u32, String> {
    values::whole_number(text)
        .filter(|count| (MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(count))
        .ok_or_else(|| {
            format!(
                "{text:?} is not a number from {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES}; write one \
                 like \"16384\""
            )
        })
}

fn read_names(reader: &mut Reader<'_>) -> IdentityClaims {
    let mut subject = Vec::new();
    for name in reader.list_or_default(&SUBJECT_CLAIM) {
        match ClaimName::parse(&name) {
            Ok(name) => subject.push(name),
            Err(problem) => reader.error(&SUBJECT_CLAIM, problem),
        }
    }
    IdentityClaims {
        subject,
        session: reader.or_default(&SESSION_CLAIM, ClaimName::parse),
    }
}

/// The provider of sessions.
fn read_sessions(reader: &mut Reader<'_>, common: &Common) -> Group<Sessions> {
    let url = reader.parse(
        &SESSION_URL,
        values::or_off(|url| values::provider_url(url, SESSION_EXAMPLE)),
    );
    let authorization = reader.parse(&SESSION_URL_AUTH, values::authorization);
    let fresh = reader.or_default(&SESSION_CACHE, duration::duration);
    if !has_sessions(reader) {
        return Group::Absent;
    }
    if !reader.has(&SESSION_URL_AUTH) {
        reader.missing(
            &SESSION_URL_AUTH,
            &[&SESSION_URL],
            "it must be set with SESSION_URL: providers answer only to callers they know (RFC 7662 \
             §2.1); write the value of the Authorization header",
        );
    }
    let expectations = read_expectations(reader, common);
    match (url.flatten(), authorization) {
        (Some(url), Some(authorization)) => {
            Group::Present(Sessions::new(url, authorization, expectations, fresh))
        }
        _ => Group::Faulty,
    }
}

pub(super) fn has_sessions(reader: &Reader<'_>) -> bool {
    let url = reader.value(&SESSION_URL);
    url.is_some_and(|url| !url.is_off())
}

/// What holds for every issuer.
pub(super) struct Common {
    pub stale: Duration,
    leeway: Duration,
    max_age: Option<Duration>,
    types: Vec<String>,
    names: IdentityClaims,
}

impl Common {
    pub fn expectations(&self, issuers: Vec<String>, audiences: Vec<String>) -> Expectations {
        Expectations {
            issuers,
            audiences,
            leeway: self.leeway,
            max_age: self.max_age,
            types: self.types.clone(),
            names: self.names.clone(),
        }
    }
}

/// `JWT_ISSUER` and `JWT_AUDIENCE`, with what holds for every issuer.
fn read_expectations(reader: &mut Reader<'_>, common: &Common) -> Expectations {
    let issuers = reader.list(&JWT_ISSUER).unwrap_or_default();
    let accepted = reader.list(&JWT_AUDIENCE).unwrap_or_default();
    let accepted = audiences(accepted).unwrap_or_else(|problem| {
        if !reader.has_error(&JWT_AUDIENCE) {
            reader.error(&JWT_AUDIENCE, problem);
        }
        Vec::new()
    });
    common.expectations(issuers, accepted)
}

/// The one issuer of the `JWT_` settings; absent without keys.
fn read_issuer(reader: &mut Reader<'_>, common: &Common) -> Group<Issuer> {
    let expectations = read_expectations(reader, common);
    let url = reader.parse(&JWT_JWKS_URL, |url| values::provider_url(url, JWKS_EXAMPLE));
    let secret = reader.secret(&JWT_SECRET, values::secret_key);
    let jwks = read_key_set(reader);
    let algorithms = read_algorithms(reader).unwrap_or_default();
    if url.is_some() && !reader.has(&JWT_AUDIENCE) {
        reader.missing(
            &JWT_AUDIENCE,
            &[&JWT_JWKS_URL],
            "it must be set with JWT_JWKS_URL: the provider's tokens for other services would be \
             accepted; write the aud of your tokens, or \"any\" to accept them all",
        );
    }
    if [&JWT_SECRET, &JWT_JWKS, &JWT_JWKS_URL, &JWT_ALGORITHMS]
        .iter()
        .any(|name| reader.has_error(name))
    {
        return Group::Faulty;
    }
    let keys: Vec<Key> = secret.into_iter().chain(jwks).collect();
    if keys.is_empty() && url.is_none() {
        return Group::Absent;
    }
    let (keys, problems) = key_sources(keys, url, &algorithms, common.stale);
    for problem in problems {
        reader.contradiction(&JWT_ALGORITHMS, &[&JWT_SECRET, &JWT_JWKS], problem);
    }
    Group::Present(Issuer { keys, expectations })
}

/// `JWT_JWKS`: a JWK Set, or PEM.
fn read_key_set(reader: &mut Reader<'_>) -> Vec<Key> {
    let keys = match reader.value(&JWT_JWKS) {
        Some(Var::Text(text)) if token::is_pem(text) => values::pem_keys(text),
        Some(_) => match reader.object(&JWT_JWKS) {
            Some(set) => values::jwk_set(&set),
            None => return Vec::new(),
        },
        None => return Vec::new(),
    };
    keys.unwrap_or_else(|problems| {
        for problem in problems {
            reader.error(&JWT_JWKS, problem);
        }
        Vec::new()
    })
}

fn read_algorithms(reader: &mut Reader<'_>) -> Option<Vec<Algorithm>> {
    let names = reader.list(&JWT_ALGORITHMS)?;
    let (algorithms, problems) = parse_algorithms(&names);
    for problem in problems {
        reader.error(&JWT_ALGORITHMS, problem);
    }
    Some(algorithms)
}
