//! Which live sockets a newer token keeps open.

use portcullis::registry::{
    Denial, DenialKind, DenialReason, RegistryKey, RegistryRequest, RegistryResponse, session_key,
    subject_key,
};
use portcullis::token::Identity;

use crate::common::registry::{ALICE, Sqlite, after, crowd, deny, entry, identity, jti};
use crate::common::{NOW, assert_rows, seconds};

/// A request to refresh by a token of Alice's with these claims over hers.
fn refresh(claims: &[(&str, &str)], realm: &str) -> RegistryRequest {
    let mut json = ALICE.replace("t1", "t9");
    for (from, to) in claims {
        json = json.replace(from, to);
    }
    let identity = Identity {
        expires: NOW + seconds(90),
        ..identity(&json)
    };
    let mut newer = entry("203.0.113.5", Some(&identity));
    newer.socket.realm = realm.into();
    RegistryRequest::Extend {
        subject: subject_key(&identity).expect("a subject"),
        session: session_key(&identity),
        entry: newer,
    }
}

#[test]
fn a_refresh_moves_the_sockets_of_its_session_under_equal_rules() {
    let moved = |claims: &[(&str, &str)], realm| {
        let database = Sqlite::default();
        let mut object = crowd(&database);
        let response = object.ask(&refresh(claims, realm), NOW);
        let moved = object.live.iter().filter(|live| {
            assert_eq!(
                live.messages.is_empty(),
                live.entry.socket.expires != Some(NOW + seconds(90))
            );
            !live.messages.is_empty()
        });
        let ids: Vec<_> = moved.map(|live| live.entry.socket.id.as_str()).collect();
        (response, ids.join(" "))
    };
    let extended = |sockets, ids: &str| (RegistryResponse::Extended { sockets }, ids.to_owned());
    assert_rows([
        ("a session", moved(&[], "realm"), extended(1, "first")),
        (
            "another session",
            moved(&[("s1", "s2")], "realm"),
            extended(1, "second"),
        ),
        ("other rules", moved(&[], "other"), extended(0, "")),
        (
            "another issuer",
            moved(&[("https://id", "https://other")], "realm"),
            extended(0, ""),
        ),
        (
            "another subject's session",
            moved(&[("alice", "bob")], "realm"),
            extended(0, ""),
        ),
    ]);
}

#[test]
fn a_socket_that_lives_longer_counts_as_refreshed_and_is_not_touched() {
    let database = Sqlite::default();
    let mut object = crowd(&database);
    object.live[0].entry.socket.expires = Some(NOW + seconds(91));
    let response = object.ask(&refresh(&[], "realm"), NOW);
    assert_eq!(response, RegistryResponse::Extended { sockets: 1 });
    assert_eq!(object.effects, []);
}

#[test]
fn a_refresh_by_a_denied_token_moves_nothing() {
    let refused = |kind, key| {
        let database = Sqlite::default();
        let mut object = crowd(&database);
        let denial = Denial {
            before: after(1),
            until: after(1000),
        };
        object.ask(&deny(kind, key, denial), NOW);
        object.ask(&refresh(&[], "realm"), NOW)
    };
    let address = entry("203.0.113.5", None).keys[1].clone();
    let by = |end| RegistryResponse::Refused { end };
    assert_rows([
        (
            "revoked",
            refused(DenialKind::Revoke, jti("t9")),
            by(DenialReason::Revoked),
        ),
        (
            "its address is banned",
            refused(DenialKind::Ban, address),
            by(DenialReason::Banned),
        ),
        (
            "disconnected",
            refused(DenialKind::Disconnect, RegistryKey::socket("first")),
            RegistryResponse::Extended { sockets: 0 },
        ),
    ]);
}
