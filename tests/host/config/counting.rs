//! `RATE_LIMIT_USER`, `BAN_AFTER` and `IPV6_PREFIX`, and what they contradict.

use portcullis::limits::quota::{BanRule, Quota};
use portcullis::policy::{Counting, LEDGER_BINDING, Site};
use portcullis::request::address::Ipv6Prefix;
use serde_json::json;

use super::with_routes;
use crate::common::{assert_rows, errors_with, minimal_with, ms, read, seconds, strings};

fn counting(vars: &[(&str, &str)]) -> Counting {
    read(&minimal_with(vars)).expect("sound").counting
}

fn errors(vars: &[(&str, &str)]) -> Vec<String> {
    read(&minimal_with(vars)).err().unwrap_or_default()
}

#[test]
fn good_values_are_taken() {
    let user = |value| counting(&[("RATE_LIMIT_USER", value)]).user.limits.quota;
    assert_rows([
        ("quota", user("5/10s"), Quota::new(5, seconds(10))),
        ("off", user("off"), None),
    ]);
    let ban = |value| counting(&[("BAN_AFTER", value)]).address.limits.ban;
    let limits = |count, window, length| {
        Quota::new(count, window).map(|failures| BanRule { failures, length })
    };
    assert_rows([
        (
            "20/1m for 1h",
            ban("20/1m for 1h"),
            limits(20, seconds(60), seconds(3600)),
        ),
        (
            "1/1ms for 1ms",
            ban("1/1ms for 1ms"),
            limits(1, ms(1), ms(1)),
        ),
        (
            "more white space",
            ban("20/1m  for  7d"),
            limits(20, seconds(60), seconds(7 * 86_400)),
        ),
        (
            "as many as there are attempts",
            ban("60/1m for 1m"),
            limits(60, seconds(60), seconds(60)),
        ),
        (
            "in two windows",
            ban("120/61s for 1m"),
            limits(120, seconds(61), seconds(60)),
        ),
        ("off", ban("off"), None),
    ]);
    let sockets = |name| {
        let Counting { address, user, .. } = counting(&[(name, "4096")]);
        [address.max_sockets, user.max_sockets]
    };
    assert_rows([
        ("address", sockets("MAX_SOCKETS_IP"), [Some(4096), None]),
        ("user", sockets("MAX_SOCKETS_USER"), [None, Some(4096)]),
        ("none", sockets("MINE"), [None, None]),
    ]);
    let prefix = |value| counting(&[("IPV6_PREFIX", value)]).ipv6_prefix;
    assert_rows([
        ("32", prefix("32"), Ipv6Prefix::new(32).expect("sound")),
        ("128", prefix("128"), Ipv6Prefix::new(128).expect("sound")),
    ]);
}

#[test]
fn bad_values_are_errors() {
    let sockets = "is not a number from 1 to 4096; write one like \"10\", or \"off\"";
    let quota = "is not a quota; write one like \"60/1m\"";
    let rows = [
        ("RATE_LIMIT_USER", "5", format!("\"5\" {quota}, or \"off\"")),
        ("MAX_SOCKETS_IP", "0", format!("\"0\" {sockets}")),
        ("MAX_SOCKETS_IP", "4097", format!("\"4097\" {sockets}")),
        ("MAX_SOCKETS_USER", "+5", format!("\"+5\" {sockets}")),
        ("MAX_SOCKETS_USER", "5/1m", format!("\"5/1m\" {sockets}")),
        (
            "BAN_AFTER",
            "20/1m",
            "\"20/1m\" is not a ban; write one like \"20/1m for 1h\", or \"off\"".into(),
        ),
        (
            "BAN_AFTER",
            "20 for 1h",
            format!("\"20\" {quota}, or \"off\""),
        ),
        (
            "BAN_AFTER",
            "20/1m for 1",
            "\"1\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\", or \"off\""
                .into(),
        ),
        (
            "BAN_AFTER",
            "20/1m for 0s",
            "\"0s\" must be longer than zero; write one like \"30s\", or \"off\"".into(),
        ),
        (
            "BAN_AFTER",
            "1001/1d for 1h",
            "\"1001/1d for 1h\" counts more refused attempts than the 1000 that are remembered; \
             write a smaller count, or \"off\""
                .into(),
        ),
        (
            "BAN_AFTER",
            "61/1m for 1h",
            "RATE_LIMIT_IP lets 60 attempts through in that time, so no address can reach 61 \
             refused ones; write a smaller count or a longer time"
                .into(),
        ),
    ];
    assert_rows(rows.map(|(setting, value, problem)| {
        (
            value,
            errors_with(setting, value),
            vec![format!("{setting}: {problem}")],
        )
    }));
    let prefixes = [
        "31",
        "129",
        "-64",
        "+64",
        "64.0",
        "/64",
        "x",
        "340282366920938463463",
    ];
    assert_rows(prefixes.map(|value| {
        let problem = "is not a number from 32 to 128; write one like \"56\"";
        let expected = vec![format!("IPV6_PREFIX: {value:?} {problem}")];
        (value, errors_with("IPV6_PREFIX", value), expected)
    }));
}

