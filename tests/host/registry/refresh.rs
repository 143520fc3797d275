//! Which live sockets a newer token keeps open.

use portcullis::registry::{
    Denial, DenialKind, DenialReason, DenialTarget, DeniedBy, RefreshScope, RegistryKey,
    RegistryRequest, RegistryResponse, SocketEntry, session_key, subject_key,
};
use portcullis::token::{Identity, TokenDigest};

use crate::common::registry::{
    ALICE, Object, Sqlite, after, crowd, deny, entry, identity, jti, socket,
};
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
        scope: RefreshScope::Session(session_key(&identity).expect("a session")),
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
    let by = |end, target: DenialTarget| RegistryResponse::Refused {
        end,
        by: Some(DeniedBy {
            id: target.id(),
            about: target.key.kind().to_owned(),
            until: after(1000),
        }),
    };
    let revoked = DenialTarget {
        kind: DenialKind::Revoke,
        key: jti("t9"),
    };
    let banned = DenialTarget {
        kind: DenialKind::Ban,
        key: address.clone(),
    };
    assert_rows([
        (
            "revoked",
            refused(DenialKind::Revoke, jti("t9")),
            by(DenialReason::Revoked, revoked),
        ),
        (
            "its address is banned",
            refused(DenialKind::Ban, address),
            by(DenialReason::Banned, banned),
        ),
        (
            "disconnected",
            refused(DenialKind::Disconnect, RegistryKey::socket("first")),
            RegistryResponse::Extended { sockets: 0 },
        ),
    ]);
}

/// A socket of Alice's that this token without a session opened.
fn device(id: &str, token: &str) -> SocketEntry {
    let mut entry = socket(id, &[(r#","sid":"s1""#, "")]);
    entry.socket.token = Some(TokenDigest::of(token));
    entry
}

/// Shows the previous token and a newer one that is accepted for so many seconds.
fn refresh_device(previous: &str, newer: &str, lasts: u64) -> RegistryRequest {
    let identity = Identity {
        expires: NOW + seconds(lasts),
        ..identity(&ALICE.replace(r#","sid":"s1""#, ""))
    };
    let mut entry = entry("203.0.113.5", Some(&identity));
    entry.socket.token = Some(TokenDigest::of(newer));
    RegistryRequest::Extend {
        subject: subject_key(&identity).expect("a subject"),
        scope: RefreshScope::Token(TokenDigest::of(previous)),
        entry,
    }
}

#[test]
fn without_a_session_a_refresh_moves_only_the_sockets_of_the_previous_token() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    for entry in [
        device("phone", "p1"),
        device("laptop", "l1"),
        device("tablet", "p1"),
    ] {
        object.open(&entry, false, NOW);
    }
    let mut moved = |previous, newer, lasts| {
        let response = object.ask(&refresh_device(previous, newer, lasts), NOW);
        let RegistryResponse::Extended { sockets } = response else {
            panic!("{response:?}");
        };
        let until = Some(NOW + seconds(lasts));
        let live = object.live.iter();
        let moved = live.filter(|live| live.entry.socket.expires == until);
        let ids: Vec<_> = moved.map(|live| live.entry.socket.id.as_str()).collect();
        (sockets, ids.join(" "))
    };
    let expected = |sockets, ids: &str| (sockets, ids.to_owned());
    assert_rows([
        (
            "the token that opened them",
            moved("p1", "p2", 70),
            expected(2, "phone tablet"),
        ),
        (
            "the token that moved them last",
            moved("p2", "p3", 71),
            expected(2, "phone tablet"),
        ),
        ("one in between", moved("p2", "p4", 72), expected(0, "")),
        (
            "the first again",
            moved("p1", "p4", 73),
            expected(2, "phone tablet"),
        ),
        (
            "another device's",
            moved("l1", "l2", 74),
            expected(1, "laptop"),
        ),
        ("an unknown one", moved("x", "x2", 75), expected(0, "")),
        ("the same one", moved("l2", "l2", 76), expected(1, "laptop")),
    ]);
}

#[test]
fn another_subjects_token_moves_nothing_of_hers() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    object.open(&device("phone", "p1"), false, NOW);
    let RegistryRequest::Extend { scope, .. } = refresh_device("p1", "x", 90) else {
        unreachable!("a refresh")
    };
    let identity = Identity {
        expires: NOW + seconds(90),
        ..identity(&ALICE.replace("alice", "mallory"))
    };
    let request = RegistryRequest::Extend {
        subject: subject_key(&identity).expect("a subject"),
        scope,
        entry: entry("203.0.113.5", Some(&identity)),
    };
    let nothing = RegistryResponse::Extended { sockets: 0 };
    assert_eq!(object.ask(&request, NOW), nothing);
}
