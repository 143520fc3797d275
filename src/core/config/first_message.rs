//! `FIRST_MESSAGE` and the settings next to it.

use super::reader::Reader;
use super::settings::{
    FIRST_MESSAGE, FIRST_MESSAGE_GREETING, FIRST_MESSAGE_PROTOCOLS, FIRST_MESSAGE_TIMEOUT,
    UPSTREAM_GREETING,
};
use super::values;
use crate::relay::first_message::{FirstMessage, FirstMessagePassing, MAX_TIMEOUT};
use crate::request::syntax;
use crate::token::Authentication;
use crate::util::duration;

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
