//! What an isolate knows of exhausted quotas and bans.

use portcullis::limits::deny_cache::{DenyCache, WaitKind};

use crate::common::{NOW, assert_rows, ms, seconds};

const HERE: &str = "ip 192.0.2.7";

fn limited(wait: u64) -> DenyCache {
    let mut known = DenyCache::default();
    known.note_limit(HERE, "", ms(wait), WaitKind::Fixed, NOW);
    known
}

#[test]
fn a_party_waits_until_its_wait_is_over() {
    let known = limited(61_500);
    let limit = |ledger, group, after| known.limit(ledger, group, NOW + after);
    assert_rows([
        ("at once", limit(HERE, "", ms(0)), Some(ms(61_500))),
        (
            "a millisecond before",
            limit(HERE, "", ms(61_499)),
            Some(ms(1)),
        ),
        ("when it is over", limit(HERE, "", ms(61_500)), None),
        ("later", limit(HERE, "", seconds(100)), None),
        ("another address", limit("ip 192.0.2.8", "", ms(0)), None),
        ("another group", limit(HERE, "/a", ms(0)), None),
        ("no ban", known.ban(HERE, NOW), None),
    ]);
}

/// A ban may be lifted, an admission given back: then the ledger says so within seconds.
#[test]
fn what_may_end_early_is_trusted_for_five_seconds() {
    let mut known = DenyCache::default();
    known.note_ban(HERE, seconds(60), NOW);
    known.note_limit(HERE, "", seconds(60), WaitKind::MayEndEarly, NOW);
    let after = |wait| {
        let now = NOW + wait;
        (known.ban(HERE, now), known.limit(HERE, "", now))
    };
    let both = |wait| (Some(wait), Some(wait));
    assert_rows([
        ("at once", after(ms(0)), both(seconds(60))),
        ("a millisecond before", after(ms(4999)), both(ms(55_001))),
        ("then", after(ms(5000)), (None, None)),
    ]);
    known.note_ban(HERE, seconds(1), NOW);
    assert_eq!(known.ban(HERE, NOW + ms(999)), Some(ms(1)));
    assert_eq!(known.ban(HERE, NOW + seconds(1)), None);
}

#[test]
fn the_newest_counts_and_no_wait_ends_one() {
    let mut known = DenyCache::default();
    let note =
        |known: &mut DenyCache, wait, now| known.note_limit(HERE, "", wait, WaitKind::Fixed, now);
    note(&mut known, ms(0), NOW);
    assert_eq!(known.limit(HERE, "", NOW), None);
    note(&mut known, seconds(5), NOW);
    note(&mut known, seconds(2), NOW);
    assert_eq!(known.limit(HERE, "", NOW), Some(seconds(2)));
    note(&mut known, seconds(9), NOW + seconds(1));
    assert_eq!(known.limit(HERE, "", NOW + seconds(1)), Some(seconds(9)));
    note(&mut known, ms(0), NOW + seconds(2));
    assert_eq!(known.limit(HERE, "", NOW + seconds(2)), None);
}

/// Not longer than the quota's window, as in the ledger.
#[test]
fn a_clock_that_jumps_back_locks_nobody_out_for_longer_than_a_window() {
    let known = limited(60_000);
    assert_eq!(known.limit(HERE, "", NOW - seconds(3600)), None);
}

#[test]
fn ten_thousand_waits_are_remembered_and_the_first_noted_goes_first() {
    let mut known = DenyCache::default();
    let note = |known: &mut DenyCache, number: u32| {
        known.note_limit(
            &format!("ip {number}"),
            "",
            seconds(60),
            WaitKind::Fixed,
            NOW,
        );
    };
    for number in 0..10_000 {
        note(&mut known, number);
    }
    note(&mut known, 1);
    let waits =
        |known: &DenyCache, number: u32| known.limit(&format!("ip {number}"), "", NOW).is_some();
    assert!((0..10_000).all(|number| waits(&known, number)));
    note(&mut known, 10_000);
    assert!(!waits(&known, 0));
    assert!((1..=10_000).all(|number| waits(&known, number)));
}
