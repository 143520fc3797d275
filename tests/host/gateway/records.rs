//! What the record of a refusal answers: the cause, the setting, whose limit, until when, and what
//! to do about it.

use portcullis::config::settings;
use portcullis::registry::{DenialReason, DeniedBy, RegistryResponse};
use portcullis::upstream::UpstreamFailure;
use portcullis::util::time::Timestamp;

use crate::common::scripted::{
    ADMIN, Answer, ORIGIN, Scripted, bearer, token, upgrade, upgrade_with_key,
};
use crate::common::{Ask, NOW, assert_rows, hs256, seconds};

const ALICE: &str = r#""sub":"alice","iss":"https://id.example""#;

/// The parts of a record that answer.
fn facts(answer: &Answer) -> Vec<String> {
    let record = &answer.record;
    let parts = [
        ("cause", record.cause.as_deref()),
        ("detail", record.detail.as_deref()),
        ("setting", record.setting),
        ("party", record.party.as_deref()),
        ("until", record.until.as_deref()),
        ("denial", record.denial.as_deref()),
        ("path", record.path.as_deref()),
        ("upstream", record.upstream.as_deref()),
        ("subject", record.subject.as_deref()),
        ("issuer", record.issuer.as_deref()),
    ];
    let present = parts
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", (*value)?)));
    present.collect()
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn with_token(token: &str) -> Ask {
    Ask::upgrade()
        .with("origin", ORIGIN)
        .with("authorization", &bearer(token))
}

#[test]
fn a_genuine_token_of_another_time_or_audience_names_its_subject() {
    let gate = Scripted::with(&[
        ("JWT_AUDIENCE", "chat"),
        ("JWT_ISSUER", "https://id.example"),
    ]);
    let at = |offset: i64| NOW.0 as i64 / 1000 + offset;
    let claims = |rest: &str| format!("{{{ALICE},{rest}}}");
    let of = |claims: &str| facts(&gate.knock(&with_token(&hs256(claims))));
    let expired = claims(&format!(r#""aud":"chat","exp":{}"#, at(-60)));
    let early = claims(&format!(
        r#""aud":"chat","exp":4000000000,"nbf":{}"#,
        at(60)
    ));
    let forged = {
        let mut token = hs256(&claims(r#""aud":"chat","exp":4000000000"#));
        // The first character of the signature.
        let at = token.rfind('.').expect("three segments") + 1;
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        token.replace_range(at..=at, other);
        token
    };
    assert_rows([
        (
            "expired",
            of(&expired),
            lines(&[
                "cause: exp has passed",
                "detail: exp is 2027-01-15T07:59:00.000Z, 60 s ago",
                "setting: JWT_LEEWAY",
                "subject: alice",
                "issuer: https://id.example",
            ]),
        ),
        (
            "not valid yet",
            of(&early),
            lines(&[
                "cause: nbf is in the future",
                "detail: nbf is 2027-01-15T08:01:00.000Z, in 60 s",
                "setting: JWT_LEEWAY",
                "subject: alice",
                "issuer: https://id.example",
            ]),
        ),
        (
            "another audience",
            of(&claims(r#""aud":["mail","news"],"exp":4000000000"#)),
            lines(&[
                "cause: aud is not in JWT_AUDIENCE",
                r#"detail: aud is ["mail","news"]"#,
                "setting: JWT_AUDIENCE",
                "subject: alice",
                "issuer: https://id.example",
            ]),
        ),
        (
            "a forged token, which may name anybody",
            facts(&gate.knock(&with_token(&forged))),
            lines(&[
                "cause: the signature does not verify",
                "issuer: https://id.example",
            ]),
        ),
        (
            "another issuer, which may name anybody",
            of(r#"{"sub":"alice","iss":"https://evil.example","aud":"chat","exp":4000000000}"#),
            lines(&[
                "cause: iss is not in JWT_ISSUER",
                r#"detail: iss is "https://evil.example""#,
                "setting: JWT_ISSUER",
                "issuer: https://evil.example",
            ]),
        ),
    ]);
}

#[test]
fn a_used_up_quota_says_which_whose_and_until_when() {
    let quota = |name: &str, key| {
        let gate = Scripted::with(&[(name, "1/1m")]);
        gate.knock(&upgrade_with_key(ALICE, 'A'));
        facts(&gate.knock(&upgrade_with_key(ALICE, key)))
    };
    let row = |setting: &str, party: &str| {
        vec![
            "cause: known in this isolate".to_owned(),
            "detail: 1/1m".to_owned(),
            format!("setting: {setting}"),
            format!("party: {party}"),
            "until: 2027-01-15T08:01:00.000Z".to_owned(),
        ]
    };
    let known = ["subject: alice", "issuer: https://id.example"];
    let with = |mut row: Vec<String>, more: &[&str]| {
        row.extend(lines(more));
        row
    };
    assert_rows([
        (
            "address",
            quota("RATE_LIMIT_IP", 'B'),
            row("RATE_LIMIT_IP", "ip 192.0.2.7"),
        ),
        (
            "user",
            quota("RATE_LIMIT_USER", 'B'),
            with(row("RATE_LIMIT_USER", "user alice"), &known),
        ),
        (
            "route",
            quota("RATE_LIMIT_ROUTE", 'B'),
            row("RATE_LIMIT_ROUTE", "route /*"),
        ),
    ]);
}

#[test]
fn full_sockets_say_how_many_there_may_be() {
    let gate = Scripted::with(&[("MAX_SOCKETS_USER", "1")]);
    let held = gate.send(&upgrade_with_key(ALICE, 'A'));
    assert_eq!(held.what, "socket");
    // The passage was dropped with its channel, but the slot stays until the channel is lost.
    let answer = gate.knock(&upgrade_with_key(ALICE, 'B'));
    assert_eq!(
        facts(&answer),
        [
            "cause: the answer of the user's ledger",
            "detail: 1",
            "setting: MAX_SOCKETS_USER",
            "party: user alice",
            "subject: alice",
            "issuer: https://id.example",
        ]
    );
}

#[test]
fn a_denial_says_which_one_hit() {
    let denied = |end, about: &str, until| {
        let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN)]);
        gate.registry
            .borrow_mut()
            .push_back(RegistryResponse::Refused {
                end,
                by: Some(DeniedBy {
                    id: "0a".into(),
                    about: about.into(),
                    until,
                }),
            });
        facts(&gate.knock(&upgrade(ALICE)))
    };
    assert_rows([
        (
            "a revocation",
            denied(DenialReason::Revoked, "sub", NOW + seconds(60)),
            lines(&[
                "cause: the registry's answer",
                "party: sub alice",
                "until: 2027-01-15T08:01:00.000Z",
                "denial: 0a",
                "subject: alice",
                "issuer: https://id.example",
            ]),
        ),
        (
            "a ban for ever",
            denied(DenialReason::Banned, "ip", Timestamp::LATEST),
            lines(&[
                "cause: banned by an administrator",
                "setting: ADMIN_TOKEN",
                "party: ip 192.0.2.7",
                "denial: 0a",
                "subject: alice",
                "issuer: https://id.example",
            ]),
        ),
    ]);
}

#[test]
fn a_path_without_a_route_and_a_server_that_fails_are_named() {
    let gate = Scripted::with(&[(
        "ROUTES",
        r#"[{"path":"/rooms/{room}","upstream_url":"wss://rooms.example:8443/app"}]"#,
    )]);
    let at = |url: &str| facts(&gate.knock(&upgrade(ALICE).url(url)));
    let nowhere = at("https://gate.example/other?ticket=secret");
    *gate.upstream.borrow_mut() = Err(UpstreamFailure::TimedOut);
    let failed = at("https://gate.example/rooms/7?ticket_of=secret");
    assert_rows([
        (
            "no route",
            nowhere,
            lines(&[
                "cause: no route or endpoint matches",
                "setting: ROUTES",
                "path: /other",
            ]),
        ),
        (
            "a server that fails",
            failed,
            lines(&[
                "cause: no answer in time",
                "setting: UPSTREAM_TIMEOUT",
                "path: /rooms/7",
                "upstream: https://rooms.example:8443",
                "subject: alice",
                "issuer: https://id.example",
            ]),
        ),
    ]);
}

#[test]
fn a_ban_is_recorded_when_it_begins() {
    let gate = Scripted::with(&[("BAN_AFTER", "2/1m for 1h"), ("RATE_LIMIT_IP", "off")]);
    let forged = || {
        let mut token = token(ALICE);
        token.insert(token.len() - 10, 'x');
        with_token(&token)
    };
    for _ in 0..2 {
        gate.send(&forged());
    }
    let mut lines = gate.finish();
    assert_eq!(lines, Vec::<String>::new());
    let records = gate.recorded.take();
    let [ban] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(
        (
            ban.outcome.name(),
            ban.reason,
            ban.cause.as_deref(),
            ban.party.as_deref(),
            ban.until.as_deref(),
            ban.setting
        ),
        (
            "banned",
            Some("token_invalid"),
            Some("2/1m refused attempts, the last one for token_invalid"),
            Some("ip 192.0.2.7"),
            Some("2027-01-15T09:00:00.000Z"),
            Some("BAN_AFTER"),
        )
    );
    let refused = gate.send(&upgrade(ALICE));
    assert_eq!(
        facts(&refused)[1..],
        [
            "setting: BAN_AFTER",
            "party: ip 192.0.2.7",
            "until: 2027-01-15T09:00:00.000Z"
        ]
    );
    lines = gate.finish();
    assert_eq!((lines, gate.recorded.take().len()), (Vec::new(), 0));
}

#[test]
fn every_setting_that_a_remedy_names_exists() {
    let known: Vec<_> = settings::descriptions()
        .iter()
        .map(|description| description.setting.name())
        .collect();
    let is_name = |word: &&str| {
        word.len() > 3
            && word.contains('_')
            && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    for (reason, _) in crate::response::rows() {
        let rejection = reason.because("");
        let words: Vec<_> = rejection
            .remedy()
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .collect();
        for name in words.iter().copied().filter(|word| is_name(word)) {
            assert!(known.contains(&name), "{name} in {:?}", rejection.remedy());
        }
        let setting = rejection.setting();
        assert!(
            setting.is_none_or(|setting| known.contains(&setting)),
            "{setting:?}"
        );
        assert!(rejection.remedy().ends_with('.'), "{}", rejection.remedy());
    }
}
