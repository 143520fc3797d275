//! What one owner of sockets and one subject of denials can take up, and what administrators see
//! and lift.

use portcullis::registry::{
    About, Claim, Denial, DenialKind, DenialTarget, Denials, ListedDenial, MAX_DENIALS,
    MAX_DENIALS_OF_SUBJECT, MAX_SOCKETS_OF_OWNER, RegistryKey, RegistryRequest, RegistryResponse,
    newest,
};
use portcullis::util::time::Timestamp;

use crate::common::registry::{Object, Sqlite, after, crowd, deny, entry, jti, socket};
use crate::common::{NOW, assert_rows};

/// A revocation of a subject's tokens, of one issuer.
fn revoke(subject: &str, issuer: &str, until: Timestamp) -> RegistryRequest {
    RegistryRequest::Deny {
        target: DenialTarget {
            kind: DenialKind::Revoke,
            key: RegistryKey::claim(Claim::Subject, Some(issuer), subject),
        },
        denial: Denial { before: NOW, until },
        stamped: false,
        about: About::tokens(Some((Claim::Subject, subject)), Some(issuer)),
    }
}

#[test]
fn an_owner_has_so_many_live_sockets_and_leaves_the_rest_to_others() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    let admitted = || RegistryResponse::Admitted {
        denials_exist: false,
    };
    for number in 0..MAX_SOCKETS_OF_OWNER {
        let opened = object.open(&socket(&number.to_string(), &[]), false, NOW);
        assert_eq!(opened, admitted(), "{number}");
    }
    let mut open = |entry, again| object.open(&entry, again, NOW);
    let more = || socket("more", &[]);
    assert_rows([
        (
            "one more",
            open(more(), false),
            RegistryResponse::TooManySockets,
        ),
        ("one that lost its channel", open(more(), true), admitted()),
        (
            "another subject of its address",
            open(socket("bob", &[("alice", "bob")]), false),
            admitted(),
        ),
        (
            "its namesake",
            open(socket("other", &[("https://id", "https://other")]), false),
            admitted(),
        ),
        (
            "its address without a token",
            open(entry("192.0.2.7", None), false),
            admitted(),
        ),
    ]);
    let admit = RegistryRequest::Admit { entry: more() };
    assert_eq!(object.ask(&admit, NOW), admitted());
    object.live.truncate(MAX_SOCKETS_OF_OWNER - 1);
    assert_eq!(object.open(&more(), false, NOW), admitted());
}

#[test]
fn without_a_token_the_address_is_the_owner() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    let nobody = |ip, id: &str| {
        let mut entry = entry(ip, None);
        entry.keys[0] = RegistryKey::socket(id);
        entry
    };
    for number in 0..MAX_SOCKETS_OF_OWNER {
        object.open(&nobody("192.0.2.7", &number.to_string()), false, NOW);
    }
    let full = object.open(&nobody("192.0.2.7", "more"), false, NOW);
    assert_eq!(full, RegistryResponse::TooManySockets);
    let other = object.open(&nobody("192.0.2.8", "other"), false, NOW);
    assert!(matches!(other, RegistryResponse::Admitted { .. }));
}

#[test]
fn one_subject_has_so_many_denials_and_leaves_the_rest_to_others() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    for number in 0..MAX_DENIALS_OF_SUBJECT {
        object.ask(&revoke("alice", &number.to_string(), after(10)), NOW);
    }
    let mut outcome = |request: &RegistryRequest, now| match object.ask(request, now) {
        RegistryResponse::Denied { .. } => "stored",
        RegistryResponse::SubjectFull => "subject full",
        RegistryResponse::Full => "full",
        other => panic!("{other:?}"),
    };
    let lifted = Timestamp::default();
    assert_rows([
        (
            "one more",
            outcome(&revoke("alice", "more", after(10)), NOW),
            "subject full",
        ),
        (
            "a repetition",
            outcome(&revoke("alice", "0", after(20)), NOW),
            "stored",
        ),
        (
            "another subject",
            outcome(&revoke("bob", "0", after(10)), NOW),
            "stored",
        ),
        (
            "a token",
            outcome(
                &deny(
                    DenialKind::Revoke,
                    jti("t"),
                    Denial {
                        before: NOW,
                        until: after(10),
                    },
                ),
                NOW,
            ),
            "stored",
        ),
        (
            "one that has ended",
            outcome(&revoke("alice", "ended", lifted), NOW),
            "stored",
        ),
        (
            "once others ended",
            outcome(&revoke("alice", "more", after(20)), after(10)),
            "stored",
        ),
    ]);
    database.fill(MAX_DENIALS, after(20));
    object.denials = Denials::new(&database);
    let mut outcome = |request| object.ask(&request, NOW);
    assert_rows([(
        "a full object",
        outcome(revoke("carol", "0", after(10))),
        RegistryResponse::Full,
    )]);
}

#[test]
fn an_object_says_whether_any_denial_applies() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    let exists = |object: &mut Object<'_>, now| {
        let admit = RegistryRequest::Admit {
            entry: socket("first", &[]),
        };
        match object.ask(&admit, now) {
            RegistryResponse::Admitted { denials_exist } => denials_exist,
            other => panic!("{other:?}"),
        }
    };
    assert!(!exists(&mut object, NOW));
    object.ask(&revoke("bob", "0", after(10)), NOW);
    object.ask(&revoke("bob", "1", after(5)), NOW);
    assert_rows([
        ("two", exists(&mut object, NOW), true),
        ("one of them ended", exists(&mut object, after(5)), true),
        ("both ended", exists(&mut object, after(10)), false),
    ]);
    let mut again = Object::on(&database);
    assert!(exists(&mut again, after(9)));
    // Another one after it was known that there is none.
    object.ask(&revoke("bob", "2", after(30)), after(10));
    assert!(exists(&mut object, after(10)));
}

