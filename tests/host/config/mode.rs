//! `MODE` and `LOG_ADMITTED`.

use portcullis::config::Settings;
use portcullis::policy::{Mode, Policy, Site};
use portcullis::util::share::Share;
use serde_json::json;

use super::with_routes;
use crate::common::{assert_rows, errors_with, minimal_with};

fn policy(vars: &[(&str, &str)]) -> Result<Policy, String> {
    Policy::read(&minimal_with(vars)).map_err(|errors| format!("{errors:?}"))
}

fn share(text: &str) -> Share {
    Share::parse(text).expect("a percentage")
}

#[test]
fn the_mode_is_enforce_report_or_a_share() {
    let read = |text| policy(&[("MODE", text)]).map(|policy| policy.mode);
    assert_rows([
        ("enforce", read("enforce"), Ok(Mode::Enforce)),
        ("report", read("report"), Ok(Mode::Report)),
        (
            "a share",
            read("enforce:10%"),
            Ok(Mode::Canary(share("10%"))),
        ),
        (
            "a small one",
            read("enforce:0.5%"),
            Ok(Mode::Canary(share("0.5%"))),
        ),
    ]);
    assert_eq!(policy(&[]).map(|policy| policy.mode), Ok(Mode::Enforce));
}

#[test]
fn another_mode_is_an_error_that_says_what_would_be_right() {
    let wrong = |text: &str, problem: &str| {
        let expected = vec![format!("MODE: {problem}")];
        (text.to_owned(), errors_with("MODE", text), expected)
    };
    let percentage = |text: &str| {
        wrong(
            &format!("enforce:{text}"),
            &format!(
                "{text:?} is not a percentage; write one from \"0%\" to \"100%\", like \"10%\""
            ),
        )
    };
    assert_rows([
        wrong(
            "observe",
            "invalid value \"observe\"; write \"enforce\" or \"report\", or \"enforce:10%\"",
        ),
        wrong(
            "enforce:0%",
            "\"enforce:0%\" enforces nothing; write \"report\"",
        ),
        wrong(
            "enforce:100%",
            "\"enforce:100%\" enforces everything; write \"enforce\"",
        ),
        percentage("10"),
        percentage("101%"),
        percentage("-1%"),
        percentage("1e1%"),
        percentage("0.00001%"),
        percentage("1.%"),
        percentage("%"),
    ]);
}

#[test]
fn only_a_mode_that_may_report_counts_apart() {
    let has_trial = |mode| policy(&[("MODE", mode)]).map(|policy| policy.trial.is_some());
    // The trial is prepared when routes are added.
    assert_eq!(has_trial("report"), Ok(false));
    let site = |settings: Settings| {
        let site = Site::read(&settings).expect("sound");
        let trials = site.routes.iter().map(|route| {
            let trial = route.policy.trial.as_ref();
            trial.map(|counting| (counting.is_trial, counting.address.group.clone()))
        });
        trials.collect::<Vec<_>>()
    };
    let routes = json!([
        {"path": "/a", "mode": "report", "rate_limit_ip": "5/1m"},
        {"path": "/b", "mode": "enforce:1%"},
        {"path": "/c"},
    ]);
    assert_eq!(
        site(with_routes(minimal_with(&[]), routes)),
        [
            Some((true, "/a".to_owned())),
            Some((true, String::new())),
            None
        ]
    );
    assert_eq!(
        site(minimal_with(&[("MODE", "report")])),
        [Some((true, String::new()))]
    );
}

#[test]
fn the_share_that_is_logged_is_a_percentage() {
    let read = |text| policy(&[("LOG_ADMITTED", text)]).map(|policy| policy.log_admitted);
    assert_rows([
        ("all", read("100%"), Ok(Share::ALL)),
        ("none", read("0%"), Ok(Share::NONE)),
        ("some", read("2.5%"), Ok(share("2.5%"))),
    ]);
    assert_eq!(
        errors_with("LOG_ADMITTED", "0.1"),
        [
            "LOG_ADMITTED: \"0.1\" is not a percentage; write one from \"0%\" to \"100%\", like \"10%\""
        ]
    );
}
