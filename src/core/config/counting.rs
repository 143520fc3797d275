//! Rate limits, caps of open sockets, bans, and what happens when a counter fails.

use super::reader::Reader;
use super::settings::{
    AUTH, BAN_AFTER, IPV6_PREFIX, KEY_REPLAY_WINDOW, LIMITER_TIMEOUT, MAX_SOCKETS_IP,
    MAX_SOCKETS_USER, ON_FULL, ON_LIMITER_FAILURE, ON_REGISTRY_FAILURE, RATE_LIMIT_IP,
    RATE_LIMIT_ROUTE, RATE_LIMIT_USER,
};
use super::values;
use crate::limits::quota::{BanRule, Limits, Quota};
use crate::policy::{
    Counting, FailurePolicy, LEDGER_BINDING, OnFull, ROUTE_QUOTA_BINDING, ScopeLimits,
};
use crate::util::duration;
use crate::util::time::millis;

pub(super) fn read(reader: &mut Reader<'_>, auth_is_off: bool) -> Counting {
    let quota = reader.or_default(&RATE_LIMIT_IP, values::or_off(values::quota));
    let replay_window = values::or_off(duration::positive_duration);
    let address = Limits {
        quota,
        replay_window: reader.or_default(&KEY_REPLAY_WINDOW, replay_window),
        ban: read_ban(reader, quota),
    };
    let user = Limits {
        quota: reader.or_default(&RATE_LIMIT_USER, values::or_off(values::quota)),
        ..Limits::default()
    };
    let mut counted = |limits, cap| ScopeLimits {
        limits,
        group: String::new(),
        max_sockets: reader.or_default(cap, values::or_off(values::socket_count)),
    };
    let address = counted(address, &MAX_SOCKETS_IP);
    let user = counted(user, &MAX_SOCKETS_USER);
    for (setting, is_set) in [
        (&RATE_LIMIT_USER, user.limits.quota.is_some()),
        (&MAX_SOCKETS_USER, user.max_sockets.is_some()),
    ] {
        if is_set && auth_is_off {
            reader.contradiction(
                setting,
                &[&AUTH],
                "AUTH is off, so there are no users to count; write \"off\", or set AUTH to \
                 required",
            );
        }
    }
    let route = reader.or_default(&RATE_LIMIT_ROUTE, values::or_off(values::quota));
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
        ipv6_prefix: reader.or_default(&IPV6_PREFIX, values::ipv6_prefix),
        on_full: reader.or_default(&ON_FULL, |text| {
            values::one_of(
                text,
                &[
                    ("refuse", OnFull::Refuse),
                    ("close_oldest", OnFull::CloseOldest),
                ],
            )
        }),
        on_failure: reader.or_default(&ON_LIMITER_FAILURE, failure_policy),
        on_registry_failure: reader.or_default(&ON_REGISTRY_FAILURE, failure_policy),
        timeout: reader.or_default(&LIMITER_TIMEOUT, duration::positive_duration),
        is_trial: false,
    }
}

fn failure_policy(text: &str) -> Result<FailurePolicy, String> {
    values::one_of(
        text,
        &[
            ("reject", FailurePolicy::Reject),
            ("admit", FailurePolicy::Admit),
        ],
    )
}

/// A ban that the quota of attempts makes impossible is an error: it would look like protection.
fn read_ban(reader: &mut Reader<'_>, attempts: Option<Quota>) -> Option<BanRule> {
    let ban = reader.or_default(&BAN_AFTER, values::or_off(values::ban))?;
    if let Some(attempts) = attempts {
        let windows = millis(ban.failures.window()).div_ceil(millis(attempts.window()));
        let most = windows.saturating_mul(attempts.count().into());
        if most < ban.failures.count().into() {
            let wanted = ban.failures.count();
            reader.contradiction(
                &BAN_AFTER,
                &[&RATE_LIMIT_IP],
                format!(
                    "RATE_LIMIT_IP lets {most} attempts through in that time, so no address can \
                     reach {wanted} refused ones; write a smaller count or a longer time"
                ),
            );
        }
    }
    Some(ban)
}
