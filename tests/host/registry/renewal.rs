//! Live sockets that a newer token keeps open: what moves their expiry, and that the revocation of
//! either token ends them.

use portcullis::registry::{
    Claim, Denial, DenialKind, DenialReason, RegistryKey, RegistryResponse, Socket, SocketEntry,
    TokenRenewal,
};
use portcullis::token::Identity;
use portcullis::util::time::Timestamp;
use serde_json::json;

use crate::common::registry::{ALICE, Object, Sqlite, after, alice, deny, entry, identity};
use crate::common::{NOW, assert_rows, seconds};

/// Another token of Alice's, accepted for so many seconds and issued so many milliseconds later.
fn newer(jti: &str, lasts: u64) -> SocketEntry {
    let claims = ALICE
        .replace("t1", jti)
        .replace("1800000000}", "1800000000.5}");
    let identity = Identity {
        expires: NOW + seconds(lasts),
        ..identity(&claims)
    };
    entry("198.51.100.1", Some(&identity))
}

/// Alice's socket, moved by these tokens one after the other.
fn renewed(by: &[SocketEntry]) -> SocketEntry {
    let mut entry = alice();
    for newer in by {
        entry.socket.extend(newer);
    }
    entry
}

fn jti(issuer: Option<&str>, value: &str) -> RegistryKey {
    RegistryKey::claim(Claim::Token, issuer, value)
}

#[test]
fn an_expiry_only_moves_ahead_and_the_token_that_moved_it_is_remembered() {
    let extended = |lasts| {
        let mut socket = alice().socket;
        let has_message = socket.extend(&newer("t2", lasts)).is_some();
        let by = socket.renewal.map(|renewal| renewal.keys);
        (has_message, socket.expires, by)
    };
    let keys = vec![jti(None, "t2"), jti(Some("https://id"), "t2")];
    let (first, later) = (Some(NOW + seconds(60)), Some(NOW + seconds(61)));
    assert_rows([
        ("earlier", extended(59), (false, first, None)),
        ("the same", extended(60), (false, first, None)),
        ("later", extended(61), (true, later, Some(keys))),
    ]);
    let mut without = entry("192.0.2.7", None).socket;
    assert_eq!(without.extend(&newer("t2", 61)), None);
    assert_eq!((without.expires, without.renewal), (None, None));
    let mut socket = alice().socket;
    assert_eq!(socket.extend(&entry("192.0.2.7", None)), None);
    assert_eq!(socket, alice().socket);
}

