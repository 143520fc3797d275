//! The forms of single values. Errors say what is wrong and what would be right.

use std::str::FromStr;

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

use crate::limits::ledger::{MAX_FAILURES, MAX_SOCKETS};
use crate::limits::quota::{BanRule, Quota};
use crate::policy::Mode;
use crate::request::address::Ipv6Prefix;
use crate::request::syntax;
use crate::token::{self, Algorithm, ClaimName, Key, Source};
use crate::upstream::{is_gate_header, is_loopback};
use crate::util::duration::{duration, positive_duration};
use crate::util::share::Share;

const MAX_KEYS: usize = 64;

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    one_of(text, &[("true", true), ("false", false)])
}

pub(super) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(name, _)| *name == text);
    chosen.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        format!("invalid value {text:?}; write {}", names.join(" or "))
    })
}

/// A value, or the word `off`.
pub(super) fn or_off<T>(
    parser: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |text| match text {
        "off" => Ok(None),
        _ => parser(text)
            .map(Some)
            .map_err(|problem| format!("{problem}, or \"off\"")),
    }
}

/// Digits alone, without a sign.
pub(super) fn whole_number<T: FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// A percentage.
pub(super) fn share(text: &str) -> Result<Share, String> {
    Share::parse(text).ok_or_else(|| {
        format!("{text:?} is not a percentage; write one from \"0%\" to \"100%\", like \"10%\"")
    })
}

/// `enforce`, `report`, or `enforce:` and a percentage of addresses.
pub(super) fn mode(text: &str) -> Result<Mode, String> {
    let Some(percentage) = text.strip_prefix("enforce:") else {
        let modes = [("enforce", Mode::Enforce), ("report", Mode::Report)];
        return one_of(text, &modes).map_err(|problem| format!("{problem}, or \"enforce:10%\""));
    };
    let share = share(percentage)?;
    match share {
        Share::NONE => Err(format!("{text:?} enforces nothing; write \"report\"")),
        Share::ALL => Err(format!("{text:?} enforces everything; write \"enforce\"")),
        share => Ok(Mode::Canary(share)),
    }
}

/// `<count>/<duration>`.
pub(super) fn quota(text: &str) -> Result<Quota, String> {
    let wrong = || format!("{text:?} is not a quota; write one like \"60/1m\"");
    let (count, window) = text.split_once('/').ok_or_else(wrong)?;
    let count = whole_number(count).ok_or_else(wrong)?;
    Quota::new(count, duration(window)?).ok_or_else(|| {
        format!("{text:?} has a count or a duration of zero; write one like \"60/1m\"")
    })
}

/// `<quota> for <duration>`.
pub(super) fn ban(text: &str) -> Result<BanRule, String> {
    let (failures, length) = text
        .split_once(" for ")
        .ok_or_else(|| format!("{text:?} is not a ban; write one like \"20/1m for 1h\""))?;
    let limits = BanRule {
        failures: quota(failures.trim())?,
        length: positive_duration(length.trim())?,
    };
    if limits.failures.count() > MAX_FAILURES {
        return Err(format!(
            "{text:?} counts more refused attempts than the {MAX_FAILURES} that are remembered; \
             write a smaller count"
        ));
    }
    Ok(limits)
}

/// A cap of open sockets.
pub(super) fn socket_count(text: &str) -> Result<u32, String> {
    whole_number(text)
        .filter(|count| (1..=MAX_SOCKETS).contains(count))
        .ok_or_else(|| {
            format!("{text:?} is not a number from 1 to {MAX_SOCKETS}; write one like \"10\"")
        })
}

/// The leading bits of an IPv6 address that count.
pub(super) fn ipv6_prefix(text: &str) -> Result<Ipv6Prefix, String> {
    whole_number(text)
        .and_then(Ipv6Prefix::new)
        .ok_or_else(|| format!("{text:?} is not a number from 32 to 128; write one like \"56\""))
}

