//! The most frequent texts in bounded memory.

use std::collections::BTreeMap;

use portcullis::metrics::HeavyHitters;
use proptest::prelude::*;

fn summary(texts: &[u8]) -> HeavyHitters<4> {
    let mut summary = HeavyHitters::default();
    for text in texts {
        summary.note(&text.to_string());
    }
    summary
}

proptest! {
    /// By how much Misra and Gries may be wrong.
    #[test]
    fn counts_are_lower_bounds_and_nothing_frequent_is_lost(
        one in proptest::collection::vec(0..12_u8, 0..200),
        other in proptest::collection::vec(0..12_u8, 0..200),
    ) {
        let mut merged = summary(&one);
        merged.merge(&summary(&other));
        let mut exact: BTreeMap<String, u64> = BTreeMap::new();
        for text in one.iter().chain(&other) {
            *exact.entry(text.to_string()).or_default() += 1;
        }
        let most_lost = (one.len() + other.len()) as u64 / 5;
        let top = merged.top(usize::MAX);
        prop_assert!(top.len() <= 4);
        for (text, count) in &exact {
            let known = top.iter().find(|(known, _)| known == text);
            let known = known.map_or(0, |(_, count)| *count);
            prop_assert!(known <= *count);
            prop_assert!(known + most_lost >= *count, "{text}: {known} of {count}");
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_not_counted() {
    let mut summary = HeavyHitters::<4>::default();
    summary.note(&"x".repeat(257));
    assert!(summary.is_empty());
    summary.note(&"x".repeat(256));
    assert_eq!(summary.top(1)[0].1, 1);
}