#[test]
fn a_socket_ends_with_the_token_that_opened_it_and_with_the_one_that_moved_it_last() {
    // Whether the socket may attach again, and whether it is closed where it is attached.
    let verdicts = |entry: &SocketEntry, key: &RegistryKey| {
        let denial = Denial {
            before: Timestamp::LATEST,
            until: after(1000),
        };
        let revoke = deny(DenialKind::Revoke, key.clone(), denial);
        let database = Sqlite::default();
        let mut object = Object::on(&database);
        let opened = object.open(entry, false, NOW);
        assert!(matches!(opened, RegistryResponse::Admitted { .. }));
        object.ask(&revoke, NOW);
        let ended = object.ended.first().map(|(_, reason)| *reason);
        let again = match object.open(entry, true, NOW) {
            RegistryResponse::Admitted { .. } => Ok(()),
            RegistryResponse::Refused { end, .. } => Err(end),
            other => panic!("{other:?}"),
        };
        (again, ended)
    };
    let (id, other) = (Some("https://id"), Some("https://other"));
    let closed = (Err(DenialReason::Revoked), Some(DenialReason::Revoked));
    let stays = (Ok(()), None);
    let once = renewed(&[newer("t2", 70)]);
    let twice = renewed(&[newer("t2", 70), newer("t3", 80)]);
    let shorter = renewed(&[newer("t2", 70), newer("t3", 65)]);
    let nameless = {
        let claims = ALICE.replace(r#","jti":"t1""#, "");
        let identity = Identity {
            expires: NOW + seconds(80),
            ..identity(&claims)
        };
        renewed(&[newer("t2", 70), entry("192.0.2.7", Some(&identity))])
    };
    let rows = [
        ("the newer token", &once, jti(None, "t2"), closed),
        ("of its issuer", &once, jti(id, "t2"), closed),
        ("of another issuer", &once, jti(other, "t2"), stays),
        ("another token", &once, jti(None, "t3"), stays),
        ("the token that opened it", &once, jti(None, "t1"), closed),
        (
            "a session of that name",
            &once,
            RegistryKey::claim(Claim::Session, None, "t2"),
            stays,
        ),
        ("one that did not move it", &alice(), jti(None, "t2"), stays),
        ("the last of two", &twice, jti(None, "t3"), closed),
        ("the one before", &twice, jti(None, "t2"), stays),
        ("the first of all", &twice, jti(None, "t1"), closed),
        ("one that came too short", &shorter, jti(None, "t3"), stays),
        ("the one it lives by", &shorter, jti(None, "t2"), closed),
        (
            "one before a nameless one",
            &nameless,
            jti(None, "t2"),
            stays,
        ),
    ];
    assert_rows(rows.map(|(name, entry, key, expected)| (name, verdicts(entry, &key), expected)));
}

#[test]
fn a_revocation_before_a_time_ends_a_socket_if_either_token_is_older() {
    let issued = |at| Some(after(at));
    let ends = |first, second: Option<Option<Timestamp>>| {
        let renewal = second.map(|issued| TokenRenewal {
            keys: Vec::new(),
            issued,
            token: None,
        });
        let socket = Socket {
            issued: first,
            renewal,
            ..alice().socket
        };
        let denial = Denial {
            before: after(5),
            until: after(1000),
        };
        denial.hits(DenialKind::Revoke, &socket, NOW).is_some()
    };
    assert_rows([
        ("alone, older", ends(issued(4), None), true),
        ("alone", ends(issued(5), None), false),
        ("both older", ends(issued(1), Some(issued(4))), true),
        ("the first", ends(issued(4), Some(issued(5))), true),
        ("the second", ends(issued(5), Some(issued(4))), true),
        ("neither", ends(issued(5), Some(issued(5))), false),
        ("a second undated", ends(issued(5), Some(None)), true),
    ]);
}

#[test]
fn only_tokens_are_looked_for_beyond_the_tags() {
    let all = alice().keys;
    let of_tokens: Vec<_> = all.iter().filter(|key| key.is_of_token()).collect();
    assert_eq!(
        of_tokens,
        [&jti(None, "t1"), &jti(Some("https://id"), "t1")]
    );
    assert!(jti(None, &"long".repeat(100)).is_of_token());
    assert!(!RegistryKey::all().is_of_token());
    assert!(!RegistryKey::socket("jti 1:a").is_of_token());
}

#[test]
fn what_is_attached_to_a_channel_is_no_longer_than_the_platform_allows() {
    // Escaped, a byte takes six; one character out of Latin-1 makes two bytes of each.
    let worst = |length: usize| "\u{1}".repeat(length);
    let claims = json!({"iss": "i", "sub": worst(300), "sid": worst(300), "jti": worst(180)});
    let identity = |lasts| Identity {
        expires: NOW + seconds(lasts),
        ..identity(&claims.to_string())
    };
    let mut socket = entry("2001:db8::1", Some(&identity(60))).socket;
    assert!(
        socket
            .extend(&entry("2001:db8::1", Some(&identity(61))))
            .is_some()
    );
    let renewal = socket.renewal.as_ref().expect("it was moved");
    assert!(renewal.keys.iter().all(|key| key.as_str().len() <= 200));
    assert!(renewal.to_json().len() > 2000);
    assert!(socket.to_json().len() < 8 << 10);
}
