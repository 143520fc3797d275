//! The keys that sockets are found by, the objects that keep them, and how they are listed.

use std::collections::BTreeSet;

use portcullis::registry::{
    Claim, RegistryKey, SHARDS, Socket, oldest, session_key, shard_of, subject_key,
};
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use proptest::prelude::*;
use serde_json::json;

use crate::common::registry::{ALICE, after, alice, entry, identity};
use crate::common::{assert_rows, cases};

#[test]
fn a_list_that_is_cut_has_the_oldest_and_says_so() {
    let socket = |since: u64, id: &str| Socket {
        id: id.into(),
        since: after(since),
        ..alice().socket
    };
    let all = [(3, "c"), (1, "z"), (2, "b"), (1, "a")];
    let list = |max| {
        let sockets = all.map(|(since, id)| socket(since, id)).to_vec();
        let (sockets, are_more) = oldest(sockets, max);
        let ids: String = sockets.into_iter().map(|socket| socket.id).collect();
        (ids, are_more)
    };
    assert_rows([
        ("more than fit", list(3), ("azb".to_owned(), true)),
        ("as many", list(4), ("azbc".to_owned(), false)),
        ("fewer", list(5), ("azbc".to_owned(), false)),
        ("none", list(0), (String::new(), true)),
    ]);
}

#[test]
fn a_socket_has_no_more_keys_than_the_platform_has_tags_and_none_is_too_long() {
    let long = "ü".repeat(3000);
    let claims = json!({"iss": long, "sub": long, "sid": long, "jti": long}).to_string();
    let entry = entry("2001:db8::1", Some(&identity(&claims)));
    assert!(entry.tags().len() <= 10, "{}", entry.tags().len());
    for key in entry.keys.iter().chain([&entry.owner]) {
        assert!(key.as_str().len() <= 256, "{}", key.as_str());
    }
    // The platform keeps 16 KiB of it, in two bytes a character at worst.
    assert!(entry.socket.to_json().len() < 8 << 10);
    let other = RegistryKey::claim(Claim::Subject, None, &format!("{long}!"));
    assert!(!entry.keys.contains(&other));
}

#[test]
fn sockets_are_found_by_what_their_objects_are_named_by() {
    let address = ClientAddress::parse(Some("192.0.2.7")).key(Ipv6Prefix::default());
    let alice = identity(ALICE);
    let subject = subject_key(&alice).expect("a subject");
    assert!(entry("192.0.2.7", Some(&alice)).keys.contains(&subject));
    let session = session_key(&alice).expect("a session");
    assert!(entry("192.0.2.7", Some(&alice)).keys.contains(&session));
    assert!(shard_of(Some(&alice), address) < SHARDS);
    // Wherever she comes from.
    let elsewhere = ClientAddress::parse(Some("198.51.100.1")).key(Ipv6Prefix::default());
    assert_eq!(
        shard_of(Some(&alice), address),
        shard_of(Some(&alice), elsewhere)
    );
    // Another issuer's are others, whatever they are called.
    let namesake = identity(&ALICE.replace("https://id", "https://other"));
    assert_ne!(subject_key(&namesake), Some(subject));
    assert_ne!(session_key(&namesake), Some(session));
    // Of whom nothing is known but the address.
    let nobody = identity("{}");
    assert_eq!(subject_key(&nobody), None);
    assert_eq!(shard_of(Some(&nobody), address), shard_of(None, address));
    let keys = entry("192.0.2.7", None).keys;
    assert_eq!(
        keys,
        [RegistryKey::socket("0123"), RegistryKey::address(address)]
    );
}

#[test]
fn all_objects_share_the_sockets() {
    let address =
        |at| ClientAddress::parse(Some(&format!("192.0.2.{at}"))).key(Ipv6Prefix::default());
    let subject = |at: u8| identity(&json!({"sub": at.to_string()}).to_string());
    let count = |shard_of: &dyn Fn(u8) -> u8| {
        let shards: BTreeSet<_> = (0..200).map(shard_of).collect();
        shards.len()
    };
    let all = usize::from(SHARDS);
    assert_eq!(count(&|at| shard_of(Some(&subject(at)), address(0))), all);
    assert_eq!(count(&|at| shard_of(None, address(at))), all);
    // What is about everybody is found by no tag, for sockets have none of that.
    assert_eq!(RegistryKey::all().tag(), None);
    let one = RegistryKey::socket("0123");
    assert_eq!(one.tag(), Some(&one));
}

#[test]
fn the_oldest_sockets_are_listed_in_whatever_order_they_are_found() {
    let socket = |id: &str, since| Socket {
        id: id.into(),
        since: after(since),
        ..alice().socket
    };
    let list = |found, max| {
        let (listed, truncated) = oldest(found, max);
        let ids = listed.into_iter().map(|socket| socket.id);
        (ids.collect::<Vec<_>>().join(" "), truncated)
    };
    let found = || {
        vec![
            socket("d", 9),
            socket("c", 5),
            socket("b", 5),
            socket("a", 7),
        ]
    };
    assert_rows([
        ("all", list(found(), 4), ("b c a d".into(), false)),
        ("some", list(found(), 3), ("b c a".into(), true)),
        ("none", list(Vec::new(), 3), (String::new(), false)),
    ]);
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn no_two_keys_read_alike(one in "\\PC{0,12}", two in "\\PC{0,12}", three in "\\PC{0,12}") {
        let key = |issuer: Option<&str>, value: &str| RegistryKey::claim(Claim::Subject, issuer, value);
        prop_assert_ne!(key(None, &one), key(Some(&one), &two));
        prop_assert_eq!(key(Some(&one), &two) == key(Some(&two), &three), one == two && two == three);
        prop_assert_eq!(key(None, &one) == key(None, &two), one == two);
    }
}
