//! Tokens in cookies, including those that a framework split into chunks or packed into JSON.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use super::fault::CredentialFault;
use crate::util::sorting::sorted_by;
use crate::util::strict_json;

/// The prefix that `@supabase/ssr` writes before a value in base64url.
const ENCODED: &str = "base64-";

/// The tokens in the cookies of this name: one for each whole cookie, and one for the chunks
/// `NAME.0`, `NAME.1` and so on together.
pub(super) fn tokens(header: &str, name: &str) -> Result<Vec<String>, CredentialFault> {
    // A second Cookie header arrives after a comma, and a token there could not be removed.
    if stands_behind_a_comma(name, header) {
        return Err(CredentialFault::RepeatedHeader("Cookie is repeated"));
    }
    let mut values: Vec<String> = cookies(header)
        .filter(|cookie| cookie_name(cookie) == name)
        .map(|cookie| value(cookie).to_owned())
        .collect();
    values.extend(join_chunks(header, name)?);
    values.into_iter().map(unpack).collect()
}

/// Joins the chunks in the order of their numbers, up to the first that is missing.
fn join_chunks(header: &str, name: &str) -> Result<Option<String>, CredentialFault> {
    let chunks: Vec<(usize, &str)> = cookies(header)
        .filter_map(|cookie| Some((chunk_number(cookie_name(cookie), name)?, value(cookie))))
        .collect();
    let mut chunks = sorted_by(chunks, |one, other| one.0.cmp(&other.0));
    chunks.dedup();
    if chunks.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(CredentialFault::Ambiguous(format!(
            "two cookies are the same chunk of {name}"
        )));
    }
    let in_order = chunks.iter().zip(0..);
    let joined: String = in_order
        .take_while(|((number, _), at)| number == at)
        .map(|((_, value), _)| *value)
        .collect();
    let has_first = chunks.first().is_some_and(|(number, _)| *number == 0);
    Ok(has_first.then_some(joined))
}

/// The number of a cookie named `chunk` if it is a chunk of the cookie `name`.
fn chunk_number(chunk: &str, name: &str) -> Option<usize> {
    let number = chunk.strip_prefix(name)?.strip_prefix('.')?;
    let is_number = number == "0"
        || (!number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit()));
    number.parse().ok().filter(|_| is_number)
}

/// The token in a value. A session of Supabase is an object, which is encoded and has the token as
/// its `access_token`.
fn unpack(value: String) -> Result<String, CredentialFault> {
    let Some(encoded) = value.strip_prefix(ENCODED) else {
        return Ok(value);
    };
    let incomplete = || CredentialFault::Incomplete("the cookie has no token in base64url".into());
    let bytes =
        Base64UrlUnpadded::decode_vec(encoded.trim_end_matches('=')).map_err(|_| incomplete())?;
    match strict_json::value(&bytes) {
        Ok(Value::Object(mut session)) => match session.remove("access_token") {
            Some(Value::String(token)) => Ok(token),
            _ => Err(CredentialFault::Incomplete(
                "the session in the cookie has no access_token".into(),
            )),
        },
        _ => String::from_utf8(bytes).map_err(|_| incomplete()),
    }
}

fn cookies(header: &str) -> impl Iterator<Item = &str> {
    header
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
}

fn cookie_name(cookie: &str) -> &str {
    cookie
        .split_once('=')
        .map_or(cookie, |(name, _)| name)
        .trim()
}

/// The value, without quotes around it.
fn value(cookie: &str) -> &str {
    let value = cookie.split_once('=').map_or("", |(_, value)| value).trim();
    let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    unquoted.unwrap_or(value)
}

/// Whether a cookie is the one of this name, or a chunk of it.
fn belongs_to(cookie: &str, name: &str) -> bool {
    let found = cookie_name(cookie);
    found == name || chunk_number(found, name).is_some()
}

fn stands_behind_a_comma(name: &str, header: &str) -> bool {
    let mut behind_commas = cookies(header).flat_map(|cookie| cookie.split(',').skip(1));
    behind_commas.any(|part| part.contains('=') && belongs_to(part, name))
}

/// A `Cookie` value without the cookies of this name and their chunks. The others stay as they are.
pub fn without_cookie(header: &str, name: &str) -> String {
    let others: Vec<_> = header
        .split(';')
        .filter(|cookie| !belongs_to(cookie, name))
        .collect();
    others.join(";").trim().to_owned()
}
