//! Shares of a whole.

use portcullis::util::share::Share;
use proptest::prelude::*;

use crate::common::assert_rows;

#[test]
fn a_share_has_its_part_of_all_points() {
    let first = |text: &str| {
        let share = Share::parse(text).expect("a percentage");
        // The first of 1,000,000 equal parts that is outside.
        (0..=1_000_000_u64).find(|part| {
            let point = u128::from(*part) << 64;
            let point = point.div_ceil(1_000_000).min(u128::from(u64::MAX));
            !share.contains(point as u64)
        })
    };
    assert_rows([
        ("none", first("0%"), Some(0)),
        ("the smallest", first("0.0001%"), Some(1)),
        ("a half per cent", first("0.5%"), Some(5000)),
        ("ten", first("10%"), Some(100_000)),
        ("nearly all", first("99.9999%"), Some(999_999)),
        ("all", first("100%"), None),
    ]);
}

proptest! {
    #[test]
    fn a_larger_share_contains_a_smaller_one(
        point: u64,
        one in 0..=1_000_000_u32,
        other in 0..=1_000_000_u32,
    ) {
        let share = |part: u32| {
            Share::parse(&format!("{}.{:04}%", part / 10_000, part % 10_000)).expect("sound")
        };
        let (small, large) = (share(one.min(other)), share(one.max(other)));
        prop_assert!(!small.contains(point) || large.contains(point));
        prop_assert!(small <= large);
    }
}
