//! `FIRST_MESSAGE` and the settings next to it.

use super::reader::Reader;
use super::settings::{
    DefaultValue, FIRST_MESSAGE, FIRST_MESSAGE_GREETING, FIRST_MESSAGE_PROTOCOLS,
    FIRST_MESSAGE_TIMEOUT, Setting, UPSTREAM_GREETING,
};
use super::{Var, values};
use crate::policy::Policy;
use crate::relay::first_message::{FirstMessage, FirstMessagePassing, MAX_TIMEOUT};
use crate::request::syntax;
use crate::routing::table::Table;
use crate::token::Authentication;
use crate::util::duration;

/// What is of no use where no first message is read.
const SETTINGS: [&Setting; 5] = [
    &FIRST_MESSAGE,
    &FIRST_MESSAGE_TIMEOUT,
    &FIRST_MESSAGE_PROTOCOLS,
    &FIRST_MESSAGE_GREETING,
    &UPSTREAM_GREETING,
];

const UNUSED: &str = "TOKEN_SOURCES has no message:, so it is not used";

/// Warns of settings of the route itself that are not used there.
pub(super) fn warn_of_unused(reader: &mut Reader<'_>, policy: &Policy) {
    if policy.first_message.is_none() {
        for setting in SETTINGS {
            if reader.has_own(setting) && is_chosen(reader, setting) {
                reader.warn(setting, UNUSED);
            }
        }
    }
}

/// Warnings of global settings that no route uses.
pub(super) fn unused(reader: &Reader<'_>, routes: &Table<Policy>) -> Vec<String> {
    let mut policies = routes.iter().map(|route| &route.policy);
    if policies.any(|policy| policy.first_message.is_some()) {
        return Vec::new();
    }
    let chosen = SETTINGS
        .into_iter()
        .filter(|setting| is_chosen(reader, setting));
    chosen
        .map(|setting| format!("{}: {UNUSED}", setting.name()))
        .collect()
}

/// Whether a setting says anything else than its default.
fn is_chosen(reader: &Reader<'_>, setting: &'static Setting) -> bool {
    reader
        .value(setting)
        .is_some_and(|value| match (value, setting.default()) {
            (Var::Text(text), DefaultValue::Value(default)) => text.trim() != default,
            _ => true,
        })
}

/// Reads the settings; `None` if no token is expected in messages. The settings are checked either
/// way.
pub(super) fn read(
    reader: &mut Reader<'_>,
    authentication: Option<&Authentication>,
) -> Option<FirstMessage> {
    let protocols = reader.list(&FIRST_MESSAGE_PROTOCOLS).unwrap_or_default();
    if let Some(wrong) = protocols.iter().find(|name| !syntax::is_token(name)) {
        reader.error(
            &FIRST_MESSAGE_PROTOCOLS,
            format!("{wrong:?} is not a subprotocol; write one like \"graphql-transport-ws\""),
        );
    }
    let first = FirstMessage {
        timeout: reader.or_default(&FIRST_MESSAGE_TIMEOUT, |text| {
            let timeout = duration::positive_duration(text)?;
            if timeout > MAX_TIMEOUT {
                return Err(format!("{text:?} is too long; write one minute or less"));
            }
            Ok(timeout)
        }),
        passing: reader.or_default(&FIRST_MESSAGE, |text| {
            values::one_of(
                text,
                &[
                    ("strip", FirstMessagePassing::Strip),
                    ("pass", FirstMessagePassing::Pass),
                    ("drop", FirstMessagePassing::Drop),
                ],
            )
        }),
        greeting: reader.text(&FIRST_MESSAGE_GREETING).map(str::to_owned),
        drops_upstream_greeting: reader.or_default(&UPSTREAM_GREETING, |text| {
            values::one_of(text, &[("drop", true), ("pass", false)])
        }),
        max_bytes: FirstMessage::max_bytes(authentication?.max_bytes),
        protocols,
    };
    authentication?.reads_messages().then_some(first)
}
