//! `ISSUERS`, and what it shares with the settings of one issuer.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::authentication::{Common, JWKS_EXAMPLE, has_sessions};
use super::reader::Reader;
use super::settings::{
    ISSUERS, JWT_ALGORITHMS, JWT_AUDIENCE, JWT_ISSUER, JWT_JWKS, JWT_JWKS_URL, JWT_SECRET,
};
use super::values;
use crate::token::{self, Algorithm, Issuer, Key, KeyRing, KeySources, RemoteKeys};

/// The accepted audiences. `any` accepts every token, with or without `aud`.
pub(super) fn audiences(accepted: Vec<String>) -> Result<Vec<String>, String> {
    let has_any = accepted.iter().any(|audience| audience == "any");
    match accepted.len() {
        1 if has_any => Ok(Vec::new()),
        _ if has_any => Err("\"any\" accepts every audience; remove it, or the others".into()),
        _ => Ok(accepted),
    }
}

/// All keys of an issuer, each for `algorithms` alone unless that is empty, and what makes no sense
/// about those.
pub(super) fn key_sources(
    mut keys: Vec<Key>,
    url: Option<String>,
    algorithms: &[Algorithm],
    stale: Duration,
) -> (KeySources, Vec<String>) {
    let problems = if algorithms.is_empty() {
        Vec::new()
    } else {
        restrict(&mut keys, algorithms, url.is_some())
    };
    let remote = url.map(|url| Rc::new(RemoteKeys::new(url, algorithms.to_vec(), stale)));
    let sources = KeySources {
        fixed: KeyRing::new(keys),
        remote,
    };
    (sources, problems)
}

pub(super) fn parse_algorithms(names: &[String]) -> (Vec<Algorithm>, Vec<String>) {
    let mut algorithms = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        match values::algorithm(name) {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(problem) => problems.push(problem),
        }
    }
    (algorithms, problems)
}

/// Restricts each key to `algorithms`. Returns what then makes no sense.
///
/// With `has_url` further keys may be for the algorithms.
fn restrict(keys: &mut [Key], algorithms: &[Algorithm], has_url: bool) -> Vec<String> {
    let mut problems = Vec::new();
    for algorithm in algorithms {
        if !has_url && !keys.iter().any(|key| key.algorithms().contains(algorithm)) {
            problems.push(format!(
                "no key is for {}; remove it, or give a key for it",
                algorithm.name()
            ));
        }
    }
    for key in keys {
        key.restrict(algorithms);
        if key.algorithms().is_empty() {
            let name = key
                .id()
                .map_or("a key without kid".into(), |id| format!("key {id:?}"));
            problems.push(format!(
                "it leaves {name} without an algorithm; remove the key, or add one"
            ));
        }
    }
    problems
}

/// `ISSUERS`: `None` stands for an error.
pub(super) fn read_issuers(reader: &mut Reader<'_>, common: &Common) -> Option<Vec<Issuer>> {
    let entries = reader.array(&ISSUERS)?;
    // These two are then about sessions.
    let for_sessions = [&JWT_ISSUER, &JWT_AUDIENCE];
    let has_sessions = has_sessions(reader);
    for name in [
        &JWT_SECRET,
        &JWT_JWKS,
        &JWT_JWKS_URL,
        &JWT_ISSUER,
        &JWT_AUDIENCE,
        &JWT_ALGORITHMS,
    ] {
        if reader.has(name) && !(has_sessions && for_sessions.contains(&name)) {
            reader.contradiction(
                name,
                &[&ISSUERS],
                "ISSUERS is set as well, which has this for each issuer; remove one of the two",
            );
        }
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        match read_entry(entry, common) {
            Ok(issuer) => {
                let name = &issuer.expectations.issuers[0];
                if issuers
                    .iter()
                    .any(|known| known.expectations.issuers[0] == *name)
                {
                    reader.error(
                        &ISSUERS,
                        format!("issuer {name:?} stands twice; remove one"),
                    );
                }
                issuers.push(issuer);
            }
            Err(problems) => {
                for problem in problems {
                    reader.error(&ISSUERS, format!("entry {at}: {problem}"));
                }
            }
        }
    }
    (!reader.has_error(&ISSUERS)).then_some(issuers)
}

const ENTRY: &str = "write {\"issuer\": \"https://id.example.com\", \
                     \"jwks_url\": \"https://id.example.com/jwks\", \"audience\": \"chat\"}";

fn read_entry(entry: &Value, common: &Common) -> Result<Issuer, Vec<String>> {
    let members = entry
        .as_object()
        .ok_or_else(|| vec![format!("it is not an object; {ENTRY}")])?;
    let mut problems: Vec<String> = members
        .keys()
        .filter(|name| {
            !["issuer", "jwks_url", "jwks", "audience", "algorithms"].contains(&name.as_str())
        })
        .map(|name| format!("{name:?} is not a member of an issuer; {ENTRY}"))
        .collect();
    let issuer = match members.get("issuer") {
        Some(Value::String(issuer)) if !issuer.is_empty() => Some(issuer.clone()),
        _ => {
            problems.push(format!("it has no issuer; {ENTRY}"));
            None
        }
    };
    let accepted = texts(members, "audience")
        .and_then(audiences)
        .unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
    let names = texts(members, "algorithms").unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    let (algorithms, unknown) = parse_algorithms(&names);
    problems.extend(unknown);
    let keys = read_keys(members, &mut problems);
    let url = read_url(members, &mut problems);
    if keys.is_none() && !members.contains_key("jwks_url") {
        problems.push(format!("it takes jwks_url, jwks, or both; {ENTRY}"));
    }
    if url.is_some() && !members.contains_key("audience") {
        problems.push(
            "it has jwks_url without audience: the provider's tokens for other services would be \
             accepted; write the aud of your tokens, or \"any\" to accept them all"
                .into(),
        );
    }
    let (keys, unfit) = key_sources(keys.unwrap_or_default(), url, &algorithms, common.stale);
    if problems.is_empty() {
        problems.extend(unfit);
    }
    match (problems.is_empty(), issuer) {
        (true, Some(issuer)) => Ok(Issuer {
            keys,
            expectations: common.expectations(vec![issuer], accepted),
        }),
        _ => Err(problems),
    }
}

/// The keys of `jwks`, if there is one.
fn read_keys(members: &Map<String, Value>, problems: &mut Vec<String>) -> Option<Vec<Key>> {
    let keys = match members.get("jwks")? {
        Value::Object(set) => values::jwk_set(set),
        Value::String(text) if token::is_pem(text) => values::pem_keys(text),
        _ => Err(vec!["it is neither an object nor PEM".into()]),
    };
    Some(keys.unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|problem| format!("jwks: {problem}")));
        Vec::new()
    }))
}

fn read_url(members: &Map<String, Value>, problems: &mut Vec<String>) -> Option<String> {
    let url = match members.get("jwks_url")? {
        Value::String(url) => values::provider_url(url, JWKS_EXAMPLE),
        _ => Err("it is not a string".into()),
    };
    url.map_err(|problem| problems.push(format!("jwks_url: {problem}")))
        .ok()
}

/// A member that is a string or an array of strings.
fn texts(members: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{name} is neither a string nor an array of strings");
    match members.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(elements)) => elements
            .iter()
            .map(|element| element.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}
