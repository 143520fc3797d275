//! Sorting, against the standard library.

use std::collections::BTreeMap;

use portcullis::util::sorting::{map_of, sorted_by};
use proptest::prelude::*;

proptest! {
    #[test]
    fn items_are_sorted_and_equal_ones_keep_their_order(
        items in prop::collection::vec((0..8_u8, any::<u16>()), 0..100),
    ) {
        let sorted = sorted_by(items.clone(), |one, other| one.0.cmp(&other.0));
        let mut expected = items;
        expected.sort_by_key(|item| item.0);
        prop_assert_eq!(sorted, expected);
    }

    #[test]
    fn the_last_of_several_entries_with_one_key_stays(
        entries in prop::collection::vec((0..8_u8, any::<u16>()), 0..100),
    ) {
        let expected: BTreeMap<_, _> = entries.iter().copied().collect();
        prop_assert_eq!(map_of(entries), expected);
    }
}
