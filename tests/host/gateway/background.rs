//! Work after the response, and the lines it leaves in the log where it fails.

use portcullis::registry::{DenialReason, RegistryResponse};

use crate::common::scripted::{ADMIN, Part, Scripted, upgrade};

const ALICE: &str = r#""sub":"alice""#;

#[test]
fn a_failure_of_each_task_is_a_line_for_the_log() {
    let gate = Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("RATE_LIMIT_USER", "9/1m"),
        ("RATE_LIMIT_ROUTE", "9/1m"),
    ]);
    let end = DenialReason::Revoked;
    gate.registry
        .borrow_mut()
        .push_back(RegistryResponse::Refused { end, by: None });
    assert_eq!(gate.send(&upgrade(ALICE)).what, "revoked");
    gate.break_down(Part::UserLedger);
    gate.break_down(Part::Pool);
    assert_eq!(
        gate.finish(),
        [
            "the quota of /* could not be updated: down",
            "an admission was not given back: the user's ledger: down",
        ]
    );
}

#[test]
fn a_refused_token_is_counted_after_the_response() {
    let gate = Scripted::with(&[("BAN_AFTER", "3/1m for 1h")]);
    let forged = upgrade(ALICE).with("authorization", "Bearer a.b.c");
    assert_eq!(gate.send(&forged).what, "token_invalid");
    assert_eq!(gate.take_asked(), Vec::<String>::new());
    gate.finish();
    assert_eq!(gate.take_asked(), ["address: count a failure"]);
    gate.send(&forged);
    gate.break_down(Part::AddressLedger);
    let lines = gate.finish();
    assert_eq!(
        lines,
        ["a refused attempt went uncounted: the address's ledger: down"]
    );
}
