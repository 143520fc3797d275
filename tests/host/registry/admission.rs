//! Which sockets an object admits under which denials.

use portcullis::registry::{
    Claim, Denial, DenialKind, DenialReason, RegistryKey, RegistryRequest, RegistryResponse,
    Socket, SocketEntry, judge,
};
use portcullis::relay::CloseReason;
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use portcullis::util::time::Timestamp;

use crate::common::registry::{Object, Sqlite, after, alice, deny, entry, identity};
use crate::common::{NOW, assert_rows};

/// Whether an object admits a socket that stores just this denial.
fn verdict(
    entry: &SocketEntry,
    kind: DenialKind,
    key: RegistryKey,
    before: Timestamp,
) -> Result<(), DenialReason> {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    let denial = Denial {
        before,
        until: after(1000),
    };
    object.ask(&deny(kind, key, denial), NOW);
    match object.ask(
        &RegistryRequest::Admit {
            entry: entry.clone(),
        },
        NOW,
    ) {
        RegistryResponse::Admitted { .. } => Ok(()),
        RegistryResponse::Refused { end, .. } => Err(end),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_denial_hits_what_it_names_and_nothing_else() {
    let sub = |issuer, value| RegistryKey::claim(Claim::Subject, issuer, value);
    let sid = |issuer, value| RegistryKey::claim(Claim::Session, issuer, value);
    let jti = |issuer, value| RegistryKey::claim(Claim::Token, issuer, value);
    let ip =
        |text| RegistryKey::address(ClientAddress::parse(Some(text)).key(Ipv6Prefix::default()));
    let (id, other) = (Some("https://id"), Some("https://other"));
    let (revoked, banned) = (Err(DenialReason::Revoked), Err(DenialReason::Banned));
    let after_iat = after(1);
    let rows = [
        (
            "the token",
            DenialKind::Revoke,
            jti(None, "t1"),
            after_iat,
            revoked,
        ),
        (
            "another token",
            DenialKind::Revoke,
            jti(None, "t2"),
            after_iat,
            Ok(()),
        ),
        (
            "of its issuer",
            DenialKind::Revoke,
            jti(id, "t1"),
            after_iat,
            revoked,
        ),
        (
            "of another issuer",
            DenialKind::Revoke,
            jti(other, "t1"),
            after_iat,
            Ok(()),
        ),
        (
            "the session",
            DenialKind::Revoke,
            sid(None, "s1"),
            after_iat,
            revoked,
        ),
        (
            "of its issuer",
            DenialKind::Revoke,
            sid(id, "s1"),
            after_iat,
            revoked,
        ),
        (
            "of another",
            DenialKind::Revoke,
            sid(other, "s1"),
            after_iat,
            Ok(()),
        ),
        (
            "the subject",
            DenialKind::Revoke,
            sub(None, "alice"),
            after_iat,
            revoked,
        ),
        (
            "before its token",
            DenialKind::Revoke,
            sub(None, "alice"),
            NOW,
            Ok(()),
        ),
        (
            "of another issuer",
            DenialKind::Revoke,
            sub(other, "alice"),
            after_iat,
            Ok(()),
        ),
        (
            "everything",
            DenialKind::Revoke,
            RegistryKey::all(),
            after_iat,
            revoked,
        ),
        (
            "everything before",
            DenialKind::Revoke,
            RegistryKey::all(),
            NOW,
            Ok(()),
        ),
        (
            "the issuer",
            DenialKind::Revoke,
            RegistryKey::issuer("https://id"),
            after_iat,
            revoked,
        ),
        (
            "another issuer",
            DenialKind::Revoke,
            RegistryKey::issuer("https://other"),
            after_iat,
            Ok(()),
        ),
        (
            "a claim of another kind",
            DenialKind::Revoke,
            sub(None, "t1"),
            after_iat,
            Ok(()),
        ),
        (
            "banned by address",
            DenialKind::Ban,
            ip("192.0.2.7"),
            NOW,
            banned,
        ),
        (
            "another address",
            DenialKind::Ban,
            ip("192.0.2.8"),
            NOW,
            Ok(()),
        ),
        (
            "banned by subject",
            DenialKind::Ban,
            sub(None, "alice"),
            NOW,
            banned,
        ),
        (
            "another subject",
            DenialKind::Ban,
            sub(None, "alic"),
            NOW,
            Ok(()),
        ),
        (
            "a disconnection",
            DenialKind::Disconnect,
            sub(None, "alice"),
            NOW,
            Ok(()),
        ),
    ];
    assert_rows(rows.map(|(name, kind, key, before, expected)| {
        (name, verdict(&alice(), kind, key, before), expected)
    }));
}

#[test]
fn a_token_without_iat_is_revoked_and_a_client_without_a_token_is_not() {
    let all =
        |entry: &SocketEntry| verdict(entry, DenialKind::Revoke, RegistryKey::all(), Timestamp(1));
    let undated = entry("192.0.2.7", Some(&identity(r#"{"sub":"alice"}"#)));
    let odd = entry("192.0.2.7", Some(&identity(r#"{"sub":"alice","iat":"x"}"#)));
    let without = entry("192.0.2.7", None);
    assert_eq!(all(&undated), Err(DenialReason::Revoked));
    assert_eq!(all(&odd), Err(DenialReason::Revoked));
    assert_eq!(all(&alice()), Ok(()));
    assert_eq!(all(&without), Ok(()));
}

#[test]
fn a_denial_that_ended_hits_nothing_and_a_ban_counts_first() {
    let socket = &alice().socket;
    let denial = |until| Denial {
        before: after(1),
        until,
    };
    let over = [
        (DenialKind::Revoke, denial(NOW)),
        (DenialKind::Ban, denial(NOW)),
    ];
    assert_eq!(judge(socket, &over, NOW), Ok(()));
    let both = [
        (DenialKind::Revoke, denial(after(1))),
        (DenialKind::Ban, denial(after(1))),
    ];
    assert_eq!(judge(socket, &both, NOW), Err(DenialReason::Banned));
    // A revocation says more than a disconnection: the client may not come back.
    let both = [
        (DenialKind::Disconnect, denial(after(1))),
        (DenialKind::Revoke, denial(after(1))),
    ];
    assert_eq!(judge(socket, &both, NOW), Err(DenialReason::Revoked));
}

#[test]
fn a_disconnection_hits_only_sockets_that_were_admitted_before() {
    let count = |again| {
        let targets = alice().denial_targets(again);
        targets
            .iter()
            .filter(|target| target.kind == DenialKind::Disconnect)
            .count()
    };
    assert_eq!(count(false), 0);
    assert!(count(true) > 0);
    let denial = Denial {
        before: NOW,
        until: after(1),
    };
    let opened = |since| {
        let socket = Socket {
            since,
            ..alice().socket
        };
        judge(&socket, &[(DenialKind::Disconnect, denial)], NOW)
    };
    assert_rows([
        ("before", opened(NOW), Err(DenialReason::Disconnected)),
        (
            "by another clock",
            opened(after(1_000)),
            Err(DenialReason::Disconnected),
        ),
        ("come back since", opened(after(1_001)), Ok(())),
    ]);
}

#[test]
fn denials_close_sockets_with_the_documented_codes() {
    let message = |reason| CloseReason::from(reason).message();
    let disconnected = Some("end 4403 disconnected".to_owned());
    assert_rows([
        (
            "revoked",
            message(DenialReason::Revoked),
            Some("end 4401 revoked".to_owned()),
        ),
        (
            "banned",
            message(DenialReason::Banned),
            disconnected.clone(),
        ),
        (
            "disconnected",
            message(DenialReason::Disconnected),
            disconnected,
        ),
    ]);
}
