//! The simulation of limits in small: what it finds must hold, whatever it costs.

#[path = "../../../benches/limits/dice.rs"]
#[allow(dead_code, reason = "the simulation itself uses the rest")]
mod dice;
#[path = "../../../benches/limits/flood.rs"]
#[allow(dead_code, reason = "the simulation itself uses the rest")]
mod flood;
#[path = "../../../benches/limits/route.rs"]
mod route;

use std::time::Duration;

use flood::Crowd;
use portcullis::limits::quota::Quota;
use route::Load;

use crate::common::{counters, crowd};

#[test]
fn a_routes_quota_holds_and_is_asked_for_seldom() {
    for (count, window) in [(500, 1), (30_000, 60)] {
        let load = Load {
            quota: Quota::new(count, Duration::from_secs(window)).expect("a quota"),
            isolates: 10,
            rate: 400.0,
            seconds: 15,
        };
        let outcome = route::run(load);
        assert!(outcome.greatest_crowd <= count as usize, "{outcome:?}");
        let settled = outcome.admitted + outcome.refused + outcome.failed;
        assert!(settled >= outcome.requests, "{outcome:?}");
        assert!(outcome.questions * 5 < outcome.admitted, "{outcome:?}");
        assert!(outcome.rows_written <= outcome.questions, "{outcome:?}");
        assert!(outcome.longest_row <= 33 + 256 * 20, "{outcome:?}");
        assert!(outcome.most_questions_in_a_second < 1000, "{outcome:?}");
        assert!(outcome.timers > 0 && outcome.questions_refused <= outcome.questions);
    }
}

#[test]
fn a_flood_costs_the_ledgers_almost_nothing() {
    let crowd = Crowd {
        isolates: 20,
        addresses: 50,
        one_in: 1,
        skew: 0.0,
        attempts: 10_000,
        seconds: 50,
        from: 0,
        quota: "10/1m",
        replay_window: "1m",
    };
    let outcome = flood::run(crowd);
    assert_eq!(outcome.admitted, 500, "{outcome:?}");
    assert_eq!(outcome.refused, 9500, "{outcome:?}");
    assert_eq!(outcome.calls_of_admitted, 500, "{outcome:?}");
    // Each of the isolates that an address comes to learns of it by one call.
    assert!(outcome.calls_of_refused <= 50 * 3, "{outcome:?}");
}

/// Over windows that pass and objects that restart; the simulation itself sees that none admits too
/// many.
#[test]
fn addresses_that_come_often_take_few_rows() {
    let crowd = Crowd {
        isolates: 20,
        addresses: 20,
        one_in: 1,
        skew: 0.0,
        attempts: 20_000,
        seconds: 200,
        from: 0,
        quota: "600/1m",
        replay_window: "off",
    };
    let outcome = flood::run(crowd);
    assert_eq!(outcome.admitted, 20_000, "{outcome:?}");
    assert!(outcome.rows_written < 3000, "{outcome:?}");
}

/// Also over windows that pass, timers and objects that restart.
#[test]
fn addresses_that_come_often_are_lent_most_attempts() {
    let crowd = Crowd {
        isolates: 4,
        addresses: 3,
        one_in: 1,
        skew: 0.0,
        attempts: 20_000,
        seconds: 200,
        from: 0,
        quota: "4000/1m",
        replay_window: "off",
    };
    let outcome = flood::run(crowd);
    assert_eq!(outcome.admitted, 20_000, "{outcome:?}");
    assert!(
        outcome.calls_of_admitted * 4 < outcome.admitted,
        "{outcome:?}"
    );
    assert!(outcome.rows_written * 4 < outcome.admitted, "{outcome:?}");
    let more_than_the_quota = Crowd {
        quota: "1000/1m",
        ..crowd
    };
    let outcome = flood::run(more_than_the_quota);
    assert!(outcome.refused > 6000, "{outcome:?}");
    assert!(outcome.admitted > 9000, "{outcome:?}");
}
