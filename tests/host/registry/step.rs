//! What an object of the registry answers and does, request by request, with its SQL on SQLite.

use portcullis::registry::{
    About, Denial, DenialKind, DenialReason, DenialTarget, Denials, DeniedBy, Effect, MAX_DENIALS,
    RegistryKey, RegistryRequest, RegistryResponse, SWEEP_EVERY, Socket, SocketEntry,
};
use portcullis::util::time::Timestamp;

use crate::common::registry::{Object, Sqlite, after, crowd, deny, entry, jti, socket, subject};
use crate::common::{NOW, assert_rows};

fn denial(before: Timestamp) -> Denial {
    Denial {
        before,
        until: after(1000),
    }
}

fn ids(ended: &[(String, DenialReason)]) -> String {
    let ids: Vec<_> = ended.iter().map(|(id, _)| id.as_str()).collect();
    ids.join(" ")
}

#[test]
fn a_denial_ends_the_live_sockets_that_it_hits_and_no_others() {
    let ended = |kind, key, before| {
        let database = Sqlite::default();
        let mut object = crowd(&database);
        let response = object.ask(&deny(kind, key, denial(before)), NOW);
        let expected = RegistryResponse::Denied {
            denial: denial(before),
            sockets: object.ended.len() as u64,
        };
        assert_eq!(response, expected);
        assert_eq!(object.live.len() + object.ended.len(), 4);
        ids(&object.ended)
    };
    let (revoke, ban) = (DenialKind::Revoke, DenialKind::Ban);
    let all = RegistryKey::all;
    let address = entry("198.51.100.1", None).keys[1].clone();
    let rows = [
        (
            "a subject",
            ended(revoke, subject("alice"), after(1)),
            "first second",
        ),
        ("tokens of before", ended(revoke, subject("alice"), NOW), ""),
        (
            "a token",
            ended(revoke, jti("t2"), Timestamp::LATEST),
            "second",
        ),
        (
            "all tokens",
            ended(revoke, all(), after(1)),
            "first second bob",
        ),
        ("a ban of a subject", ended(ban, subject("bob"), NOW), "bob"),
        ("a ban of an address", ended(ban, address, NOW), "nobody"),
        (
            "a disconnection",
            ended(DenialKind::Disconnect, RegistryKey::socket("first"), NOW),
            "first",
        ),
        (
            "an unknown subject",
            ended(revoke, subject("carol"), after(1)),
            "",
        ),
    ];
    assert_rows(rows.map(|(name, actual, expected)| (name, actual, expected.to_owned())));
}

#[test]
fn a_denial_is_stored_after_the_sockets_are_told_and_only_if_it_is_new() {
    let database = Sqlite::default();
    let mut object = crowd(&database);
    let revoke = deny(DenialKind::Revoke, jti("t1"), denial(Timestamp::LATEST));
    let sweep = Effect::SweepIn(SWEEP_EVERY);
    object.ask(&revoke, NOW);
    let store = |denial, is_first| Effect::Store {
        target: DenialTarget {
            kind: DenialKind::Revoke,
            key: jti("t1"),
        },
        denial,
        about: About::default(),
        is_first,
    };
    let end = Effect::End {
        at: 0,
        reason: DenialReason::Revoked,
    };
    let first = denial(Timestamp::LATEST);
    assert_eq!(object.effects, [end, store(first, true), sweep.clone()]);
    object.ask(&revoke, NOW);
    assert_eq!(object.effects, std::slice::from_ref(&sweep));
    let longer = Denial {
        until: after(2000),
        ..first
    };
    object.ask(&deny(DenialKind::Revoke, jti("t1"), longer), NOW);
    assert_eq!(object.effects, [store(longer, false), sweep]);
}

#[test]
fn a_stamped_ban_is_later_than_the_stored_one() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    let ban = |until, stamped| RegistryRequest::Deny {
        target: DenialTarget {
            kind: DenialKind::Ban,
            key: subject("alice"),
        },
        denial: Denial {
            before: Timestamp::default(),
            until,
        },
        stamped,
        about: About::default(),
    };
    let denied = |before, until| RegistryResponse::Denied {
        denial: Denial { before, until },
        sockets: 0,
    };
    let rows = [
        ("the first", ban(after(9), true), denied(NOW, after(9))),
        (
            "in the same millisecond",
            ban(after(5), true),
            denied(after(1), after(5)),
        ),
        (
            "without a stamp",
            ban(after(9), false),
            denied(after(1), after(5)),
        ),
    ];
    assert_rows(rows.map(|(name, request, expected)| (name, object.ask(&request, NOW), expected)));
}

