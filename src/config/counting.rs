//! `RATE_LIMIT_IP`, `RATE_LIMIT_USER`, `RATE_LIMIT_ROUTE`, `KEY_REPLAY_WINDOW`, `BAN_AFTER` and how to count.

use std::time::Duration;

use super::reader::Reader;
use super::values;
use crate::client::Ipv6Prefix;
use crate::ledger::{BanTerms, Quota, Terms};
use crate::time::millis;
use crate::token::Authentication;

/// The Durable Object binding that counts attempts of addresses and admissions of users.
pub const LEDGER_BINDING: &str = "LEDGER";

/// The Durable Object binding that counts admissions of routes.
pub const ROUTE_QUOTA_BINDING: &str = "ROUTE_QUOTA";

/// What becomes of an attempt that can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLimiterFailure {
    Reject,
    Admit,
}

/// How attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    pub address: Counted,
    pub user: Counted,
    /// Admissions of each route, all clients together.
    pub route: Option<Quota>,
    pub ipv6_prefix: Ipv6Prefix,
    pub on_failure: OnLimiterFailure,
    /// After this long a counter counts as unable to answer.
    pub timeout: Duration,
}

/// How the attempts of a party are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    pub terms: Terms,
    /// The path of the route that counts apart, since it has a limit of its own; empty for what
    /// counts together.
    pub group: String,
}

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
    let address = Terms {
        quota,
        replay_window: reader.or(
            "KEY_REPLAY_WINDOW",
            Some(Duration::from_secs(60)),
            values::or_off(values::positive_duration),
        ),
        ban: read_ban(reader, quota),
    };
    let user = Terms {
        quota: reader.or("RATE_LIMIT_USER", None, values::or_off(values::quota)),
        ..Terms::default()
    };
    if user.quota.is_some() && matches!(authentication, Some(None)) {
        reader.error(
            "RATE_LIMIT_USER",
            "AUTH is off, so there are no users to count; write \"off\", or set AUTH to required",
        );
    }
    let route = reader.or("RATE_LIMIT_ROUTE", None, values::or_off(values::quota));
    if route.is_some() && !reader.settings.bindings.contains(ROUTE_QUOTA_BINDING) {
        reader.error(
            ROUTE_QUOTA_BINDING,
            "the Durable Object binding is missing, and RATE_LIMIT_ROUTE counts there; bind it to \
             the class RouteQuota as the project's wrangler.toml does",
        );
    }
    let is_needed = address.need_a_ledger() || user.need_a_ledger();
    if is_needed && !reader.settings.bindings.contains(LEDGER_BINDING) {
        reader.error(
            LEDGER_BINDING,
            "the Durable Object binding is missing, and RATE_LIMIT_IP, RATE_LIMIT_USER, BAN_AFTER \
             and KEY_REPLAY_WINDOW count there; bind it to the class Ledger as the project's \
             wrangler.toml does",
        );
    }
    let ungrouped = |terms| Counted {
        terms,
        ..Counted::default()
    };
    Counting {
        address: ungrouped(address),
        user: ungrouped(user),
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
            values::positive_duration,
        ),
    }
}

/// A ban that the quota of attempts keeps everybody from would look like protection.
fn read_ban(reader: &mut Reader<'_>, attempts: Option<Quota>) -> Option<BanTerms> {
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
