//! The registry at an upgrade: when it is asked, and what its answers do.

use portcullis::registry::{DenialReason, RegistryResponse};

use crate::common::assert_rows;
use crate::common::scripted::{ADMIN, Part, Scripted, upgrade};

const ALICE: &str = r#""sub":"alice""#;

#[test]
fn the_registry_is_asked_only_where_something_depends_on_it() {
    let asked = |vars: &[(&str, &str)]| {
        let gate = Scripted::with(vars);
        assert_eq!(gate.knock(&upgrade(ALICE)).what, "socket");
        let registered = gate.registered.take();
        registered
            .first()
            .map(|registration| registration.with_channel)
    };
    let rows = [
        ("by default", asked(&[]), None),
        (
            "with administrators",
            asked(&[("ADMIN_TOKEN", ADMIN)]),
            Some(false),
        ),
        (
            "with sockets that expire",
            asked(&[("CLOSE_ON_EXPIRY", "true")]),
            Some(true),
        ),
        (
            "with both",
            asked(&[("ADMIN_TOKEN", ADMIN), ("RELAY", "inspect")]),
            Some(true),
        ),
        (
            "without tokens",
            asked(&[("CLOSE_ON_EXPIRY", "true"), ("AUTH", "optional")]),
            Some(true),
        ),
    ];
    assert_rows(rows);
}

#[test]
fn what_is_revoked_or_banned_is_recorded_at_the_registry() {
    let with = |end| {
        let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN), ("RELAY", "inspect")]);
        gate.registry
            .borrow_mut()
            .push_back(RegistryResponse::Refused { end });
        let line = gate.knock(&upgrade(ALICE)).line();
        assert_eq!(gate.open_channels(), 0, "{line}");
        line
    };
    let banned = "banned at registry: banned by an administrator";
    let rows = [
        (
            "a revoked token",
            DenialReason::Revoked,
            "revoked at registry: the registry's answer",
        ),
        ("a banned user", DenialReason::Banned, banned),
        (
            "one that was disconnected",
            DenialReason::Disconnected,
            banned,
        ),
    ];
    assert_rows(rows.map(|(name, end, expected)| (name, with(end), expected.to_owned())));
}

#[test]
fn a_socket_holds_its_registration_and_the_server_is_asked_last() {
    let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN), ("MAX_SOCKETS_USER", "2")]);
    gate.knock(&upgrade(ALICE));
    assert_eq!(
        gate.take_asked(),
        [
            "address: admit",
            "user: open",
            "registry: register",
            "server"
        ]
    );
    // The test lets go of the socket at once.
    assert_eq!(gate.open_channels(), 0);
}

#[test]
fn an_answer_that_makes_no_sense_is_none() {
    let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN)]);
    gate.registry.borrow_mut().push_back(RegistryResponse::Full);
    assert_eq!(
        gate.knock(&upgrade(ALICE)).line(),
        "limiter_unavailable at registry: the registry answered Full"
    );
    gate.break_down(Part::Registry);
    let other_key = upgrade(ALICE).with("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(
        gate.knock(&other_key).line(),
        "limiter_unavailable at registry: down"
    );
}
