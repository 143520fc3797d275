//! `AUTH` and everything about tokens.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::reader::Reader;
use super::settings::{
    AUTH, ISSUERS, JWT_ALGORITHMS, JWT_AUDIENCE, JWT_ISSUER, JWT_JWKS, JWT_JWKS_STALE,
    JWT_JWKS_URL, JWT_LEEWAY, JWT_MAX_AGE, JWT_SECRET, JWT_TYP, SESSION_CACHE, SESSION_URL,
    SESSION_URL_AUTH, TOKEN_SOURCES,
};
use super::values;
use crate::token::{
    Algorithm, Authentication, Expectations, Issuer, Key, KeyRing, KeySource, RemoteKeys, Sessions,
};
use crate::util::duration;

const JWKS_EXAMPLE: &str = "https://id.example.com/jwks";
const SESSION_EXAMPLE: &str = "https://id.example.com/introspect";

#[derive(Clone, Copy, PartialEq)]
enum Auth {
    Required,
    Optional,
    Off,
}

/// `None` stands for an error, `Some(None)` for `AUTH=off`. The other settings are checked
/// either way.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Option<Authentication>> {
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
    let common = Common {
        leeway: reader.or_default(&JWT_LEEWAY, duration::duration),
        max_age: reader.parse(&JWT_MAX_AGE, duration::positive_duration),
        types: reader.list(&JWT_TYP).unwrap_or_default(),
        stale: reader.or_default(&JWT_JWKS_STALE, duration::duration),
    };
    let issuers = if reader.has(&ISSUERS) {
        read_issuers(reader, &common)
    } else {
        read_issuer(reader, &common).map(|issuer| issuer.into_iter().collect())
    };
    let sessions = read_sessions(reader, &common);
    if auth == Auth::Off {
        return Some(None);
    }
    let (issuers, sessions): (Vec<Issuer>, _) = (issuers?, sessions?);
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
        return None;
    }
    Some(Some(Authentication {
        required: auth == Auth::Required,
        sources,
        issuers,
        sessions,
    }))
}

/// The provider of sessions: `None` stands for an error, `Some(None)` for no provider.
fn read_sessions(reader: &mut Reader<'_>, common: &Common) -> Option<Option<Sessions>> {
    let url = reader.parse(
        &SESSION_URL,
        values::or_off(|url| values::https_url(url, SESSION_EXAMPLE)),
    );
    let authorization = reader.parse(&SESSION_URL_AUTH, values::authorization);
    let fresh = reader.or_default(&SESSION_CACHE, duration::duration);
    if !has_sessions(reader) {
        return Some(None);
    }
    if !reader.has(&SESSION_URL_AUTH) {
        reader.missing(
            &SESSION_URL_AUTH,
            &[&SESSION_URL],
            "it must be set with SESSION_URL: providers answer only to callers they know (RFC 7662 \
             §2.1); write the value of the Authorization header",
        );
    }
    let expectations = common.expectations(
        reader.list(&JWT_ISSUER).unwrap_or_default(),
        reader.list(&JWT_AUDIENCE).unwrap_or_default(),
    );
    Some(Some(Sessions::new(
        url??,
        authorization?,
        expectations,
        fresh,
    )))
}

fn has_sessions(reader: &Reader<'_>) -> bool {
    let url = reader.value(&SESSION_URL);
    url.is_some_and(|url| !url.is_off())
}

/// What holds for every issuer.
struct Common {
    leeway: Duration,
    max_age: Option<Duration>,
    types: Vec<String>,
    stale: Duration,
}

impl Common {
    fn expectations(&self, issuers: Vec<String>, audiences: Vec<String>) -> Expectations {
        Expectations {
            issuers,
            audiences,
            leeway: self.leeway,
            max_age: self.max_age,
            types: self.types.clone(),
        }
    }
}

