//! What isolates share of a key set by the platform's cache.

use std::rc::Rc;
use std::time::Duration;

use portcullis::token::{Document, Fetch, RemoteKeys, SetUpdate, SharedCopy};

use crate::common::{NOW, RFC8037_X, assert_rows, ms, seconds};

fn remote() -> RemoteKeys {
    let url = "https://id.example.com/jwks".into();
    RemoteKeys::new(url, Vec::new(), Duration::ZERO)
}

fn set(id: &str) -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}","kid":"{id}"}}]}}"#)
}

/// What the provider gave at `NOW` and so many milliseconds, for 100 s.
fn given(text: &str, after: u64) -> Document {
    Document {
        text: text.to_owned(),
        max_age: Some(seconds(100)),
        since: NOW + ms(after),
    }
}

fn take(keys: &RemoteKeys, document: &Document, after: u64) -> SetUpdate {
    keys.take(Ok(document.clone()), NOW + ms(after))
}

fn shared(document: &Document, keep: u64) -> SetUpdate {
    let document = document.clone();
    let keep = ms(keep);
    let copy = Some(SharedCopy { document, keep });
    let remarks = Vec::new();
    SetUpdate { remarks, copy }
}

#[test]
fn a_sound_set_is_shared_once_until_it_is_refreshed_ahead() {
    let keys = remote();
    let first = given(&set("a"), 0);
    let later = given(&set("a"), 80_000);
    let other = given(&set("b"), 90_000);
    let unsound = given("{}", 95_000);
    let down = keys.take(Err("down".into()), NOW);
    assert_eq!(down.copy, None);
    assert_rows([
        ("new", take(&keys, &first, 200), shared(&first, 79_800)),
        (
            "by another who waited",
            take(&keys, &first, 200),
            SetUpdate::default(),
        ),
        (
            "the same, later",
            take(&keys, &later, 80_000),
            shared(&later, 80_000),
        ),
        (
            "another",
            take(&keys, &other, 90_000),
            shared(&other, 80_000),
        ),
        (
            "unsound",
            take(&keys, &unsound, 95_000),
            SetUpdate {
                remarks: vec!["the key set has no array keys".into()],
                copy: None,
            },
        ),
    ]);
}

/// Its time runs from when the provider gave it, in whatever isolate it then is.
#[test]
fn a_copy_is_as_old_as_it_is() {
    let keys = remote();
    take(&keys, &given(&set("a"), 0), 79_999);
    let need = |after| keys.need(NOW + ms(after), false);
    assert_eq!([need(79_999), need(80_000)], [Fetch::No, Fetch::Background]);
    let serves = |after| keys.ring(NOW + ms(after)).is_some();
    assert_eq!([serves(99_999), serves(100_000)], [true, false]);
    assert_eq!(keys.since(), Some(NOW));
}

#[test]
fn a_copy_that_is_older_than_the_set_at_hand_changes_nothing() {
    let keys = remote();
    take(&keys, &given(&set("b"), 1_000), 1_000);
    let ring = keys.ring(NOW + ms(1_000)).expect("keys");
    let older = take(&keys, &given(&set("a"), 999), 1_000);
    assert_eq!(older, SetUpdate::default());
    let now = keys.ring(NOW + ms(1_000)).expect("keys");
    assert!(Rc::ptr_eq(&ring, &now));
    assert_eq!(keys.since(), Some(NOW + ms(1_000)));
}

/// Clocks of machines differ: no copy is fresh longer than one that is new now.
#[test]
fn a_copy_of_the_future_is_of_now() {
    let keys = remote();
    take(&keys, &given(&set("a"), 3_600_000), 0);
    assert_eq!(keys.since(), Some(NOW));
}
