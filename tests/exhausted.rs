//! What an isolate knows of exhausted quotas.

mod common;

use common::{NOW, assert_rows, ms, seconds};
use portcullis::client::ClientAddress;
use portcullis::exhausted::Exhausted;
use portcullis::ledger::Quota;
use portcullis::rejection::Reason;

/// The name of an address's ledger.
fn ledger(address: &str) -> String {
    ClientAddress::parse(Some(address)).key().to_string()
}

fn numbered(number: u32) -> String {
    ledger(&std::net::Ipv4Addr::from(number).to_string())
}

#[test]
fn an_address_is_refused_until_its_wait_is_over() {
    let quota = Quota::new(60, seconds(60)).expect("sound");
    let here = "192.0.2.7";
    let mut known = Exhausted::default();
    known.note(here.into(), ms(1500), NOW);
    let check = |ledger, after| known.check(ledger, Some(quota), NOW + after);
    let refused = |wait| Err(Reason::RateLimited { quota, wait }.because("known in this isolate"));
    assert_rows([
        ("at once", check(here, ms(0)), refused(ms(1500))),
        (
            "a millisecond before",
            check(here, ms(1499)),
            refused(ms(1)),
        ),
        ("when it is over", check(here, ms(1500)), Ok(())),
        ("later", check(here, seconds(100)), Ok(())),
        ("another address", check("192.0.2.8", ms(0)), Ok(())),
        ("without a quota", known.check(here, None, NOW), Ok(())),
    ]);
}

#[test]
fn addresses_of_one_64_are_refused_together() {
    let mut known = Exhausted::default();
    known.note(ledger("2001:db8::1"), seconds(1), NOW);
    assert_eq!(known.wait(&ledger("2001:db8::ffff"), NOW), Some(seconds(1)));
    assert_eq!(known.wait(&ledger("2001:db8:0:1::1"), NOW), None);
}

#[test]
fn no_wait_is_nothing_to_remember_and_the_newest_counts() {
    let here = "192.0.2.7";
    let mut known = Exhausted::default();
    known.note(here.into(), ms(0), NOW);
    assert_eq!(known.wait(here, NOW), None);
    known.note(here.into(), seconds(5), NOW);
    known.note(here.into(), seconds(2), NOW);
    assert_eq!(known.wait(here, NOW), Some(seconds(2)));
    known.note(here.into(), seconds(9), NOW + seconds(1));
    assert_eq!(known.wait(here, NOW + seconds(1)), Some(seconds(9)));
}

/// Not longer than the quota's window, as in the ledger.
#[test]
fn a_clock_that_jumps_back_locks_nobody_out_for_longer_than_a_window() {
    let quota = Quota::new(60, seconds(60)).expect("sound");
    let here = "192.0.2.7";
    let mut known = Exhausted::default();
    known.note(here.into(), seconds(60), NOW);
    let an_hour_before = NOW - seconds(3600);
    let verdict = known.check(here, Some(quota), an_hour_before);
    let waits_too_long = matches!(
        verdict.map_err(|rejection| rejection.reason),
        Err(Reason::RateLimited { wait, .. }) if wait > quota.window()
    );
    assert!(!waits_too_long, "refused for an hour");
}

#[test]
fn ten_thousand_addresses_are_remembered_and_the_first_noted_goes_first() {
    let mut known = Exhausted::default();
    for number in 0..10_000 {
        known.note(numbered(number), seconds(60), NOW);
    }
    known.note(numbered(1), seconds(60), NOW);
    let waits = |known: &Exhausted, number| known.wait(&numbered(number), NOW).is_some();
    assert!((0..10_000).all(|number| waits(&known, number)));
    known.note(numbered(10_000), seconds(60), NOW);
    assert!(!waits(&known, 0));
    assert!((1..=10_000).all(|number| waits(&known, number)));
}
