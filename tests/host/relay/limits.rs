//! The limits of a live socket, and how it ends.

use portcullis::limits::quota::Quota;
use portcullis::relay::{CloseReason, Closed, RelayLimits, Traffic};
use portcullis::util::time::Timestamp;

use crate::common::{NOW, assert_rows, ms, seconds};

#[test]
fn the_terms_of_a_socket_are_unchanged() {
    let table = r#""codes":{"backlog":1013,"client_closed":null,"client_gone":1001,"disconnected":4403,"idle":4408,"lifetime":4408,"limiter_unavailable":1013,"message_rate":1008,"message_too_big":1009,"replaced":4408,"revoked":4401,"token_expired":4401,"unresponsive":4408,"upstream_closed":null,"upstream_gone":1014}"#;
    let all = RelayLimits {
        message_bytes: Some(65_536),
        message_rate: Quota::new(20, ms(500)),
        idle: Some(seconds(60)),
        heartbeat: Some(seconds(20)),
        lifetime: Some(seconds(3600)),
        closes_on_expiry: true,
        backlog_bytes: Some(1 << 20),
    };
    assert_rows([
        (
            "no limits",
            RelayLimits::default()
                .for_socket(Some(NOW), true, NOW)
                .to_json(),
            format!(
                r#"{{"backlogBytes":null,"closeWait":10000,{table},"expires":null,"heartbeat":null,"idle":null,"lifetimeEnds":null,"messageBytes":null,"messageOverhead":128,"messageRate":null,"passable":[[1000,1003],[1007,1014],[3000,4999]],"reports":false}}"#
            ),
        ),
        (
            "all limits",
            all.for_socket(Some(NOW + seconds(5)), true, NOW).to_json(),
            format!(
                r#"{{"backlogBytes":1048576,"closeWait":10000,{table},"expires":1800000005000,"heartbeat":{{"every":20000,"text":"portcullis.heartbeat"}},"idle":60000,"lifetimeEnds":1800003600000,"messageBytes":65536,"messageOverhead":128,"messageRate":[20,500],"passable":[[1000,1003],[1007,1014],[3000,4999]],"reports":false}}"#
            ),
        ),
    ]);
}

#[test]
fn a_socket_expires_only_with_a_token_and_where_that_is_asked_for() {
    let expires = |closes_on_expiry, accepted_until: Option<Timestamp>| {
        let limits = RelayLimits {
            closes_on_expiry,
            ..RelayLimits::default()
        };
        let limits = limits.for_socket(accepted_until, false, NOW).to_json();
        let limits: serde_json::Value = serde_json::from_str(&limits).unwrap();
        limits["expires"].as_u64()
    };
    let end = NOW + seconds(1);
    assert_rows([
        ("asked for", expires(true, Some(end)), Some(end.0)),
        ("nobody's", expires(true, None), None),
        ("not asked for", expires(false, Some(end)), None),
    ]);
}

#[test]
fn every_end_has_the_contracts_code() {
    let rows = [
        ("token_expired", Some(4401)),
        ("revoked", Some(4401)),
        ("disconnected", Some(4403)),
        ("message_rate", Some(1008)),
        ("message_too_big", Some(1009)),
        ("backlog", Some(1013)),
        ("idle", Some(4408)),
        ("unresponsive", Some(4408)),
        ("lifetime", Some(4408)),
        ("replaced", Some(4408)),
        ("limiter_unavailable", Some(1013)),
        ("upstream_gone", Some(1014)),
        ("upstream_closed", None),
        ("client_gone", Some(1001)),
        ("client_closed", None),
    ];
    assert_eq!(rows.len(), CloseReason::ALL.len());
    assert_rows(rows.map(|(name, code)| {
        let end = CloseReason::from_name(name).map(CloseReason::code);
        (name, end, Some(code))
    }));
    assert_eq!(CloseReason::from_name("unheard_of"), None);
}

#[test]
fn the_relays_json_is_read() {
    let json = r#"{"reason":"idle","code":4408,"client":{"messages":1,"bytes":2},"upstream":{"messages":3,"bytes":4},"duration":5}"#;
    let closed = Closed {
        reason: "idle".into(),
        cause: None,
        code: 4408,
        client: Traffic {
            messages: 1,
            bytes: 2,
        },
        upstream: Traffic {
            messages: 3,
            bytes: 4,
        },
        duration: 5,
    };
    assert_eq!(Closed::from_json(json), Some(closed));
    assert_eq!(Closed::from_json("{}"), None);
}
