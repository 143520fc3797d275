//! Variables that are not settings: those that were probably meant to be, and the user's own.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::reader::Reader;
use super::reference;
use super::settings::{ALL, Setting, named};

/// Shorter names are close to too many others to guess at misspellings of them.
const MIN_LENGTH_TO_GUESS: usize = 8;
const MAX_TYPOS: usize = 2;
/// Shorter words are no abbreviation that can be guessed at.
const MIN_ABBREVIATION: usize = 3;

/// Beginnings of names that belong to the gate, as words. A last word may be a beginning itself.
const RESERVED: [&[&str]; 10] = [
    &["JWT", ""],
    &["RATE", "LIMIT"],
    &["RATELIMIT"],
    &["MAX", ""],
    &["UPSTREAM", ""],
    &["ON", ""],
    &["TOKEN", ""],
    &["SESSION", ""],
    &["TICKET", ""],
    &["REQUIRE"],
];

/// Words that say by themselves, or in place of another, which setting is meant.
const ALONE: [(&str, &str); 16] = [
    ("ALGORITHM", "JWT_ALGORITHMS"),
    ("AUDIENCE", "JWT_AUDIENCE"),
    ("BAN", "BAN_AFTER"),
    ("CORSORIGIN", "ALLOWED_ORIGINS"),
    ("ISSUER", "JWT_ISSUER"),
    ("JWK", "JWT_JWKS"),
    ("JWTALGO", "JWT_ALGORITHMS"),
    ("JWTKEY", "JWT_SECRET"),
    ("LEEWAY", "JWT_LEEWAY"),
    ("MAXCONNECTION", "MAX_SOCKETS_IP"),
    ("MAXCONNECTIONPERIP", "MAX_SOCKETS_IP"),
    ("MAXCONNECTIONPERUSER", "MAX_SOCKETS_USER"),
    ("RATELIMIT", "RATE_LIMIT_IP"),
    ("SCOPE", "REQUIRED_SCOPES"),
    ("TOKENTTL", "JWT_MAX_AGE"),
    ("UPSTREAM", "UPSTREAM_URL"),
];

/// Reports global variables whose names look like a setting's, and warns of other texts. Whatever
/// a `{secret:NAME}` refers to is neither. In a Worker that the gate guards, most variables are
/// about something else: only misspelt settings are errors there, other likenesses are warnings.
pub(super) fn check(reader: &mut Reader<'_>) {
    let mut referenced = BTreeSet::new();
    for (_, value) in reader.variables() {
        reference::collect(value, &mut referenced);
    }
    for (name, value) in reader.variables() {
        if named(name).is_some() || referenced.contains(name) {
            continue;
        }
        if let Some(meant) = meant(name) {
            let problem = format!("there is no such setting; did you mean {}?", meant.name());
            if reader.is_guarded() && misspelt(name).is_none() {
                reader.warn_at(name, &problem);
            } else {
                reader.error_at(name, problem);
            }
        } else if !reader.is_guarded() && value.is_text() {
            reader.warn_at(name, "it is not a setting of the gate, which ignores it");
        }
    }
}

/// The setting that a foreign name was probably meant to be.
fn meant(name: &str) -> Option<&'static Setting> {
    if let Some(setting) = misspelt(name) {
        return Some(setting);
    }
    let folded = fold(name);
    if let Some((_, setting)) = ALONE.iter().find(|(alone, _)| *alone == folded) {
        return named(setting);
    }
    let words = words(name);
    let is_like_a_setting = ALL.iter().any(|setting| {
        let parts: Vec<_> = setting.name().split('_').collect();
        is_part_of(&words, &parts) || extends(&words, &parts) || differs_in_one(&words, &parts)
    });
    (is_reserved(&words) || is_like_a_setting).then(|| most_alike(name, &words))
}

/// The setting whose name differs only in case, separators, a plural or few typing errors.
pub(super) fn misspelt(name: &str) -> Option<&'static Setting> {
    let settings = || ALL.iter().copied();
    let folded = fold(name);
    settings()
        .find(|setting| folded == fold(setting.name()))
        .or_else(|| {
            let written = name.to_uppercase();
            settings()
                .filter(|setting| setting.name().len() >= MIN_LENGTH_TO_GUESS)
                .map(|setting| (strsim::osa_distance(&written, setting.name()), setting))
                .filter(|(typos, _)| *typos <= MAX_TYPOS)
                .min_by_key(|(typos, setting)| (*typos, setting.name()))
                .map(|(_, setting)| setting)
        })
}

/// Whether each of two or more words is one of a setting's: `JWKS_URL`, `SOCKETS_USER`.
fn is_part_of(words: &[String], setting: &[&str]) -> bool {
    let is_in = |word: &String| setting.iter().any(|part| is_alike(word, part));
    words.len() >= 2 && words.iter().all(is_in)
}

/// Whether the name begins with a setting's of two or more words: `ALLOWED_ORIGINS_PROD`.
fn extends(words: &[String], setting: &[&str]) -> bool {
    let mut pairs = words.iter().zip(setting);
    setting.len() >= 2 && words.len() > setting.len() && pairs.all(|(word, part)| word == part)
}

/// Whether all words but one of three or more are those of a setting: `CLOSE_AFTER_EXPIRY`.
fn differs_in_one(words: &[String], setting: &[&str]) -> bool {
    let pairs = words.iter().zip(setting);
    let others = pairs.filter(|(word, part)| !is_alike(word, part)).count();
    words.len() >= 3 && words.len() == setting.len() && others == 1
}

fn is_reserved(words: &[String]) -> bool {
    RESERVED.iter().any(|start| {
        let mut pairs = start.iter().enumerate();
        words.len() >= start.len()
            && pairs.all(|(at, part)| match at + 1 == start.len() {
                true => words[at].starts_with(part),
                false => words[at] == *part,
            })
    })
}

fn most_alike(name: &str, words: &[String]) -> &'static Setting {
    let written = name.to_uppercase();
    let likeness = |setting: &&Setting| {
        let parts: Vec<_> = setting.name().split('_').collect();
        let shares = |word: &&String| parts.iter().any(|part| is_alike(word, part));
        let shared = words.iter().filter(shares).count();
        // A name of fewer words that is as alike is the better guess.
        let distance = strsim::osa_distance(&written, setting.name());
        (shared, Reverse((parts.len(), distance)))
    };
    let most = ALL.iter().copied().max_by_key(likeness);
    most.expect("the table has settings")
}

/// Whether a word is one of a setting's words, an abbreviation of it, or a plural.
fn is_alike(word: &str, part: &str) -> bool {
    let is_abbreviation = word.len() >= MIN_ABBREVIATION && part.starts_with(word);
    let is_typo = word.len() >= MIN_LENGTH_TO_GUESS && strsim::osa_distance(word, part) == 1;
    fold(word) == fold(part) || is_abbreviation || is_typo
}

/// The words of a name, in upper case: `maxSockets` and `max-sockets` are `MAX` and `SOCKETS`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (was_lower && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        was_lower = c.is_ascii_lowercase();
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Removes what spellings may differ in: case, separators and a plural.
fn fold(name: &str) -> String {
    let mut folded: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase();
    if folded.ends_with('S') {
        folded.pop();
    }
    folded
}
