//! The administration endpoints: what they ask of all objects, and how they answer where some don't
//! do it.

use portcullis::registry::{
    About, Denial, DenialKind, DenialTarget, ListedDenial, RegistryKey, RegistryRequest,
    RegistryResponse, SHARDS,
};
use portcullis::util::time::Timestamp;

use crate::common::registry::alice;
use crate::common::scripted::{ADMIN, Part, Scripted, admin, bearer, upgrade};
use crate::common::{Ask, NOW, assert_rows, seconds};

fn gate() -> Scripted {
    Scripted::with(&[("ADMIN_TOKEN", ADMIN), ("BAN_AFTER", "3/1m for 1h")])
}

/// The denials that each object was asked for.
fn denials(gate: &Scripted) -> Vec<(u8, DenialTarget, Denial, bool)> {
    let asked = gate.registry_asked.take();
    let denial = |(shard, request)| match request {
        RegistryRequest::Deny {
            target,
            denial,
            stamped,
            ..
        } => (shard, target, denial, stamped),
        other => panic!("a denial is expected: {other:?}"),
    };
    asked.into_iter().map(denial).collect()
}

#[test]
fn a_list_asks_every_object_and_shows_the_oldest_sockets_first() {
    let gate = gate();
    let socket = |id: &str, after: u64| {
        let mut socket = alice().socket;
        id.clone_into(&mut socket.id);
        socket.since = NOW + seconds(after);
        socket
    };
    let listed = |sockets| RegistryResponse::Listed {
        sockets,
        truncated: false,
    };
    let mut answers = gate.registry.borrow_mut();
    answers.push_back(listed(vec![socket("b", 2)]));
    answers.push_back(listed(vec![socket("a", 1), socket("c", 3)]));
    drop(answers);
    let answer = gate.send(&admin("GET", "sockets"));
    let ids: Vec<_> = answer
        .member("sockets")
        .as_array()
        .map_or(Vec::new(), |all| {
            let id =
                |socket: &serde_json::Value| socket["id"].as_str().unwrap_or_default().to_owned();
            all.iter().map(id).collect()
        });
    assert_eq!(ids, ["a", "b", "c"], "{}", answer.json);
    assert_eq!(gate.registry_asked.borrow().len(), usize::from(SHARDS));
    assert_eq!(answer.cause(), "listed 3 sockets");
    assert_eq!(answer.record.outcome.name(), "administered");
}

