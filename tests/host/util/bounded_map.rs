//! The bounded map, against a plain list that does the same slowly.

use portcullis::util::bounded_map::BoundedMap;
use proptest::prelude::*;

const MAX_ENTRIES: usize = 4;
const MAX_WEIGHT: usize = 20;

fn weighted() -> BoundedMap<u8, Vec<u8>> {
    BoundedMap::with_weight(MAX_ENTRIES, MAX_WEIGHT, Vec::len)
}

#[test]
fn the_entry_inserted_first_leaves_first() {
    let mut map = BoundedMap::new(2);
    for key in ["a", "b", "c"] {
        map.insert(key, ());
    }
    let held = ["a", "b", "c"].map(|key| map.contains_key(key));
    assert_eq!((held, map.len()), ([false, true, true], 2));
}

#[test]
fn a_replaced_value_keeps_its_place() {
    let mut map = BoundedMap::new(2);
    for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
        map.insert(key, value);
    }
    assert_eq!((map.get("a"), map.get("b")), (Some(&3), Some(&2)));
    map.insert("c", 4);
    assert_eq!((map.get("a"), map.get("b")), (None, Some(&2)));
}

#[test]
fn a_value_heavier_than_the_map_may_be_does_not_stay() {
    let mut map = weighted();
    map.insert(1, vec![0; MAX_WEIGHT]);
    map.insert(2, vec![0; MAX_WEIGHT + 1]);
    assert!(map.is_empty());
    map.insert(3, vec![0; MAX_WEIGHT]);
    assert_eq!(map.len(), 1);
}

/// The same by a list, oldest first.
fn insert(list: &mut Vec<(u8, usize)>, key: u8, weight: usize) {
    match list.iter_mut().find(|(known, _)| *known == key) {
        Some(entry) => entry.1 = weight,
        None => list.push((key, weight)),
    }
    let is_over = |list: &[(u8, usize)]| {
        let weight: usize = list.iter().map(|(_, weight)| weight).sum();
        list.len() > MAX_ENTRIES || weight > MAX_WEIGHT
    };
    while is_over(list) {
        list.remove(0);
    }
}

proptest! {
    #[test]
    fn it_holds_what_a_list_would(
        inserts in prop::collection::vec((0..8_u8, 0..MAX_WEIGHT + 2), 0..60),
    ) {
        let (mut map, mut list) = (weighted(), Vec::new());
        for (key, weight) in inserts {
            map.insert(key, vec![0; weight]);
            insert(&mut list, key, weight);
            for key in 0..8 {
                let expected = list.iter().find(|(known, _)| *known == key);
                let expected = expected.map(|(_, weight)| *weight);
                prop_assert_eq!(map.get(&key).map(Vec::len), expected);
            }
        }
    }
}
