//! How revocations, bans and disconnections merge with what is stored: all objects come to agree,
//! in whatever order denials reach them.

use crate::common::{NOW, assert_rows, cases, ms};
use portcullis::registry::{Denial, DenialKind};
use portcullis::util::time::Timestamp;
use proptest::prelude::*;

fn after(milliseconds: u64) -> Timestamp {
    NOW + ms(milliseconds)
}

#[test]
fn a_denial_that_ended_or_lasts_a_minute_needs_no_room() {
    let needs = |kind, until| {
        let denial = Denial { before: NOW, until };
        denial.needs_room(kind, NOW)
    };
    assert_rows([
        ("a revocation", needs(DenialKind::Revoke, after(1)), true),
        ("a ban", needs(DenialKind::Ban, after(1)), true),
        ("one that ended", needs(DenialKind::Ban, NOW), false),
        (
            "one that is lifted",
            needs(DenialKind::Ban, Timestamp(0)),
            false,
        ),
        (
            "a disconnection",
            needs(DenialKind::Disconnect, after(1)),
            false,
        ),
    ]);
}

#[test]
fn only_a_denial_that_changes_something_is_stored_again() {
    let denial = |before, until| Denial {
        before: after(before),
        until: after(until),
    };
    let is_new = |kind, before, until| {
        let stored = Some(denial(500, 1000));
        denial(before, until).over(kind, stored).is_new
    };
    assert!(denial(500, 1000).over(DenialKind::Revoke, None).is_new);
    assert_rows([
        ("an equal one", is_new(DenialKind::Revoke, 500, 1000), false),
        ("less", is_new(DenialKind::Revoke, 400, 900), false),
        (
            "of later tokens",
            is_new(DenialKind::Revoke, 501, 900),
            true,
        ),
        ("for longer", is_new(DenialKind::Revoke, 400, 1001), true),
        ("an equal ban", is_new(DenialKind::Ban, 500, 1000), false),
        ("an earlier ban", is_new(DenialKind::Ban, 499, 2000), false),
        ("a later ban", is_new(DenialKind::Ban, 501, 0), true),
        ("a longer ban", is_new(DenialKind::Ban, 500, 1001), true),
        (
            "a disconnection",
            is_new(DenialKind::Disconnect, 501, 1001),
            true,
        ),
    ]);
}

#[test]
fn the_later_ban_counts_whatever_the_clocks_say() {
    let ban = Denial {
        before: after(500),
        until: after(1000),
    };
    // The object's clock was set back since.
    let stamped = Denial::stamped(Some(ban), NOW);
    assert!(stamped > ban.before);
    let lifted = Denial {
        before: stamped,
        until: Timestamp(0),
    };
    assert_eq!(lifted.over(DenialKind::Ban, Some(ban)).stored, lifted);
    assert_eq!(ban.over(DenialKind::Ban, Some(lifted)).stored, lifted);
    assert_eq!(Denial::stamped(Some(ban), after(600)), after(600));
    assert_eq!(Denial::stamped(None, NOW), NOW);
}

fn denials() -> impl Strategy<Value = Vec<Denial>> {
    let denial = (0..5u64, 0..5u64).prop_map(|(before, until)| Denial {
        before: Timestamp(before),
        until: Timestamp(until),
    });
    prop::collection::vec(denial, 1..6)
}

fn stored(kind: DenialKind, denials: &[Denial]) -> Option<Denial> {
    denials.iter().fold(None, |stored, denial| {
        Some(denial.over(kind, stored).stored)
    })
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn objects_agree_in_whatever_order_and_however_often_denials_arrive(
        denials in denials(),
        shuffled in denials().prop_shuffle(),
        kind in prop::sample::select(vec![DenialKind::Ban, DenialKind::Revoke, DenialKind::Disconnect]),
    ) {
        let mut all = [denials.clone(), shuffled.clone()].concat();
        let first = stored(kind, &all);
        all.reverse();
        prop_assert_eq!(stored(kind, &all), first);
        all.extend(shuffled);
        prop_assert_eq!(stored(kind, &all), first);
    }

    #[test]
    fn a_revocation_is_never_narrowed(denials in denials(), more in denials()) {
        let before = stored(DenialKind::Revoke, &denials).expect("at least one");
        let after = stored(DenialKind::Revoke, &[denials, more].concat()).expect("at least one");
        prop_assert!(after.before >= before.before && after.until >= before.until);
    }
}
