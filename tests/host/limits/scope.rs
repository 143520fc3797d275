//! The names of ledgers: no two addresses or users share one.

use portcullis::limits::scope::{LimitScope, ledger_of_address, ledger_of_user};
use portcullis::token::Identity;

use crate::common::{Ask, identity};

fn user(subject: Option<&str>, claims: &str) -> Option<String> {
    ledger_of_user(&Identity {
        subject: subject.map(str::to_owned),
        ..identity(claims)
    })
}

#[test]
fn a_subject_counts_within_its_issuer() {
    let names = [
        user(Some("a"), "{}"),
        user(Some("b"), "{}"),
        user(Some(""), "{}"),
        user(Some("a"), r#"{"iss":""}"#),
        user(Some("a"), r#"{"iss":"b"}"#),
        user(Some("b"), r#"{"iss":"a"}"#),
        user(Some("ab"), r#"{"iss":"c"}"#),
        user(Some("b"), r#"{"iss":"ca"}"#),
        user(Some("bc"), r#"{"iss":"a"}"#),
    ];
    for (at, name) in names.iter().enumerate() {
        assert!(name.is_some() && !names[..at].contains(name), "{at}");
    }
    // Nothing else of a token makes a difference.
    assert_eq!(names[0], user(Some("a"), r#"{"jti":"x","aud":"y"}"#));
    assert_eq!(user(None, r#"{"iss":"a"}"#), None);
}

/// What was counted before a deployment must be found after it.
#[test]
fn the_names_are_unchanged() {
    let name = user(Some("b"), r#"{"iss":"a"}"#);
    let print = "3c9d591045bc8876f9d0399bbfb05c6a412096e906f73278f98406cd5dca86df";
    assert_eq!(name, Some(format!("user {print}")));
    assert_eq!(ledger_of_address(Ask::upgrade().key()), "ip 192.0.2.7");
}

#[test]
fn policies_and_causes_name_their_party() {
    let words = |scope: LimitScope| (scope.name(), scope.to_string());
    assert_eq!(
        words(LimitScope::Address),
        ("ip", "the address's ledger".into())
    );
    assert_eq!(
        words(LimitScope::User),
        ("user", "the user's ledger".into())
    );
    assert_eq!(
        words(LimitScope::Route),
        ("route", "the route's quota".into())
    );
}
