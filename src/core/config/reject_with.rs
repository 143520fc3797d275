//! `REJECT_WITH`.

use super::Settings;
use super::reader::Reader;
use super::settings::REJECT_WITH;
use super::values;
use crate::policy::RejectWith;

impl RejectWith {
    /// Reads this setting alone, for a gate whose other settings are wrong. If it is wrong too,
    /// the result is `Http`.
    pub fn alone(settings: &Settings) -> Self {
        read(&mut Reader::new(settings))
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> RejectWith {
    reader.or_default(&REJECT_WITH, |text| {
        values::one_of(
            text,
            &[("http", RejectWith::Http), ("close", RejectWith::Close)],
        )
    })
}
