//! `{secret:NAME}`: a value that is kept in a secret of another name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Var;

const OPEN: &str = "{secret:";

/// The name, if the value as a whole is a reference.
pub(super) fn of(value: &Var) -> Option<&str> {
    let Var::Text(text) = value else {
        return None;
    };
    let name = text.trim().strip_prefix(OPEN)?.strip_suffix('}')?;
    Some(name).filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(is_sound)
}

/// Adds the names that a value refers to, anywhere in it.
pub(super) fn collect(value: &Var, names: &mut BTreeSet<String>) {
    match value {
        Var::Text(text) => collect_from_text(text, names),
        Var::Json(value) => collect_from_json(value, names),
    }
}

fn collect_from_json(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => collect_from_text(text, names),
        Value::Array(elements) => elements
            .iter()
            .for_each(|one| collect_from_json(one, names)),
        Value::Object(members) => members
            .values()
            .for_each(|one| collect_from_json(one, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn collect_from_text(text: &str, names: &mut BTreeSet<String>) {
    let rests = text.split(OPEN).skip(1);
    let found = rests.filter_map(|rest| rest.split_once('}'));
    names.extend(
        found
            .filter(|(name, _)| is_name(name))
            .map(|(name, _)| name.to_owned()),
    );
}