/// `header`, `header:NAME`, `subprotocol`, `subprotocol:PREFIX`, `cookie:NAME`, `query:NAME` and
/// `message:/POINTER`.
pub(super) fn token_sources(entries: &[String]) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for part in entries {
        let source = match part.split_once(':') {
            None if part == "header" => Source::Header,
            None if part == "subprotocol" => Source::Subprotocol,
            Some(("header", name)) if syntax::is_token(name) => token_header(name)?,
            Some(("subprotocol", prefix)) if syntax::is_token(prefix) => token_prefix(prefix)?,
            Some(("cookie", name)) if syntax::is_token(name) => Source::Cookie(name.to_owned()),
            Some(("query", name)) if !name.is_empty() => Source::Query(name.to_owned()),
            Some(("message", pointer)) if pointer.starts_with('/') => {
                ClaimName::parse(pointer)?;
                Source::Message(pointer.to_owned())
            }
            _ => {
                return Err(format!(
                    "{part:?} is not a token source; write header, header:NAME, subprotocol, \
                     subprotocol:PREFIX, cookie:NAME, query:NAME or message:/POINTER"
                ));
            }
        };
        if sources.contains(&source) {
            return Err(format!("{part:?} appears twice; remove one"));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// Headers of a connection (RFC 9110 §7.6.1), of the handshake and of the request itself: none of
/// them can be removed, or holds a token.
const OTHER_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn token_header(name: &str) -> Result<Source, String> {
    let lower = name.to_ascii_lowercase();
    let instead = match lower.as_str() {
        "authorization" => "that is the source header; write header",
        "cookie" => "a cookie has a name; write cookie:NAME",
        _ if lower.starts_with("sec-websocket-") || OTHER_HEADERS.contains(&lower.as_str()) => {
            "it belongs to the connection or the handshake; write the name of a header that holds \
             only the token"
        }
        _ if is_gate_header(&lower) => {
            "the gate owns it and removes it from every request; let what puts the token there use \
             another name"
        }
        _ => return Ok(Source::NamedHeader(lower)),
    };
    Err(format!(
        "\"header:{name}\" can't be a token source: {instead}"
    ))
}

fn token_prefix(prefix: &str) -> Result<Source, String> {
    if prefix.eq_ignore_ascii_case("bearer") {
        return Err(format!(
            "\"subprotocol:{prefix}\" can't be a token source: the token after bearer is a \
             subprotocol of its own; write subprotocol"
        ));
    }
    Ok(Source::PrefixedSubprotocol(prefix.to_owned()))
}

/// UTF-8 text, or `base64:` and standard base64.
pub(super) fn secret_key(text: &str) -> Result<Key, String> {
    let bytes = match text.strip_prefix("base64:") {
        None => text.as_bytes().to_vec(),
        Some(encoded) => Base64::decode_vec(encoded)
            .map_err(|_| "what follows base64: is not standard base64 with padding")?,
    };
    Key::from_secret(bytes)
}

/// A URL like `example`, without user name or fragment: over TLS, or on the same machine.
pub(super) fn provider_url(text: &str, example: &str) -> Result<String, String> {
    let example = format!("write a URL like {example:?}");
    let uri: http::Uri = text
        .parse()
        .map_err(|error| format!("{error}; {example}"))?;
    let is_sound = !text.contains('#')
        && uri.authority().is_some_and(|authority| {
            let is_private = match uri.scheme_str() {
                Some("https") => true,
                Some("http") => is_loopback(authority.host()),
                _ => false,
            };
            is_private && !authority.host().is_empty() && !authority.as_str().contains('@')
        });
    if is_sound {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "it is not an https URL without user name and fragment; {example}"
        ))
    }
}

/// The value of an `Authorization` header: a scheme and credentials (RFC 9110 §11.4). The error
/// does not repeat the value.
pub(super) fn authorization(text: &str) -> Result<String, String> {
    let is_sound = syntax::is_field_value(text)
        && text.split_once(' ').is_some_and(|(scheme, credentials)| {
            syntax::is_token(scheme) && !syntax::trim(credentials).is_empty()
        });
    if is_sound {
        Ok(text.to_owned())
    } else {
        Err(
            "it is not a value of an Authorization header; write a scheme and credentials in ASCII, \
             like \"Basic ...\" or \"Bearer ...\""
                .into(),
        )
    }
}

/// Keys in PEM. Every error at once, each naming its key.
pub(super) fn pem_keys(text: &str) -> Result<Vec<Key>, Vec<String>> {
    let keys = token::pem_keys(text)?;
    if keys.len() > MAX_KEYS {
        return Err(vec![format!(
            "it has {} keys; write 1 to {MAX_KEYS}",
            keys.len()
        )]);
    }
    Ok(keys)
}

/// A JWK Set (RFC 7517 §5). Unknown members are ignored. Every error at once, each naming its key.
pub(super) fn jwk_set(set: &Map<String, Value>) -> Result<Vec<Key>, Vec<String>> {
    let Some(Value::Array(jwks)) = set.get("keys") else {
        return Err(vec!["it has no array keys; write {\"keys\": [...]}".into()]);
    };
    if jwks.is_empty() || jwks.len() > MAX_KEYS {
        return Err(vec![format!(
            "it has {} keys; write 1 to {MAX_KEYS}",
            jwks.len()
        )]);
    }
    let mut keys = Vec::new();
    let mut problems = Vec::new();
    for (at, jwk) in jwks.iter().enumerate() {
        let key = jwk
            .as_object()
            .ok_or_else(|| "it is not an object".to_owned());
        match key.and_then(Key::from_jwk) {
            Ok(key) => keys.push(key),
            Err(problem) => problems.push(format!("key {at}: {problem}")),
        }
    }
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(problems)
    }
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        format!("{name:?} is not an algorithm; write some of {known}")
    })
}
