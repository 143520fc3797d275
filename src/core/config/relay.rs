//! `RELAY` and the limits of live sockets.

use super::reader::Reader;
use super::values;
use crate::limits::quota::Quota;
use crate::policy::Counting;
use crate::relay::{MAX_MESSAGE_BYTES, RelayLimits, RelayMode};
use crate::token::Authentication;
use crate::util::duration;

/// The times of so many messages at most are kept for each socket.
const MAX_COUNTED_MESSAGES: u32 = 10_000;
/// As much as the largest message.
const BACKLOG_BYTES: u32 = MAX_MESSAGE_BYTES;

/// `authentication` is `None` where it is wrong, which is told elsewhere.
pub(super) fn read(
    reader: &mut Reader<'_>,
    authentication: Option<&Option<Authentication>>,
    counting: &Counting,
) -> RelayMode {
    let message_bytes = limit(reader, "MAX_MESSAGE_BYTES", message_bytes);
    let message_rate = limit(reader, "MESSAGE_RATE", message_rate);
    let idle = limit(reader, "IDLE_TIMEOUT", duration::positive_duration);
    let lifetime = limit(reader, "MAX_LIFETIME", duration::positive_duration);
    let closes_on_expiry = reader.or("CLOSE_ON_EXPIRY", false, values::boolean);
    let backlog_bytes = limit(reader, "MAX_BACKLOG_BYTES", byte_count);
    let inspects = reader.parse("RELAY", |text| {
        values::one_of(text, &[("passthrough", false), ("inspect", true)])
    });

    if closes_on_expiry && matches!(authentication, Some(None)) {
        reader.error(
            "CLOSE_ON_EXPIRY",
            "AUTH is off, so there is no token to expire; remove this, or set AUTH to required",
        );
    }
    let needs_messages = [
        ("MAX_MESSAGE_BYTES", is_set(&message_bytes)),
        ("MESSAGE_RATE", is_set(&message_rate)),
        ("IDLE_TIMEOUT", is_set(&idle)),
        ("MAX_LIFETIME", is_set(&lifetime)),
        ("CLOSE_ON_EXPIRY", closes_on_expiry),
        ("MAX_BACKLOG_BYTES", is_set(&backlog_bytes)),
    ];
    let needs_ends = [
        ("MAX_SOCKETS_IP", counting.address.max_sockets.is_some()),
        ("MAX_SOCKETS_USER", counting.user.max_sockets.is_some()),
    ];
    const NO_LIMIT: &str = "what passes through natively can't be limited";
    const NO_END: &str = "of what passes through natively the gate does not hear when it ends";
    let needed_by = needs_messages
        .map(|(name, needs)| (name, needs, NO_LIMIT))
        .into_iter()
        .chain(needs_ends.map(|(name, needs)| (name, needs, NO_END)))
        .find(|(_, needs, _)| *needs);
    if let (Some((name, _, why)), Some(false)) = (needed_by, inspects) {
        reader.error(
            "RELAY",
            format!("{name} is set, and {why}; write \"inspect\", or remove {name}"),
        );
    }
    if !inspects.unwrap_or(needed_by.is_some()) {
        return RelayMode::Passthrough;
    }
    RelayMode::Inspect(RelayLimits {
        message_bytes: message_bytes.flatten(),
        message_rate: message_rate.flatten(),
        idle: idle.flatten(),
        lifetime: lifetime.flatten(),
        closes_on_expiry,
        backlog_bytes: backlog_bytes.unwrap_or(Some(BACKLOG_BYTES)),
    })
}

/// A limit that a route can turn off; `None` if it is not set, or wrong.
fn limit<T>(
    reader: &mut Reader<'_>,
    name: &str,
    parser: impl Fn(&str) -> Result<T, String>,
) -> Option<Option<T>> {
    reader.parse(name, values::or_off(parser))
}

fn is_set<T>(limit: &Option<Option<T>>) -> bool {
    matches!(limit, Some(Some(_)))
}

fn byte_count(text: &str) -> Result<u32, String> {
    values::whole_number::<u32>(text)
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{text:?} is no number of bytes; write one like \"65536\""))
}

fn message_bytes(text: &str) -> Result<u32, String> {
    let count = byte_count(text)?;
    if count > MAX_MESSAGE_BYTES {
        return Err(format!(
            "{text:?} is more than the platform passes; write {MAX_MESSAGE_BYTES} or less"
        ));
    }
    Ok(count)
}

fn message_rate(text: &str) -> Result<Quota, String> {
    let rate = values::quota(text)?;
    if rate.count() > MAX_COUNTED_MESSAGES {
        return Err(format!(
            "{text:?} counts too many messages; write {MAX_COUNTED_MESSAGES} or fewer, over a \
             shorter time"
        ));
    }
    Ok(rate)
}
