//! A key set by URL: when it is fetched, what is taken of it, and how long it serves.

use std::rc::Rc;
use std::time::Duration;

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{
    Authentication, Document, Expectations, Fetch, Issuer, KeySources, RemoteKeys,
};

use crate::common::claims::invalid;
use crate::common::runtime::{Bench, admit, gate_of};
use crate::common::{NOW, RFC8037_X, Signer, assert_rows, ms, rfc8037_key, seconds};

const URL: &str = "https://id.example.com/jwks";
const HOUR: Duration = Duration::from_hours(1);

fn remote() -> Rc<RemoteKeys> {
    Rc::new(RemoteKeys::new(URL.into(), Vec::new(), HOUR))
}

fn okp(id: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}","kid":"{id}"}}"#)
}

fn set(jwks: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

/// What the provider gives at `NOW` and so many milliseconds.
fn document(text: &str, max_age: Option<u64>, after: u64) -> Result<Document, String> {
    Ok(Document {
        text: text.to_owned(),
        max_age: max_age.map(seconds),
        since: NOW + ms(after),
    })
}

/// Keys that were fetched at `NOW` and are fresh for 100 s: ahead of their expiry from 80 s on,
/// stale from 100 s to an hour more.
fn fetched() -> Rc<RemoteKeys> {
    let keys = remote();
    keys.begin(NOW, false);
    let taken = keys.take(document(&set(&[okp("a")]), Some(100), 0), NOW);
    assert_eq!(taken.remarks, Vec::<String>::new());
    keys
}

/// What to do at `NOW` and so many milliseconds, and whether there are keys.
fn at(keys: &RemoteKeys, after: u64, lacks_key: bool) -> (Fetch, bool) {
    let now = NOW + ms(after);
    (keys.need(now, lacks_key), keys.ring(now).is_some())
}

#[test]
fn a_set_is_fetched_when_first_needed_and_again_after_a_cooldown() {
    let keys = remote();
    assert_eq!(at(&keys, 0, false), (Fetch::First, false));
    keys.begin(NOW, false);
    assert_rows([
        ("joined at once", at(&keys, 0, false), (Fetch::First, false)),
        (
            "joined while it may end",
            at(&keys, 4_999, false),
            (Fetch::First, false),
        ),
        (
            "anew when it can't",
            at(&keys, 5_000, false),
            (Fetch::First, false),
        ),
    ]);
    keys.take(Err("down".into()), NOW + ms(100));
    assert_rows([
        ("just failed", at(&keys, 101, false), (Fetch::No, false)),
        ("cooling", at(&keys, 4_999, false), (Fetch::No, false)),
        ("cool", at(&keys, 5_000, false), (Fetch::First, false)),
    ]);
    assert_eq!(keys.failure(), "the key set can't be had: down");
    assert_eq!(
        remote().failure(),
        "the key set can't be had: not fetched yet"
    );
}

#[test]
fn a_set_serves_while_fresh_is_refreshed_behind_and_serves_while_stale() {
    let keys = fetched();
    let end = 100_000 + 3_600_000;
    assert_rows([
        ("fresh", at(&keys, 1, false), (Fetch::No, true)),
        (
            "just before the last fifth",
            at(&keys, 79_999, false),
            (Fetch::No, true),
        ),
        (
            "the last fifth",
            at(&keys, 80_000, false),
            (Fetch::Background, true),
        ),
        (
            "expired",
            at(&keys, 100_000, false),
            (Fetch::Background, true),
        ),
        (
            "stale",
            at(&keys, end - 1, false),
            (Fetch::Background, true),
        ),
        ("too old", at(&keys, end, false), (Fetch::First, false)),
        (
            "an unknown key, though the first fetch was just now",
            at(&keys, 4_999, true),
            (Fetch::First, true),
        ),
        (
            "unknown key, cool",
            at(&keys, 5_000, true),
            (Fetch::First, true),
        ),
        (
            "unknown key, stale",
            at(&keys, 100_000, true),
            (Fetch::First, true),
        ),
    ]);
}

#[test]
fn one_fetch_at_a_time() {
    let keys = fetched();
    keys.begin(NOW + ms(80_000), false);
    assert_rows([
        (
            "behind already",
            at(&keys, 80_001, false),
            (Fetch::No, true),
        ),
        (
            "unknown key joins",
            at(&keys, 80_001, true),
            (Fetch::First, true),
        ),
        (
            "a dead one is not joined",
            at(&keys, 85_000, false),
            (Fetch::Background, true),
        ),
    ]);
    keys.take(Err("down".into()), NOW + ms(80_100));
    assert_rows([
        (
            "failed, cooling",
            at(&keys, 84_999, false),
            (Fetch::No, true),
        ),
        (
            "failed, an unknown key, for which nobody asked yet",
            at(&keys, 84_999, true),
            (Fetch::First, true),
        ),
        (
            "failed, cool",
            at(&keys, 85_000, false),
            (Fetch::Background, true),
        ),
    ]);
}

/// Nobody is refused for want of keys that are just being fetched.
#[test]
fn a_set_that_is_too_old_is_waited_for_by_all() {
    let keys = fetched();
    let too_old = 100_000 + 3_600_000;
    assert_eq!(at(&keys, too_old, false), (Fetch::First, false));
    keys.begin(NOW + ms(too_old), false);
    assert_rows([
        (
            "joined",
            at(&keys, too_old + 1, false),
            (Fetch::First, false),
        ),
        (
            "joined later",
            at(&keys, too_old + 4_999, false),
            (Fetch::First, false),
        ),
    ]);
}

#[test]
fn a_provider_says_how_long_within_bounds() {
    let behind_from = |max_age: Option<u64>| {
        let keys = remote();
        keys.begin(NOW, false);
        keys.take(document(&set(&[okp("a")]), max_age, 0), NOW);
        let mut waits = (0..=24 * 3600).step_by(4);
        waits.find(|after| keys.need(NOW + seconds(*after), false) == Fetch::Background)
    };
    let fifth_of = |fresh: u64| Some((fresh - fresh / 5).next_multiple_of(4));
    assert_rows([
        ("nothing", behind_from(None), fifth_of(300)),
        ("0", behind_from(Some(0)), fifth_of(60)),
        ("1 s", behind_from(Some(1)), fifth_of(60)),
        ("1 min", behind_from(Some(60)), fifth_of(60)),
        ("10 min", behind_from(Some(600)), fifth_of(600)),
        ("1 day", behind_from(Some(86_400)), fifth_of(86_400)),
        ("1 year", behind_from(Some(31_536_000)), fifth_of(86_400)),
        ("for ever", behind_from(Some(u64::MAX)), fifth_of(86_400)),
    ]);
}

#[test]
fn the_same_text_keeps_the_ring_and_another_does_not() {
    let keys = fetched();
    let ring = |after| keys.ring(NOW + ms(after)).expect("keys");
    let first = ring(0);
    let at_90 = NOW + ms(90_000);
    keys.take(document(&set(&[okp("a")]), Some(200), 90_000), at_90);
    assert!(Rc::ptr_eq(&first, &ring(90_000)));
    assert_eq!(
        at(&keys, 249_999, false),
        (Fetch::No, true),
        "and is fresh anew"
    );
    keys.take(document(&set(&[okp("b")]), None, 91_000), NOW + ms(91_000));
    assert!(!Rc::ptr_eq(&first, &ring(91_000)));
}

fn gate() -> Authentication {
    gate_of([Issuer {
        keys: KeySources {
            remote: Some(remote()),
            ..KeySources::default()
        },
        expectations: Expectations::default(),
    }])
}

fn token(id: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{id}"}}"#);
    Signer::Ed25519(&rfc8037_key()).token(&header, r#"{"exp":1900000000}"#)
}

/// One isolate's day: each step says when, by which key's token, what is answered and fetched.
#[test]
fn a_day_with_a_provider() {
    let bench = Bench::at(NOW);
    let gate = gate();
    let step =
        |name: &str, after: u64, id: &str, verdict: Result<(), Rejection>, fetched: &[&str]| {
            bench.now.set(NOW + seconds(after));
            assert_eq!(
                admit(&bench, &gate, &token(id)).map(|_| ()),
                verdict,
                "{name}"
            );
            let hows: Vec<_> = bench.take_fetched().iter().map(|(_, how)| *how).collect();
            assert_eq!(hows, fetched, "{name}");
        };
    let down = || {
        let retry_after = seconds(5);
        Err(Reason::ProviderUnavailable { retry_after }.because("the key set can't be had: down"))
    };
    let no_key = || invalid("no key for this alg and kid");
    step("down at first", 0, "a", down(), &["any cache"]);
    step("not asked again at once", 1, "a", down(), &[]);
    bench.publish(URL, &set(&[okp("a")]));
    step("up", 10, "a", Ok(()), &["any cache"]);
    step("kept", 11, "a", Ok(()), &[]);
    step(
        "a new key is asked for once",
        12,
        "b",
        no_key(),
        &["provider"],
    );
    step("and not again at once", 15, "b", no_key(), &[]);
    step("and not again at once", 16, "c", no_key(), &[]);
    step("others are served meanwhile", 16, "a", Ok(()), &[]);
    bench.publish(URL, &set(&[okp("a"), okp("b")]));
    step("rotated", 20, "b", Ok(()), &["provider"]);
    step("the old one serves on", 21, "a", Ok(()), &[]);
    step("ahead of expiry", 260, "a", Ok(()), &["behind"]);
    step("while that is under way", 261, "a", Ok(()), &[]);
    bench.publish(URL, &set(&[okp("b")]));
    bench.finish_background();
    step("a withdrawn key", 262, "a", no_key(), &["provider"]);
    step("the new one", 263, "b", Ok(()), &[]);
    bench.provider.borrow_mut().clear();
    step("down, behind", 600, "b", Ok(()), &["behind"]);
    bench.finish_background();
    step("stale serves", 601, "b", Ok(()), &[]);
    step("and serves", 4_160, "b", Ok(()), &["behind"]);
    bench.finish_background();
    step("for an hour", 4_162, "b", down(), &[]);
    step("for an hour", 4_165, "b", down(), &["any cache"]);
    bench.publish(URL, &set(&[okp("b")]));
    step("up again", 4_170, "b", Ok(()), &["any cache"]);
}
