//! The table of reasons for programs: `docs/reasons.json`, against which the documentation and the
//! playground are tested, and the browser module's own lists.

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
    let expected = serde_json::to_string_pretty(&table()).expect("texts and numbers") + "\n";
    assert_generated("docs/reasons.json", &expected);
}

/// What a client can be told by a close code, in the table's order. The server alone gets
/// `client_gone`.
fn told() -> Vec<(&'static str, u16)> {
    let reasons = rows();
    let refusals = reasons
        .iter()
        .filter_map(|(reason, _)| Some((reason.name(), reason.close_code()?)));
    let closes = CloseReason::ALL
        .into_iter()
        .filter(|end| *end != CloseReason::ClientGone)
        .filter_map(|end| Some((end.name(), end.code()?)));
    let mut told: Vec<(&str, u16)> = Vec::new();
    for (name, code) in refusals.chain(closes) {
        match told.iter().find(|(known, _)| *known == name) {
            None => told.push((name, code)),
            Some((_, known)) => assert_eq!(*known, code, "{name}"),
        }
    }
    told
}

#[test]
fn the_browser_module_has_the_table() {
    let lines = |line: &dyn Fn(&str, u16) -> String| -> String {
        told()
            .iter()
            .map(|(name, code)| line(name, *code))
            .collect()
    };
    let codes = lines(&|name, code| format!("  {name}: {code},\n"));
    assert_generated(
        "client/reasons.js",
        &format!(
            "// Written by a test of the gate from its table of reasons.\n\n\
             /** The gate's reasons and their close codes. */\n\
             export const REASONS = {{\n  __proto__: null,\n{codes}}};\n"
        ),
    );
    let names = lines(&|name, _| format!("\n  | '{name}'"));
    assert_generated(
        "client/reasons.d.ts",
        &format!(
            "// Written by a test of the gate from its table of reasons.\n\n\
             /** Why the gate refused or ended a connection. */\n\
             export type Reason ={names};\n\n\
             export const REASONS: Readonly<Record<Reason, number>>;\n"
        ),
    );
}