#[test]
fn a_full_object_refuses_only_what_needs_a_new_place() {
    let database = Sqlite::default();
    let mut object = crowd(&database);
    let revoke = |value, until| {
        deny(
            DenialKind::Revoke,
            jti(value),
            Denial {
                until,
                before: after(1),
            },
        )
    };
    object.ask(&revoke("kept", after(1000)), NOW);
    database.fill(MAX_DENIALS - 2, after(10));
    // As after its sleep.
    object.denials = Denials::new(&database);
    let mut outcome = |request: &RegistryRequest, now| {
        let is_full = object.ask(request, now) == RegistryResponse::Full;
        if is_full {
            assert_eq!(object.effects, []);
        }
        is_full
    };
    let ban = |until| {
        deny(
            DenialKind::Ban,
            subject("dora"),
            Denial { before: NOW, until },
        )
    };
    let disconnect = deny(DenialKind::Disconnect, subject("alice"), denial(NOW));
    let rows = [
        (
            "the last place",
            outcome(&revoke("last", after(10)), NOW),
            false,
        ),
        ("one more", outcome(&revoke("t1", after(1000)), NOW), true),
        (
            "a repetition",
            outcome(&revoke("kept", after(2000)), NOW),
            false,
        ),
        ("a ban", outcome(&ban(after(1000)), NOW), true),
        (
            "a ban that is lifted",
            outcome(&ban(Timestamp(0)), NOW),
            false,
        ),
        ("a disconnection", outcome(&disconnect, NOW), false),
        (
            "once others ended",
            outcome(&revoke("t3", after(1000)), after(10)),
            false,
        ),
    ];
    assert_rows(rows);
    // The refused revocation of the first socket's token ended nothing: the disconnection did.
    assert_eq!(ids(&object.ended), "first second bob");
}

#[test]
fn a_list_has_the_oldest_sockets_of_a_key_or_of_all() {
    let database = Sqlite::default();
    let mut object = crowd(&database);
    for (live, since) in object.live.iter_mut().zip([3, 2, 1, 4]) {
        live.entry.socket.since = after(since);
    }
    let mut list = |key: Option<RegistryKey>, max| match object
        .ask(&RegistryRequest::List { key, max }, NOW)
    {
        RegistryResponse::Listed { sockets, truncated } => {
            let ids: Vec<_> = sockets.iter().map(|socket| socket.id.as_str()).collect();
            (ids.join(" "), truncated)
        }
        other => panic!("{other:?}"),
    };
    let rows = [
        ("all", list(None, 9), ("bob second first nobody", false)),
        ("some of all", list(None, 2), ("bob second", true)),
        (
            "a subject's",
            list(Some(subject("alice")), 9),
            ("second first", false),
        ),
        ("none", list(Some(subject("carol")), 9), ("", false)),
    ];
    assert_rows(rows.map(|(name, actual, (ids, more))| (name, actual, (ids.to_owned(), more))));
    assert_eq!(object.effects, []);
}

#[test]
fn a_socket_that_attaches_again_meets_the_disconnection_of_meanwhile() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    object.ask(
        &deny(DenialKind::Disconnect, subject("alice"), denial(NOW)),
        NOW,
    );
    let before = socket("first", &[]);
    let later = SocketEntry {
        socket: Socket {
            since: after(1_001),
            ..before.socket.clone()
        },
        ..before.clone()
    };
    let target = DenialTarget {
        kind: DenialKind::Disconnect,
        key: subject("alice"),
    };
    let refused = RegistryResponse::Refused {
        end: DenialReason::Disconnected,
        by: Some(DeniedBy {
            id: target.id(),
            about: "sub".into(),
            until: after(1000),
        }),
    };
    let admitted = |denials_exist| RegistryResponse::Admitted { denials_exist };
    assert_rows([
        ("again", object.open(&before, true, NOW), refused),
        (
            "opened since",
            object.open(&later, true, NOW),
            admitted(true),
        ),
        (
            "for the first time",
            object.open(&before, false, NOW),
            admitted(true),
        ),
        (
            "once it ended",
            object.open(&before, true, after(1000)),
            admitted(false),
        ),
    ]);
}