#[test]
fn a_disconnection_and_a_revocation_reach_every_object() {
    let gate = gate();
    let answer = gate.send(&admin("DELETE", "sockets?sub=alice"));
    assert_eq!(answer.json, r#"{"disconnected":0}"#);
    let asked = denials(&gate);
    assert_eq!(asked.len(), usize::from(SHARDS));
    assert!(
        asked
            .iter()
            .all(|(_, target, ..)| target.kind == DenialKind::Disconnect)
    );

    *gate.body.borrow_mut() = Ok(r#"{"jti":"t1"}"#.into());
    let answer = gate.send(&admin("PUT", "revocations"));
    assert_eq!(answer.what, "json", "{answer:?}");
    let asked = denials(&gate);
    assert_eq!(asked.len(), usize::from(SHARDS));
    assert!(
        asked
            .iter()
            .all(|(_, target, ..)| target.kind == DenialKind::Revoke)
    );
}

/// Of two commands for one target the later one must win everywhere.
#[test]
fn the_first_object_stamps_a_ban_for_all_others() {
    let gate = gate();
    let stamped = Denial {
        before: NOW + seconds(7),
        until: NOW + seconds(3600),
    };
    gate.registry
        .borrow_mut()
        .push_back(RegistryResponse::Denied {
            denial: stamped,
            sockets: 2,
        });
    *gate.body.borrow_mut() = Ok(r#"{"for":"1h"}"#.into());
    let answer = gate.send(&admin("PUT", "bans/alice"));
    assert_eq!(answer.member("disconnected"), 2, "{answer:?}");
    let asked = denials(&gate);
    let (first, others) = asked.split_first().expect("it was asked");
    assert_eq!(
        (first.0, first.2.before, first.3),
        (0, Timestamp::default(), true)
    );
    assert_eq!(others.len(), usize::from(SHARDS) - 1);
    let is_told = |(_, _, denial, is_stamped): &(u8, DenialTarget, Denial, bool)| {
        denial.before == stamped.before && !is_stamped
    };
    assert!(others.iter().all(is_told), "{others:?}");
}

#[test]
fn lifting_the_ban_of_an_address_lifts_that_of_its_failures_too() {
    let gate = gate();
    let answer = gate.send(&admin("DELETE", "bans/192.0.2.7"));
    assert_eq!(answer.what, "json", "{answer:?}");
    assert_eq!(gate.take_asked(), ["address: lift"]);
    gate.break_down(Part::AddressLedger);
    let answer = gate.send(&admin("DELETE", "bans/192.0.2.7"));
    assert_eq!(answer.cause(), "the address's ledger: down");
    assert_eq!(answer.what, "limiter_unavailable");
}

#[test]
fn what_is_not_done_everywhere_is_an_error_that_names_the_objects() {
    let full = gate();
    let mut answers = full.registry.borrow_mut();
    let done = RegistryResponse::Denied {
        denial: Denial {
            before: NOW,
            until: NOW,
        },
        sockets: 0,
    };
    answers.push_back(done);
    answers.push_back(RegistryResponse::Full);
    answers.push_back(RegistryResponse::Full);
    drop(answers);
    let answer = full.send(&admin("DELETE", "sockets?sub=alice"));
    assert_eq!(answer.what, "registry_full");
    assert!(
        answer.cause().starts_with("object 1, 2:"),
        "{}",
        answer.cause()
    );

    let down = gate();
    down.break_down(Part::Registry);
    let answer = down.send(&admin("GET", "sockets"));
    assert_eq!(answer.what, "limiter_unavailable");
    assert!(answer.cause().starts_with("object 0: down; object 1: down"));

    let confused = gate();
    confused
        .registry
        .borrow_mut()
        .push_back(RegistryResponse::Admitted {
            denials_exist: false,
        });
    let answer = confused.send(&admin("GET", "sockets"));
    assert_eq!(
        answer.cause(),
        "an object answered Admitted { denials_exist: false }"
    );
}

#[test]
fn a_request_is_refused_for_what_is_wrong_with_it() {
    let with = |method, path, body: Result<&str, &str>| {
        let gate = gate();
        *gate.body.borrow_mut() = body.map(str::to_owned).map_err(str::to_owned);
        let answer = gate.send(&admin(method, path));
        format!("{} at {}", answer.what, answer.record.stage.name())
    };
    assert_rows([
        (
            "an unknown path",
            with("GET", "nothing", Ok("")),
            "no_route at counters".to_owned(),
        ),
        (
            "another method",
            with("POST", "sockets", Ok("")),
            "method_not_allowed at counters".to_owned(),
        ),
        (
            "no filter",
            with("DELETE", "sockets", Ok("")),
            "bad_request at counters".to_owned(),
        ),
        (
            "a body that is no JSON",
            with("PUT", "revocations", Ok("x")),
            "bad_request at counters".to_owned(),
        ),
        (
            "a body that can't be read",
            with("PUT", "revocations", Err("cut off")),
            "bad_request at counters".to_owned(),
        ),
    ]);
}

#[test]
fn another_token_is_refused_and_asks_no_object() {
    let gate = gate();
    let without = admin("GET", "sockets").without("authorization");
    let wrong = Ask::plain("GET", "https://gate.example/_portcullis/admin/sockets").with(
        "authorization",
        &bearer("another-administrators-token-of-over-32-characters"),
    );
    assert_rows([
        (
            "none",
            gate.send(&without).line(),
            "token_missing at token: no ADMIN_TOKEN in Authorization".to_owned(),
        ),
        (
            "a wrong one",
            gate.send(&wrong).line(),
            "token_invalid at token: it is not the ADMIN_TOKEN".to_owned(),
        ),
    ]);
    assert_eq!(gate.registry_asked.take(), []);
    assert_eq!(gate.take_asked(), Vec::<String>::new());
}

#[test]
fn a_listed_socket_is_found_by_its_address_as_it_is_counted() {
    let gate = gate();
    gate.send(&admin("GET", "sockets?ip=2001:db8:1:2:3::4"));
    let asked = gate.registry_asked.take();
    let key = Ask::upgrade();
    let mut key = key;
    key.address = Some("2001:db8:1:2::");
    let key = RegistryKey::address(key.key());
    let is_about = |(_, request): &(u8, RegistryRequest)| matches!(request, RegistryRequest::List { key: Some(asked), .. } if *asked == key);
    assert!(asked.iter().all(is_about), "{asked:?}");
}

#[test]
fn bans_and_revocations_of_all_objects_are_listed_once() {
    let listed = |id: &str, about, before, age| ListedDenial {
        id: id.into(),
        about,
        since: NOW + seconds(age),
        denial: Denial {
            before,
            until: NOW + seconds(60),
        },
    };
    let about = |sub: &str| About {
        sub: Some(sub.into()),
        ..About::default()
    };
    let jti = About {
        jti: Some("t1".into()),
        iss: Some("i".into()),
        ..About::default()
    };
    let show = |path, denials: Vec<ListedDenial>| {
        let gate = gate();
        for denials in [denials.clone(), denials] {
            gate.registry
                .borrow_mut()
                .push_back(RegistryResponse::ListedDenials {
                    denials,
                    truncated: false,
                });
        }
        let answer = gate.send(&admin("GET", path));
        assert_eq!(gate.registry_asked.take().len(), usize::from(SHARDS));
        (answer.json.clone(), answer.cause().to_owned())
    };
    let expected = |json: &str, cause: &str| (json.to_owned(), cause.to_owned());
    assert_rows([
        (
            "bans",
            show(
                "bans",
                vec![
                    listed("a", about("bob"), NOW, 1),
                    listed("b", About::address("192.0.2.7"), NOW, 2),
                ],
            ),
            expected(
                r#"{"bans":[{"ip":"192.0.2.7","since":1800000002,"until":1800000060},{"sub":"bob","since":1800000001,"until":1800000060}],"truncated":false}"#,
                "listed 2 bans",
            ),
        ),
        (
            "revocations",
            show(
                "revocations",
                vec![
                    listed("a", jti, Timestamp::LATEST, 1),
                    listed("b", about("bob"), NOW, 2),
                ],
            ),
            expected(
                r#"{"revocations":[{"id":"b","sub":"bob","before":1800000000,"since":1800000002,"until":1800000060},{"id":"a","jti":"t1","iss":"i","since":1800000001,"until":1800000060}],"truncated":false}"#,
                "listed 2 revocations",
            ),
        ),
    ]);
}

#[test]
fn a_revocation_is_lifted_in_every_object_and_the_answer_says_whether_it_existed() {
    let id = "0123456789abcdef0123456789abcdef";
    let lift = |existed: Option<bool>| {
        let gate = gate();
        let answers = existed.map(|existed| RegistryResponse::Lifted { existed });
        gate.registry.borrow_mut().extend(answers);
        let answer = gate.send(&admin("DELETE", &format!("revocations/{id}")));
        let asked = gate.registry_asked.take();
        assert_eq!(asked.len(), usize::from(SHARDS));
        let request = RegistryRequest::Lift {
            kind: DenialKind::Revoke,
            id: id.into(),
        };
        assert!(asked.iter().all(|(_, asked)| *asked == request));
        (answer.json.clone(), answer.cause().to_owned())
    };
    assert_rows([
        (
            "in one object",
            lift(Some(true)),
            (
                format!(r#"{{"lifted":"{id}","existed":true}}"#),
                format!("lifted the revocation {id}"),
            ),
        ),
        (
            "nowhere",
            lift(None),
            (
                format!(r#"{{"lifted":"{id}","existed":false}}"#),
                format!("found no revocation {id} to lift"),
            ),
        ),
    ]);
}

#[test]
fn a_subject_with_too_many_denials_is_told_apart_from_a_full_object() {
    let gate = gate();
    gate.registry.borrow_mut().extend([
        RegistryResponse::Full,
        RegistryResponse::SubjectFull,
        RegistryResponse::SubjectFull,
    ]);
    *gate.body.borrow_mut() = Ok(r#"{"sub":"alice"}"#.into());
    let answer = gate.send(&admin("PUT", "revocations"));
    assert_eq!(
        answer.line(),
        "registry_full at counters: object 0: 100000 are kept; object 1, 2: 1000 about this \
         subject are kept; in the others it may be done"
    );
}

#[test]
fn an_explanation_has_the_counts_and_bans_of_an_address() {
    let gate = Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("BAN_AFTER", "3/1m for 1h"),
        ("MAX_SOCKETS_IP", "4"),
    ]);
    let bad = upgrade("").with("authorization", &bearer("nonsense"));
    gate.knock(&bad);
    gate.knock(&bad);
    gate.take_asked();
    let explained = |gate: &Scripted| {
        let answer = gate.send(&admin("GET", "explain?ip=192.0.2.7"));
        assert_eq!(answer.what, "json", "{answer:?}");
        assert_eq!(answer.cause(), "explained ip 192.0.2.7");
        crate::common::object(&answer.json)
    };
    let before = explained(&gate);
    assert_eq!(gate.take_asked(), ["address: explain"]);
    assert_eq!(
        before["counts"].to_string(),
        r#"[{"ban_after":"3/1m for 1h","counted":2,"failures":2,"max_sockets":4,"quota":"60/1m","route":null,"sockets":0,"wait":0}]"#
    );
    assert_eq!(before["bans"].to_string(), "[]");
    gate.knock(&bad);
    let (since, until) = (NOW.0 / 1000, NOW.0 / 1000 + 3600);
    assert_eq!(
        explained(&gate)["bans"].to_string(),
        format!(r#"[{{"origin":"BAN_AFTER","since":{since},"until":{until}}}]"#)
    );
}

#[test]
fn an_explanation_asks_for_a_subject_of_every_issuer() {
    let gate = Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("RATE_LIMIT_USER", "5/1m"),
        ("JWT_ISSUER", "https://one https://two"),
    ]);
    gate.knock(&upgrade(r#""iss":"https://two","sub":"alice""#));
    gate.take_asked();
    let answer = gate.send(&admin("GET", "explain?sub=alice"));
    let counts = answer.member("counts");
    let counts: Vec<_> = counts.as_array().map_or(Vec::new(), |all| {
        all.iter()
            .map(|count| format!("{} {}", count["iss"], count["counted"]))
            .collect()
    });
    assert_eq!(counts.len(), 2, "{}", answer.json);
    assert!(
        counts.contains(&r#""https://one" 0"#.to_owned()),
        "{counts:?}"
    );
    assert!(
        counts.contains(&r#""https://two" 1"#.to_owned()),
        "{counts:?}"
    );
    let one = gate.send(&admin("GET", "explain?sub=alice&iss=https://two"));
    assert_eq!(one.member("counts").as_array().map(Vec::len), Some(1));
    gate.break_down(Part::UserLedger);
    let answer = gate.send(&admin("GET", "explain?sub=alice"));
    assert_eq!(answer.what, "limiter_unavailable");
    assert_eq!(answer.cause(), "the user's ledger: down");
}
