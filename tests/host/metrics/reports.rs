//! When an isolate reports, and what happens to counts that can't be reported.

use portcullis::metrics::REPORT_EVERY;
use portcullis::util::time::Clock;

use crate::common::scripted::{ADMIN, Part, Scripted, admin, bearer, upgrade};

fn gate() -> Scripted {
    Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("METRICS", "true"),
        ("RATE_LIMIT_IP", "off"),
        ("KEY_REPLAY_WINDOW", "off"),
    ])
}

/// Sends a request and counts its decision, as the Worker does.
fn decide(gate: &Scripted) {
    let bad = upgrade("").with("authorization", &bearer("nonsense"));
    let answer = gate.send(&bad);
    gate.gate.count_decision(gate, &answer.record);
}

fn refusals(gate: &Scripted) -> u64 {
    let answer = gate.send(&admin("GET", "overview"));
    assert_eq!(answer.what, "unrecorded", "{answer:?}");
    let minutes = answer.member("minutes");
    let minutes = minutes.as_array().expect("a list").iter();
    let counts = minutes.filter_map(|minute| minute["counts"]["token_invalid"].as_u64());
    counts.sum()
}

#[test]
fn a_flood_is_one_report_every_few_seconds() {
    let gate = gate();
    for _ in 0..1000 {
        decide(&gate);
    }
    let before = gate.now();
    assert_eq!(gate.finish(), Vec::<String>::new());
    assert_eq!(
        gate.now(),
        before + REPORT_EVERY,
        "one pause, so one report"
    );
    assert_eq!(gate.metrics_asked.take(), 1);
    decide(&gate);
    gate.finish();
    assert_eq!(gate.metrics_asked.take(), 1);
    assert_eq!(refusals(&gate), 1001);
}

#[test]
fn what_was_not_reported_yet_is_in_an_answer_of_the_same_isolate() {
    let gate = gate();
    decide(&gate);
    assert_eq!(refusals(&gate), 1);
    gate.finish();
    assert_eq!(refusals(&gate), 1, "it is not counted twice");
}

#[test]
fn a_report_that_fails_goes_with_the_next_one() {
    let gate = gate();
    decide(&gate);
    gate.break_down(Part::Metrics);
    assert_eq!(
        gate.finish(),
        ["metrics could not be reported and wait for the next report: down"]
    );
    let answer = gate.send(&admin("GET", "metrics"));
    assert_eq!(answer.cause(), "the object of metrics: down");
    gate.repair();
    decide(&gate);
    gate.finish();
    assert_eq!(refusals(&gate), 2);
}

#[test]
fn nothing_is_counted_or_reported_where_metrics_are_off() {
    let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN)]);
    decide(&gate);
    gate.finish();
    assert_eq!(gate.metrics_asked.take(), 0);
    let answer = gate.send(&admin("GET", "metrics"));
    assert_eq!(answer.what, "bad_request");
    assert_eq!(answer.cause(), "METRICS is off; set METRICS to true");
}

#[test]
fn those_whom_report_mode_would_have_refused_are_among_the_refused() {
    for mode in ["enforce", "report"] {
        let gate = Scripted::with(&[("ADMIN_TOKEN", ADMIN), ("METRICS", "true"), ("MODE", mode)]);
        decide(&gate);
        let refused = gate.send(&admin("GET", "overview")).member("refused");
        for kind in ["addresses", "origins"] {
            let names = refused[kind].as_array().map(Vec::len);
            assert_eq!(names, Some(1), "{mode} {kind}: {refused}");
        }
    }
}
