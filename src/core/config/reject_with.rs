//! `REJECT_WITH`.

use super::Settings;
use super::reader::Reader;
use super::values;

/// How a refused handshake is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectWith {
    /// By a status.
    Http,
    /// By the close code of a socket that is opened for it.
    Close,
}

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
