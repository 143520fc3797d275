//! `ALLOWED_ORIGINS` and `ORIGIN_MISSING`.

use super::reader::Reader;
use super::settings::{ALLOWED_ORIGINS, ORIGIN_MISSING};
use super::values;
use crate::checks::origin::{OriginPattern, OriginRule};

pub(super) fn read(reader: &mut Reader<'_>) -> OriginRule {
    let entries = reader.list(&ALLOWED_ORIGINS).unwrap_or_default();
    if !reader.has(&ALLOWED_ORIGINS) {
        reader.missing(
            &ALLOWED_ORIGINS,
            &[],
            "it must be set; list the origins of your pages, like \"https://app.example.com\"",
        );
    }
    let mut allowed = Vec::new();
    for entry in &entries {
        match OriginPattern::parse(entry) {
            Ok(pattern) => allowed.push(pattern),
            Err(problem) => reader.error(&ALLOWED_ORIGINS, problem),
        }
    }
    if allowed.len() > 1 && allowed.contains(&OriginPattern::Any) {
        reader.error(
            &ALLOWED_ORIGINS,
            "* allows any origin, so the other entries mean nothing; write * alone, or remove it",
        );
    }
    OriginRule {
        allowed,
        missing_is_allowed: reader.or_default(&ORIGIN_MISSING, |text| {
            values::one_of(text, &[("reject", false), ("allow", true)])
        }),
    }
}