#[test]
fn without_users_none_can_be_counted() {
    let contradiction = strings(&[
        "RATE_LIMIT_USER: AUTH is off, so there are no users to count; write \"off\", or set AUTH \
         to required",
    ]);
    let with_auth = |auth, quota| {
        let mut settings = minimal_with(&[("AUTH", auth), ("RATE_LIMIT_USER", quota)]);
        if auth == "off" {
            settings.vars.remove("JWT_SECRET");
        }
        read(&settings).err().unwrap_or_default()
    };
    assert_rows([
        ("off", with_auth("off", "5/1m"), contradiction),
        ("off and off", with_auth("off", "off"), vec![]),
        ("optional", with_auth("optional", "5/1m"), vec![]),
    ]);
    let mut settings = minimal_with(&[("AUTH", "off"), ("MAX_SOCKETS_USER", "5")]);
    settings.vars.remove("JWT_SECRET");
    let told = strings(&[
        "MAX_SOCKETS_USER: AUTH is off, so there are no users to count; write \"off\", or set \
         AUTH to required",
    ]);
    assert_eq!(read(&settings).err(), Some(told));
}

#[test]
fn the_ledgers_binding_is_needed_only_where_something_is_counted() {
    let errors = |vars: &[(&str, &str)]| {
        let mut settings = minimal_with(vars);
        settings.bindings.remove(LEDGER_BINDING);
        read(&settings).err().unwrap_or_default()
    };
    let with = |name, value| [NEITHER[0], NEITHER[1], (name, value)];
    let missing = strings(&[
        "LEDGER: the Durable Object binding is missing, and RATE_LIMIT_IP, \
         RATE_LIMIT_USER, MAX_SOCKETS_IP, MAX_SOCKETS_USER, BAN_AFTER and KEY_REPLAY_WINDOW count \
         there; bind it to the class Ledger as the project's wrangler.toml does",
    ]);
    assert_rows([
        ("both", errors(&[]), missing.clone()),
        (
            "only keys",
            errors(&[("RATE_LIMIT_IP", "off")]),
            missing.clone(),
        ),
        (
            "only attempts",
            errors(&[("KEY_REPLAY_WINDOW", "off")]),
            missing.clone(),
        ),
        ("neither", errors(&NEITHER), vec![]),
        (
            "users",
            errors(&with("RATE_LIMIT_USER", "5/1m")),
            missing.clone(),
        ),
        (
            "sockets of addresses",
            errors(&with("MAX_SOCKETS_IP", "5")),
            missing.clone(),
        ),
        (
            "sockets of users",
            errors(&with("MAX_SOCKETS_USER", "5")),
            missing.clone(),
        ),
        ("bans", errors(&with("BAN_AFTER", "5/1m for 1m")), missing),
        ("a prefix", errors(&with("IPV6_PREFIX", "56")), vec![]),
    ]);
}

const NEITHER: [(&str, &str); 2] = [("RATE_LIMIT_IP", "off"), ("KEY_REPLAY_WINDOW", "off")];

#[test]
fn a_route_may_have_them_and_turn_them_off() {
    let settings = minimal_with(&[("RATE_LIMIT_USER", "5/1m"), ("BAN_AFTER", "9/1m for 1h")]);
    let routes = json!([
        {"path": "/a"},
        {"path": "/b", "rate_limit_user": "off", "ban_after": "off", "ipv6_prefix": "48"},
        {"path": "/c", "auth": "off", "rate_limit_user": "off"},
    ]);
    let site = Site::read(&with_routes(settings, routes)).expect("sound");
    let rows: Vec<_> = site
        .routes
        .iter()
        .map(|route| {
            let Counting {
                address,
                user,
                ipv6_prefix,
                ..
            } = &route.policy.counting;
            let prefix = *ipv6_prefix == Ipv6Prefix::default();
            (
                user.limits.quota.is_some(),
                address.limits.ban.is_some(),
                prefix,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (true, true, true),
            (false, false, false),
            (false, true, true)
        ]
    );
    assert!(errors(&[("BAN_AFTER", "9/1m for 1h"), ("RATE_LIMIT_IP", "off")]).is_empty());
}
