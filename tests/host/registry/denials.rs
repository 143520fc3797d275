//! What is stored of revocations, bans and disconnections: objects agree in whatever order they
//! are told.

use crate::common::{NOW, assert_rows, cases, ms};
use portcullis::registry::{Mark, Verb};
use portcullis::util::time::Timestamp;
use proptest::prelude::*;

fn after(milliseconds: u64) -> Timestamp {
    NOW + ms(milliseconds)
}

#[test]
fn what_is_over_or_passes_soon_needs_no_room() {
    let needs = |verb, until| {
        let mark = Mark { before: NOW, until };
        mark.needs_room(verb, NOW)
    };
    assert_rows([
        ("a revocation", needs(Verb::Revoke, after(1)), true),
        ("a ban", needs(Verb::Ban, after(1)), true),
        ("one that is over", needs(Verb::Ban, NOW), false),
        ("one that is lifted", needs(Verb::Ban, Timestamp(0)), false),
        ("a disconnection", needs(Verb::Kick, after(1)), false),
    ]);
}

#[test]
fn what_changes_nothing_is_not_stored_again_and_what_does_is() {
    let mark = |before, until| Mark {
        before: after(before),
        until: after(until),
    };
    let is_new = |verb, before, until| {
        let stored = Some(mark(500, 1000));
        mark(before, until).over(verb, stored).is_new
    };
    assert!(mark(500, 1000).over(Verb::Revoke, None).is_new);
    assert_rows([
        ("the same", is_new(Verb::Revoke, 500, 1000), false),
        ("less", is_new(Verb::Revoke, 400, 900), false),
        ("of later tokens", is_new(Verb::Revoke, 501, 900), true),
        ("for longer", is_new(Verb::Revoke, 400, 1001), true),
        ("the same ban", is_new(Verb::Ban, 500, 1000), false),
        ("an earlier word", is_new(Verb::Ban, 499, 2000), false),
        ("a later word", is_new(Verb::Ban, 501, 0), true),
        ("a longer ban", is_new(Verb::Ban, 500, 1001), true),
        ("a disconnection", is_new(Verb::Kick, 501, 1001), true),
    ]);
}

#[test]
fn the_later_word_about_a_ban_counts_whatever_the_clocks_say() {
    let ban = Mark {
        before: after(500),
        until: after(1000),
    };
    // The object's clock was set back since.
    let spoken = Mark::spoken(Some(ban), NOW);
    assert!(spoken > ban.before);
    let lifted = Mark {
        before: spoken,
        until: Timestamp(0),
    };
    assert_eq!(lifted.over(Verb::Ban, Some(ban)).stored, lifted);
    assert_eq!(ban.over(Verb::Ban, Some(lifted)).stored, lifted);
    assert_eq!(Mark::spoken(Some(ban), after(600)), after(600));
    assert_eq!(Mark::spoken(None, NOW), NOW);
}

fn marks() -> impl Strategy<Value = Vec<Mark>> {
    let mark = (0..5u64, 0..5u64).prop_map(|(before, until)| Mark {
        before: Timestamp(before),
        until: Timestamp(until),
    });
    prop::collection::vec(mark, 1..6)
}

fn stored(verb: Verb, marks: &[Mark]) -> Option<Mark> {
    marks
        .iter()
        .fold(None, |stored, mark| Some(mark.over(verb, stored).stored))
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn objects_agree_in_whatever_order_and_however_often_marks_arrive(
        marks in marks(),
        shuffled in marks().prop_shuffle(),
        verb in prop::sample::select(vec![Verb::Ban, Verb::Revoke, Verb::Kick]),
    ) {
        let mut all = [marks.clone(), shuffled.clone()].concat();
        let first = stored(verb, &all);
        all.reverse();
        prop_assert_eq!(stored(verb, &all), first);
        all.extend(shuffled);
        prop_assert_eq!(stored(verb, &all), first);
    }

    #[test]
    fn a_revocation_is_never_narrowed(marks in marks(), more in marks()) {
        let before = stored(Verb::Revoke, &marks).expect("at least one");
        let after = stored(Verb::Revoke, &[marks, more].concat()).expect("at least one");
        prop_assert!(after.before >= before.before && after.until >= before.until);
    }
}
