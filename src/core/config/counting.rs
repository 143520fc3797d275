//! `RATE_LIMIT_IP`, `RATE_LIMIT_USER`, `RATE_LIMIT_ROUTE`, `MAX_SOCKETS_IP`, `MAX_SOCKETS_USER`,
//! `KEY_REPLAY_WINDOW`, `BAN_AFTER` and how to count.

use std::time::Duration;

use super::reader::Reader;
use super::values;
use crate::limits::quota::{BanRule, Limits, Quota};
use crate::policy::{Counting, LEDGER_BINDING, OnLimiterFailure, ROUTE_QUOTA_BINDING, ScopeLimits};
use crate::request::address::Ipv6Prefix;
use crate::token::Authentication;
use crate::util::duration;
use crate::util::time::millis;

/// `authentication`: `Some(None)` where it is off; `None` where it is unknown.
pub(super) fn read(
    reader: &mut Reader<'_>,
    authentication: Option<&Option<Authentication>>,
) -> Counting {
    let quota = reader.or(
        "RATE_LIMIT_IP",
        values::quota("60/1m").ok(),
        values::or_off(values::quota),
    );
    let address = Limits {
        quota,
        replay_window: reader.or(
            "KEY_REPLAY_WINDOW",
            Some(Duration::from_secs(60)),
            values::or_off(duration::positive_duration),
        ),
        ban: read_ban(reader, quota),
    };
    let user = Limits {
        quota: reader.or("RATE_LIMIT_USER", None, values::or_off(values::quota)),
        ..Limits::default()
    };
    let mut counted = |limits, name| ScopeLimits {
        limits,
        group: String::new(),
        max_sockets: reader.or(name, None, values::or_off(values::socket_count)),
    };
    let address = counted(address, "MAX_SOCKETS_IP");
    let user = counted(user, "MAX_SOCKETS_USER");
    for (name, is_set) in [
        ("RATE_LIMIT_USER", user.limits.quota.is_some()),
        ("MAX_SOCKETS_USER", user.max_sockets.is_some()),
    ] {
        if is_set && matches!(authentication, Some(None)) {
            reader.error(
                name,
                "AUTH is off, so there are no users to count; write \"off\", or set AUTH to \
                 required",
            );
        }
    }
    let route = reader.or("RATE_LIMIT_ROUTE", None, values::or_off(values::quota));
    if route.is_some() {
        let why = "RATE_LIMIT_ROUTE counts there";
        reader.require_object(ROUTE_QUOTA_BINDING, "RouteQuota", why);
    }
    if address.needs_a_ledger() || user.needs_a_ledger() {
        let why = "RATE_LIMIT_IP, RATE_LIMIT_USER, MAX_SOCKETS_IP, MAX_SOCKETS_USER, BAN_AFTER \
                   and KEY_REPLAY_WINDOW count there";
        reader.require_object(LEDGER_BINDING, "Ledger", why);
    }
    Counting {
        address,
        user,
        route,
        ipv6_prefix: reader.or("IPV6_PREFIX", Ipv6Prefix::default(), values::ipv6_prefix),
        on_failure: reader.or("ON_LIMITER_FAILURE", OnLimiterFailure::Reject, |text| {
            values::one_of(
                text,
                &[
                    ("reject", OnLimiterFailure::Reject),
                    ("admit", OnLimiterFailure::Admit),
                ],
            )
        }),
        timeout: reader.or(
            "LIMITER_TIMEOUT",
            Duration::from_secs(2),
            duration::positive_duration,
        ),
    }
}

/// A ban that the quota of attempts keeps everybody from would look like protection.
fn read_ban(reader: &mut Reader<'_>, attempts: Option<Quota>) -> Option<BanRule> {
    let ban = reader.or("BAN_AFTER", None, values::or_off(values::ban))?;
    if let Some(attempts) = attempts {
        let windows = millis(ban.failures.window()).div_ceil(millis(attempts.window()));
        let most = windows.saturating_mul(attempts.count().into());
        if most < ban.failures.count().into() {
            let wanted = ban.failures.count();
            reader.error(
                "BAN_AFTER",
                format!(
                    "RATE_LIMIT_IP lets {most} attempts through in that time, so that no address \
                     comes to {wanted} refused ones; write a smaller count or a longer time"
                ),
            );
        }
    }
    Some(ban)
}
