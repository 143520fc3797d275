//! How long a provider's answer about a session counts, and how much is remembered.

use std::time::Duration;

use portcullis::token::Expectations;

use crate::common::provider::{
    ADA, INACTIVE, Provider, gate, invalid, owner, sessions, sessions_with, unverified,
};
use crate::common::{NOW_SECONDS, assert_rows, ms, seconds};

/// One step of a story: what happens first, whom the session then names, and how often the
/// provider was asked in all.
type Step<'a> = (
    &'a str,
    &'a dyn Fn(&Provider),
    Result<String, String>,
    usize,
);

fn tell(fresh: Duration, first: &str, steps: &[Step<'_>]) {
    let gate = gate(sessions_with(Expectations::default(), fresh));
    let provider = Provider::saying(first);
    assert_rows(steps.iter().map(|(name, event, expected, asked)| {
        event(&provider);
        let found = owner(&gate, &provider, "sid-1");
        (
            *name,
            (found, provider.times_asked()),
            (expected.clone(), *asked),
        )
    }));
}

#[test]
fn an_active_session_is_remembered_for_a_while() {
    let ada = || Ok("ada".to_owned());
    let down = |it: &Provider| it.answer(Err("down".into()));
    tell(
        seconds(30),
        ADA,
        &[
            ("first", &|_| {}, ada(), 1),
            ("again, with the provider down", &|it| down(it), ada(), 1),
            ("just before the end", &|it| it.pass(ms(29_999)), ada(), 1),
            ("at the end", &|it| it.pass(ms(1)), unverified("down"), 2),
            ("a failure is not remembered", &|it| it.say(ADA), ada(), 3),
            ("but its end is", &|it| it.say(INACTIVE), ada(), 3),
            (
                "until then",
                &|it| it.pass(seconds(30)),
                invalid("the session is not active"),
                4,
            ),
        ],
    );
}

#[test]
fn an_inactive_session_is_remembered_briefly() {
    let inactive = || invalid("the session is not active");
    tell(
        seconds(30),
        INACTIVE,
        &[
            ("first", &|_| {}, inactive(), 1),
            ("again", &|it| it.say(ADA), inactive(), 1),
            ("within 5 s", &|it| it.pass(ms(4_999)), inactive(), 1),
            ("after them", &|it| it.pass(ms(1)), Ok("ada".into()), 2),
        ],
    );
    tell(
        seconds(2),
        INACTIVE,
        &[
            ("first", &|_| {}, inactive(), 1),
            (
                "within SESSION_CACHE",
                &|it| it.pass(ms(1_999)),
                inactive(),
                1,
            ),
            ("after it", &|it| it.pass(ms(1)), inactive(), 2),
        ],
    );
}

#[test]
fn nothing_outlives_exp() {
    let ends = |at: u64| {
        format!(
            r#"{{"active":true,"sub":"ada","exp":{}}}"#,
            NOW_SECONDS + at
        )
    };
    tell(
        seconds(30),
        &ends(10),
        &[
            ("first", &|_| {}, Ok("ada".into()), 1),
            ("before exp", &|it| it.pass(ms(9_999)), Ok("ada".into()), 1),
            (
                "at exp the provider is asked whether it was prolonged",
                &|it| {
                    it.say(&ends(20));
                    it.pass(ms(1));
                },
                Ok("ada".into()),
                2,
            ),
            (
                "and if not, it has expired",
                &|it| it.pass(seconds(10)),
                Err("token_expired: exp has passed".into()),
                3,
            ),
        ],
    );
}

#[test]
fn a_cache_of_0s_is_none() {
    let steps: [Step<'_>; 2] = [
        ("first", &|_| {}, Ok("ada".into()), 1),
        ("again", &|_| {}, Ok("ada".into()), 2),
    ];
    tell(Duration::ZERO, ADA, &steps);
}

#[test]
fn a_session_is_not_another() {
    let gate = gate(sessions());
    let provider = Provider::saying(ADA);
    assert_eq!(owner(&gate, &provider, "sid-1"), Ok("ada".into()));
    provider.say(r#"{"active":true,"sub":"eve"}"#);
    assert_eq!(owner(&gate, &provider, "sid-2"), Ok("eve".into()));
    assert_eq!(owner(&gate, &provider, "sid-1"), Ok("ada".into()));
    assert_eq!(provider.times_asked(), 2);
}

#[test]
fn what_is_remembered_is_bounded() {
    let gate = gate(sessions());
    let long = format!(
        r#"{{"active":true,"sub":"ada","x":"{}"}}"#,
        "x".repeat(60_000)
    );
    let rows = [("many", ADA.to_owned(), 8_192), ("long", long, 69)];
    for (name, body, most) in rows {
        let provider = Provider::saying(&body);
        for at in 0..=most {
            assert_eq!(
                owner(&gate, &provider, &format!("{name}-{at}")),
                Ok("ada".into())
            );
        }
        let asked = |id: String| {
            let before = provider.times_asked();
            let _ = owner(&gate, &provider, &id);
            provider.times_asked() - before
        };
        assert_eq!(asked(format!("{name}-{most}")), 0, "{name}: the newest");
        assert_eq!(asked(format!("{name}-0")), 1, "{name}: the oldest");
    }
}
