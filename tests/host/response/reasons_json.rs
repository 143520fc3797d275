//! `docs/reasons.json`: the table of reasons for programs, against which the browser module, the
//! playground and the documentation are tested.

use std::collections::BTreeSet;

use portcullis::relay::CloseReason;
use portcullis::response::answer::refusal;
use serde::Serialize;
use serde_json::{Value, json};

use super::reason::rows;
use crate::common::generated::assert_generated;

/// A refusal as a client sees it.
#[derive(Serialize, PartialEq, Eq)]
struct Entry {
    reason: &'static str,
    status: u16,
    close: Option<u16>,
    /// Names, beyond those of every refusal.
    headers: BTreeSet<&'static str>,
    client: &'static str,
    /// Whether it counts towards a ban always, never, or in some of its cases.
    counts: &'static str,
}

fn table() -> Value {
    let mut refusals: Vec<Entry> = Vec::new();
    for (reason, _) in rows() {
        let entry = Entry {
            reason: reason.name(),
            status: reason.status(),
            close: reason.close_code(),
            headers: refusal(&reason, "").headers[2..]
                .iter()
                .map(|(name, _)| *name)
                .collect(),
            client: reason.client_action().name(),
            counts: if reason.counts_towards_ban() {
                "always"
            } else {
                "never"
            },
        };
        let of_its_kind = |other: &&mut Entry| {
            (other.reason, other.status, other.close) == (entry.reason, entry.status, entry.close)
        };
        match refusals.iter_mut().find(of_its_kind) {
            None => refusals.push(entry),
            Some(known) => {
                assert!(known.headers == entry.headers, "{}", entry.reason);
                if known.counts != entry.counts {
                    known.counts = "sometimes";
                }
            }
        }
    }
    let closes: Vec<_> = CloseReason::ALL
        .into_iter()
        .filter_map(|end| Some(json!({ "reason": end.name(), "code": end.code()? })))
        .collect();
    json!({ "refusals": refusals, "closes": closes })
}

#[test]
fn the_json_of_reasons_is_the_table() {
    let expected = serde_json::to_string_pretty(&table()).expect("texts and numbers");
    assert_generated("reasons.json", expected);
}