/// The one issuer of the `JWT_` settings: `None` stands for an error, `Some(None)` for no keys.
fn read_issuer(reader: &mut Reader<'_>, common: &Common) -> Option<Option<Issuer>> {
    let expectations = common.expectations(
        reader.list(&JWT_ISSUER).unwrap_or_default(),
        reader.list(&JWT_AUDIENCE).unwrap_or_default(),
    );
    let url = reader.parse(&JWT_JWKS_URL, |url| values::https_url(url, JWKS_EXAMPLE));
    let secret = reader.secret(&JWT_SECRET, values::secret_key);
    let jwks = reader.object(&JWT_JWKS).map(|set| {
        values::jwk_set(&set).unwrap_or_else(|problems| {
            for problem in problems {
                reader.error(&JWT_JWKS, problem);
            }
            Vec::new()
        })
    });
    let algorithms = read_algorithms(reader);
    if [&JWT_SECRET, &JWT_JWKS, &JWT_JWKS_URL, &JWT_ALGORITHMS]
        .iter()
        .any(|name| reader.has_error(name))
    {
        return None;
    }
    let mut keys: Vec<Key> = secret
        .into_iter()
        .chain(jwks.into_iter().flatten())
        .collect();
    if let Some(url) = url {
        if !keys.is_empty() {
            reader.contradiction(
                &JWT_JWKS_URL,
                &[&JWT_SECRET, &JWT_JWKS],
                "JWT_SECRET or JWT_JWKS is set as well; keep one, or list them under ISSUERS",
            );
            return None;
        }
        let algorithms = algorithms.unwrap_or_default();
        let keys = RemoteKeys::new(url, algorithms, common.stale);
        return Some(Some(Issuer {
            keys: KeySource::Remote(Rc::new(keys)),
            expectations,
        }));
    }
    if let Some(algorithms) = algorithms {
        for problem in restrict(&mut keys, &algorithms) {
            reader.contradiction(&JWT_ALGORITHMS, &[&JWT_SECRET, &JWT_JWKS], problem);
        }
    }
    Some((!keys.is_empty()).then(|| Issuer {
        keys: KeySource::Fixed(KeyRing::new(keys)),
        expectations,
    }))
}

fn read_algorithms(reader: &mut Reader<'_>) -> Option<Vec<Algorithm>> {
    let names = reader.list(&JWT_ALGORITHMS)?;
    let (algorithms, problems) = parse_algorithms(&names);
    for problem in problems {
        reader.error(&JWT_ALGORITHMS, problem);
    }
    Some(algorithms)
}

fn parse_algorithms(names: &[String]) -> (Vec<Algorithm>, Vec<String>) {
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

/// Leaves each key only `algorithms`; says what then makes no sense.
fn restrict(keys: &mut [Key], algorithms: &[Algorithm]) -> Vec<String> {
    let mut problems = Vec::new();
    for algorithm in algorithms {
        if !keys.iter().any(|key| key.algorithms().contains(algorithm)) {
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
fn read_issuers(reader: &mut Reader<'_>, common: &Common) -> Option<Vec<Issuer>> {
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

fn read_entry(entry: &Value, common: &Common) -> Result<Issuer, Vec<String>> {
    const EXAMPLE: &str = "write {\"issuer\": \"https://id.example.com\", \
                           \"jwks_url\": \"https://id.example.com/jwks\"}";
    let members = entry
        .as_object()
        .ok_or_else(|| vec![format!("it is not an object; {EXAMPLE}")])?;
    let mut problems: Vec<String> = members
        .keys()
        .filter(|name| {
            !["issuer", "jwks_url", "jwks", "audience", "algorithms"].contains(&name.as_str())
        })
        .map(|name| format!("{name:?} is no member of an issuer; {EXAMPLE}"))
        .collect();
    let issuer = match members.get("issuer") {
        Some(Value::String(issuer)) if !issuer.is_empty() => Some(issuer.clone()),
        _ => {
            problems.push(format!("it has no issuer; {EXAMPLE}"));
            None
        }
    };
    let audiences = texts(members, "audience").map_err(|problem| problems.push(problem));
    let names = texts(members, "algorithms").map_err(|problem| problems.push(problem));
    let (algorithms, unknown) = parse_algorithms(&names.unwrap_or_default());
    problems.extend(unknown);
    let keys = match (members.get("jwks_url"), members.get("jwks")) {
        (Some(Value::String(url)), None) => match values::https_url(url, JWKS_EXAMPLE) {
            Ok(url) => {
                let remote = RemoteKeys::new(url, algorithms, common.stale);
                Some(KeySource::Remote(Rc::new(remote)))
            }
            Err(problem) => {
                problems.push(format!("jwks_url: {problem}"));
                None
            }
        },
        (None, Some(Value::Object(set))) => match values::jwk_set(set) {
            Ok(mut keys) => {
                if !algorithms.is_empty() {
                    problems.extend(restrict(&mut keys, &algorithms));
                }
                Some(KeySource::Fixed(KeyRing::new(keys)))
            }
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| format!("jwks: {problem}")));
                None
            }
        },
        _ => {
            problems.push(format!(
                "it takes either jwks_url, a string, or jwks, an object; {EXAMPLE}"
            ));
            None
        }
    };
    match (problems.is_empty(), issuer, keys, audiences) {
        (true, Some(issuer), Some(keys), Ok(audiences)) => Ok(Issuer {
            keys,
            expectations: common.expectations(vec![issuer], audiences),
        }),
        _ => Err(problems),
    }
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
