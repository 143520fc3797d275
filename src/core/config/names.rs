//! Variables that are not settings, and which setting they were probably meant to be.

use super::reader::Reader;
use super::settings::{ALL, Setting, named};

/// Shorter names are close to too many others to guess at misspellings of them.
const MIN_LENGTH_TO_GUESS: usize = 8;
const MAX_TYPOS: usize = 2;

/// Reports global variables whose names are close to a setting's.
pub(super) fn check(reader: &mut Reader<'_>) {
    for name in reader.variables() {
        if let Some(meant) = nearest(name) {
            let problem = format!("there is no such setting; did you mean {}?", meant.name());
            reader.error_at(name, problem);
        }
    }
}

/// The setting that a foreign name was probably meant to be.
fn nearest(name: &str) -> Option<&'static Setting> {
    if named(name).is_some() {
        return None;
    }
    let mut settings = ALL.iter().copied();
    settings
        .find(|setting| fold(name) == fold(setting.name()))
        .or_else(|| {
            let written = name.to_uppercase();
            ALL.iter()
                .copied()
                .filter(|setting| setting.name().len() >= MIN_LENGTH_TO_GUESS)
                .map(|setting| (strsim::osa_distance(&written, setting.name()), setting))
                .filter(|(typos, _)| *typos <= MAX_TYPOS)
                .min_by_key(|(typos, setting)| (*typos, setting.name()))
                .map(|(_, setting)| setting)
        })
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
