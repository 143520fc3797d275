//! `REJECT_WITH`.

use super::Settings;
use super::reader::Reader;
use super::values;
use crate::policy::RejectWith;

impl RejectWith {
    /// The setting by itself, for a gate whose other settings are wrong. If it is wrong too, HTTP.
    pub fn alone(settings: &Settings) -> Self {
        read(&mut Reader::new(settings))
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> RejectWith {
    reader.or("REJECT_WITH", RejectWith::Http, |text| {
        values::one_of(
            text,
            &[("http", RejectWith::Http), ("close", RejectWith::Close)],
        )
    })
}
