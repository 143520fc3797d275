//! Sorting in little code. The standard library's sort, and `collect` into a `BTreeMap`, which sorts
//! too, take 4 KB of WASM for each type that they are used with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The items in the order of `compare`. Equal ones keep theirs.
pub fn sorted_by<T>(items: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let order = sorted_places(items.len(), &|one, other| {
        compare(&items[one], &items[other])
    });
    let mut items: Vec<_> = items.into_iter().map(Some).collect();
    let sorted = order.into_iter().filter_map(|place| items[place].take());
    sorted.collect()
}

/// The places from 0 to `count` in the order of `compare`. Equal ones keep theirs.
fn sorted_places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<_> = (0..count).collect();
    places.sort_by(|one, other| compare(*one, *other));
    places
}

/// A map of these entries. Of several with one key, the last stays.
pub fn map_of<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}
