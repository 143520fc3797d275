//! The registry at an upgrade: when it is asked, and what its answers do.

use portcullis::registry::{DenialReason, RegistryResponse};

use crate::common::scripted::{ADMIN, Part, Scripted, upgrade};
use crate::common::{Ask, NOW, assert_rows, seconds};

const ALICE: &str = r#""sub":"alice""#;

#[test]
fn the_registry_is_asked_about_upgrades_and_registers_sockets_that_it_may_end() {
    let asked = |vars: &[(&str, &str)]| {
        let gate = Scripted::with(vars);
        assert_eq!(gate.knock(&upgrade(ALICE)).what, "socket");
        let registered = gate.registered.take();
        registered
            .first()
            .map(|registration| registration.with_channel)
    };
    let rows = [
        ("by default", asked(&[]), Some(false)),
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
            .push_back(RegistryResponse::Refused { end, by: None });
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

/// A gate without administrators; its registry answers so the first time.
fn unadministered(denials_exist: bool) -> Scripted {
    let gate = Scripted::with(&[]);
    gate.registry
        .borrow_mut()
        .push_back(RegistryResponse::Admitted { denials_exist });
    gate
}

/// Another upgrade of Alice's: no key is admitted twice.
fn again(key: &str) -> Ask {
    upgrade(ALICE).with(
        "sec-websocket-key",
        &format!("{key}AAAAAAAAAAAAAAAAAAAAA=="),
    )
}

#[test]
fn without_administrators_a_registry_without_denials_is_asked_once_a_minute() {
    let gate = unadministered(false);
    let asked = |key, after| {
        gate.now.set(NOW + seconds(after));
        assert_eq!(gate.knock(&again(key)).what, "socket");
        gate.registered.take().len()
    };
    assert_rows([
        ("the first", asked("A", 0), 1),
        ("at once", asked("B", 0), 0),
        ("within a minute", asked("C", 59), 0),
        ("after a minute", asked("D", 60), 1),
        ("and at once", asked("E", 60), 0),
    ]);
}

#[test]
fn without_administrators_upgrades_are_judged_while_denials_exist() {
    let gate = unadministered(true);
    let exist = RegistryResponse::Admitted {
        denials_exist: true,
    };
    let refused = RegistryResponse::Refused {
        end: DenialReason::Revoked,
        by: None,
    };
    gate.registry.borrow_mut().extend([exist, refused]);
    let knock = |key| gate.knock(&again(key)).line();
    let revoked = "revoked at registry: the registry's answer";
    let rows = [
        ("the first", knock("A"), "socket at forward"),
        ("the second", knock("B"), "socket at forward"),
        ("a revoked one", knock("C"), revoked),
        ("once none exist", knock("D"), "socket at forward"),
    ];
    assert_rows(rows.map(|(name, actual, expected)| (name, actual, expected.to_owned())));
    assert_eq!(gate.registered.take().len(), 4);
    knock("E");
    assert_eq!(gate.registered.take().len(), 0);
}

#[test]
fn each_object_says_for_itself_that_it_stores_no_denial() {
    let gate = Scripted::with(&[]);
    let asked = |claims: &str, key| {
        gate.knock(&upgrade(claims).with("sec-websocket-key", key));
        gate.registered.take().len()
    };
    let keys = [
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "BAAAAAAAAAAAAAAAAAAAAA==",
        "CAAAAAAAAAAAAAAAAAAAAA==",
    ];
    assert_eq!(asked(ALICE, keys[0]), 1);
    // Bob's sockets are in another object.
    assert_eq!(asked(r#""sub":"bob""#, keys[1]), 1);
    assert_eq!(asked(ALICE, keys[2]), 0);
}

#[test]
fn without_administrators_a_registry_that_fails_is_not_taken_for_one_without_denials() {
    let gate = Scripted::with(&[]);
    gate.break_down(Part::Registry);
    for key in ["A", "B"] {
        let line = gate.knock(&again(key)).line();
        assert_eq!(line, "limiter_unavailable at registry: down");
    }
}

#[test]
fn an_owner_with_too_many_registered_sockets_is_refused_as_such() {
    let line = |claims: Option<&str>| {
        let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN), ("AUTH", "optional")]);
        gate.registry
            .borrow_mut()
            .push_back(RegistryResponse::TooManySockets);
        let ask = upgrade(claims.unwrap_or_default());
        let ask = match claims {
            Some(_) => ask,
            None => ask.without("authorization"),
        };
        gate.knock(&ask).line()
    };
    let cause = |owner: &str| {
        format!(
            "too_many_sockets at registry: the registry holds 4096 live sockets of this {owner}"
        )
    };
    assert_rows([
        ("a subject", line(Some(ALICE)), cause("subject")),
        ("an address", line(None), cause("address")),
    ]);
}
