//! `RELAY` and the limits of live sockets.

use super::group::Group;
use super::reader::Reader;
use super::settings::{
    AUTH, CLOSE_ON_EXPIRY, HEARTBEAT, IDLE_TIMEOUT, MAX_BACKLOG_BYTES, MAX_LIFETIME,
    MAX_MESSAGE_BYTES, MAX_SOCKETS_IP, MAX_SOCKETS_USER, MESSAGE_RATE, RELAY, Setting,
    TOKEN_SOURCES,
};
use super::values;
use crate::limits::quota::Quota;
use crate::policy::Counting;
use crate::relay::{self, RelayLimits, RelayMode};
use crate::token::Authentication;
use crate::util::duration;

/// The times of this many messages are kept for each socket.
const MAX_COUNTED_MESSAGES: u32 = 10_000;
/// As large as the largest message.
const BACKLOG_BYTES: u32 = relay::MAX_MESSAGE_BYTES;

pub(super) fn read(
    reader: &mut Reader<'_>,
    authentication: &Group<Authentication>,
    counting: &Counting,
) -> RelayMode {
    let auth_is_off = matches!(authentication, Group::Absent);
    let authentication = authentication.present();
    let reads_messages = authentication.is_some_and(Authentication::reads_messages);
    let time = || values::or_off(duration::positive_duration);
    let limits = RelayLimits {
        message_bytes: reader.or_default(&MAX_MESSAGE_BYTES, values::or_off(message_bytes)),
        message_rate: reader.or_default(&MESSAGE_RATE, values::or_off(message_rate)),
        idle: reader.or_default(&IDLE_TIMEOUT, time()),
        heartbeat: reader.or_default(&HEARTBEAT, time()),
        lifetime: reader.or_default(&MAX_LIFETIME, time()),
        closes_on_expiry: reader.or_default(&CLOSE_ON_EXPIRY, values::boolean),
        backlog_bytes: reader
            .parse(&MAX_BACKLOG_BYTES, values::or_off(byte_count))
            .flatten(),
    };
    let inspects = reader.parse(&RELAY, |text| {
        values::one_of(text, &[("passthrough", false), ("inspect", true)])
    });
    if limits.closes_on_expiry && auth_is_off {
        reader.contradiction(
            &CLOSE_ON_EXPIRY,
            &[&AUTH],
            "AUTH is off, so there is no token to expire; remove this, or set AUTH to required",
        );
    }
    let needed_by = needs_inspection(&limits, counting, reads_messages);
    if let (Some((setting, why)), Some(false)) = (needed_by, inspects) {
        let name = setting.name();
        reader.contradiction(
            &RELAY,
            &[setting],
            format!("{name} is set, and {why}; write \"inspect\", or remove {name}"),
        );
    }
    if !inspects.unwrap_or(needed_by.is_some()) {
        return RelayMode::Passthrough;
    }
    let has_default_backlog = !reader.has(&MAX_BACKLOG_BYTES);
    RelayMode::Inspect(RelayLimits {
        backlog_bytes: limits
            .backlog_bytes
            .or(has_default_backlog.then_some(BACKLOG_BYTES)),
        ..limits
    })
}

/// The first setting that only an inspected socket can follow, and why.
fn needs_inspection(
    limits: &RelayLimits,
    counting: &Counting,
    reads_messages: bool,
) -> Option<(&'static Setting, &'static str)> {
    const NO_LIMIT: &str = "sockets that pass through natively can't be limited";
    const NO_HEARTBEAT: &str = "the gate can send nothing to sockets that pass through natively";
    const NO_END: &str = "the gate does not see when a socket that passes through natively ends";
    const NO_MESSAGE: &str =
        "the first message of a socket that passes through natively can't be read";
    let rows = [
        (&MAX_MESSAGE_BYTES, limits.message_bytes.is_some(), NO_LIMIT),
        (&MESSAGE_RATE, limits.message_rate.is_some(), NO_LIMIT),
        (&IDLE_TIMEOUT, limits.idle.is_some(), NO_LIMIT),
        (&HEARTBEAT, limits.heartbeat.is_some(), NO_HEARTBEAT),
        (&MAX_LIFETIME, limits.lifetime.is_some(), NO_LIMIT),
        (&CLOSE_ON_EXPIRY, limits.closes_on_expiry, NO_LIMIT),
        (&MAX_BACKLOG_BYTES, limits.backlog_bytes.is_some(), NO_LIMIT),
        (
            &MAX_SOCKETS_IP,
            counting.address.max_sockets.is_some(),
            NO_END,
        ),
        (
            &MAX_SOCKETS_USER,
            counting.user.max_sockets.is_some(),
            NO_END,
        ),
        (&TOKEN_SOURCES, reads_messages, NO_MESSAGE),
    ];
    let mut needed = rows.into_iter().filter(|(_, needs, _)| *needs);
    needed.next().map(|(setting, _, why)| (setting, why))
}

fn byte_count(text: &str) -> Result<u32, String> {
    values::whole_number::<u32>(text)
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{text:?} is not a number of bytes; write one like \"65536\""))
}

fn message_bytes(text: &str) -> Result<u32, String> {
    let count = byte_count(text)?;
    if count > relay::MAX_MESSAGE_BYTES {
        return Err(format!(
            "{text:?} is more than the platform passes on; write {} or less",
            relay::MAX_MESSAGE_BYTES
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
