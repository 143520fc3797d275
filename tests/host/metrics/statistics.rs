//! What the object adds up, keeps and drops.

use portcullis::metrics::{
    Action, Change, Decision, MAX_ACTIONS, MAX_SERIES, MetricsRequest, MetricsResponse, Statistics,
    Tally,
};
use portcullis::util::time::Timestamp;

use crate::common::{NOW, seconds};

fn decision(route: &str) -> Decision {
    Decision {
        outcome: "refused".into(),
        reason: "token_expired".into(),
        route: route.to_owned().into(),
        mode: "enforce".into(),
        would_be: "".into(),
    }
}

fn report(routes: impl IntoIterator<Item = String>) -> MetricsRequest {
    let mut tally = Tally::default();
    for route in routes {
        *tally.decisions.entry(decision(&route)).or_default() += 1;
    }
    MetricsRequest::Report(Box::new(tally))
}

fn read(statistics: &mut Statistics, now: Timestamp) -> serde_json::Value {
    let request = MetricsRequest::Read(Box::default());
    let (response, change) = statistics.step(request, now);
    assert_eq!(change, Change::Nothing);
    let MetricsResponse::Statistics(statistics) = response else {
        panic!("{response:?}");
    };
    serde_json::from_str(&statistics.to_json()).expect("JSON")
}

#[test]
fn minutes_are_kept_for_three_hours() {
    let mut statistics = Statistics::default();
    let one = || report(["/a".to_owned()]);
    assert_eq!(
        statistics.step(one(), NOW),
        (MetricsResponse::Noted, Change::Soon)
    );
    statistics.step(one(), NOW + seconds(60));
    let minutes = |now| {
        let all = read(&mut statistics.clone(), now);
        all["minutes"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(minutes(NOW + seconds(60)), 2);
    assert_eq!(minutes(NOW + seconds(180 * 60)), 1);
    assert_eq!(minutes(NOW + seconds(400 * 60)), 0);
    // A clock that jumped back.
    assert_eq!(minutes(NOW - seconds(400 * 60)), 0);
}

#[test]
fn the_series_are_bounded_whatever_isolates_report() {
    let mut statistics = Statistics::default();
    let routes = (0..MAX_SERIES + 10).map(|number| format!("/{number}"));
    statistics.step(report(routes), NOW);
    let all = read(&mut statistics, NOW);
    let decisions = all["decisions"].as_array().expect("a list");
    assert_eq!(decisions.len(), MAX_SERIES + 1);
    let others = decisions.iter().find(|pair| pair[0]["route"] == "(other)");
    assert_eq!(others.expect("one for the rest")[1], 10);
}

#[test]
fn the_last_actions_are_kept_at_once() {
    let mut statistics = Statistics::default();
    for number in 0..=MAX_ACTIONS {
        let action = Action {
            at: NOW,
            by: "ADMIN_TOKEN".into(),
            what: format!("banned ip 192.0.2.{number}"),
            undo: None,
        };
        let (_, change) = statistics.step(MetricsRequest::Act(action), NOW);
        assert_eq!(change, Change::Now);
    }
    let all = read(&mut statistics, NOW);
    let actions = all["actions"].as_array().expect("a list");
    assert_eq!(actions.len(), MAX_ACTIONS);
    assert_eq!(
        actions[0]["what"],
        format!("banned ip 192.0.2.{MAX_ACTIONS}")
    );
}

#[test]
fn what_is_stored_is_read_again() {
    let mut statistics = Statistics::default();
    statistics.step(report(["/a".to_owned(), "/b".to_owned()]), NOW);
    let stored = statistics.to_json();
    assert_eq!(Statistics::from_json(&stored), Some(statistics));
    assert_eq!(Statistics::from_json("{}"), None);
}