#[test]
fn denials_are_listed_by_kind_newest_first_while_they_apply() {
    let database = Sqlite::default();
    let mut object = Object::on(&database);
    object.ask(&revoke("alice", "i", after(100)), NOW);
    object.ask(&revoke("bob", "i", after(3)), after(1));
    // Repeated, it keeps its age.
    object.ask(&revoke("alice", "i", after(200)), after(2));
    let ban = RegistryRequest::Deny {
        target: DenialTarget {
            kind: DenialKind::Ban,
            key: RegistryKey::claim(Claim::Subject, None, "carol"),
        },
        denial: Denial {
            before: NOW,
            until: after(100),
        },
        stamped: true,
        about: About::tokens(Some((Claim::Subject, "carol")), None),
    };
    object.ask(&ban, after(2));
    let mut list_about = |kind, max, about: Option<&[RegistryKey]>, now| {
        let about = about.map(<[_]>::to_vec);
        let list = RegistryRequest::ListDenials { kind, max, about };
        let (denials, more) = match object.ask(&list, now) {
            RegistryResponse::ListedDenials { denials, truncated } => (denials, truncated),
            other => panic!("{other:?}"),
        };
        let lines: Vec<_> = denials
            .iter()
            .map(|listed| {
                let sub = listed.about.sub.as_deref().unwrap_or_default();
                let (since, until) = (listed.since.0 - NOW.0, listed.denial.until.0 - NOW.0);
                assert_eq!(listed.id.len(), 32);
                format!("{sub} {since}..{until}")
            })
            .collect();
        (lines.join(", "), more)
    };
    let sub = |name| [RegistryKey::claim(Claim::Subject, None, name)];
    let about_carol = list_about(DenialKind::Ban, 9, Some(&sub("carol")), after(2));
    let about_bob = list_about(DenialKind::Ban, 9, Some(&sub("bob")), after(2));
    let mut list = |kind, max, now| list_about(kind, max, None, now);
    let line = |text: &str, more| (text.to_owned(), more);
    let (revoke, ban) = (DenialKind::Revoke, DenialKind::Ban);
    assert_rows([
        (
            "all",
            list(revoke, 9, after(2)),
            line("bob 1..3, alice 0..200", false),
        ),
        (
            "about one subject",
            about_carol,
            line("carol 2..100", false),
        ),
        ("about another", about_bob, line("", false)),
        ("some", list(revoke, 1, after(2)), line("bob 1..3", true)),
        (
            "just as many",
            list(revoke, 2, after(2)),
            line("bob 1..3, alice 0..200", false),
        ),
        (
            "without the ended",
            list(revoke, 9, after(3)),
            line("alice 0..200", false),
        ),
        ("bans", list(ban, 9, after(2)), line("carol 2..100", false)),
        (
            "disconnections",
            list(DenialKind::Disconnect, 9, after(2)),
            line("", false),
        ),
    ]);
}

#[test]
fn a_lifted_revocation_admits_its_tokens_again() {
    let database = Sqlite::default();
    let mut object = crowd(&database);
    let revoked = deny(
        DenialKind::Revoke,
        jti("t1"),
        Denial {
            before: Timestamp::LATEST,
            until: after(10),
        },
    );
    object.ask(&revoked, NOW);
    let id = DenialTarget {
        kind: DenialKind::Revoke,
        key: jti("t1"),
    }
    .id();
    let entry = socket("new", &[]);
    let refused = object.open(&entry, false, NOW);
    assert!(matches!(refused, RegistryResponse::Refused { .. }));
    let lift = |kind, id: &str| RegistryRequest::Lift {
        kind,
        id: id.to_owned(),
    };
    let lifted = |existed| RegistryResponse::Lifted { existed };
    assert_rows([
        (
            "another kind",
            object.ask(&lift(DenialKind::Ban, &id), NOW),
            lifted(false),
        ),
        (
            "another id",
            object.ask(&lift(DenialKind::Revoke, "0a"), NOW),
            lifted(false),
        ),
        (
            "it",
            object.ask(&lift(DenialKind::Revoke, &id), NOW),
            lifted(true),
        ),
        (
            "it again",
            object.ask(&lift(DenialKind::Revoke, &id), NOW),
            lifted(false),
        ),
    ]);
    let admitted = RegistryResponse::Admitted {
        denials_exist: false,
    };
    assert_eq!(object.open(&entry, false, NOW), admitted);
}

#[test]
fn the_lists_of_several_objects_merge() {
    let listed = |id: &str, since, until| ListedDenial {
        id: id.into(),
        about: About::default(),
        since: after(since),
        denial: Denial {
            before: NOW,
            until: after(until),
        },
    };
    let found = || {
        vec![
            listed("a", 1, 5),
            listed("b", 3, 5),
            listed("a", 2, 7),
            listed("b", 3, 5),
        ]
    };
    let merged = |max| newest(DenialKind::Revoke, found(), max);
    assert_rows([
        (
            "all",
            merged(2),
            (vec![listed("b", 3, 5), listed("a", 1, 7)], false),
        ),
        ("some", merged(1), (vec![listed("b", 3, 5)], true)),
        ("none", merged(0), (Vec::new(), true)),
    ]);
}
