//! How a route's `claims` are written.

use portcullis::checks::permission::{ClaimRule, Condition, Operand, read_claims};
use portcullis::token::ClaimName;
use serde_json::{Value, json};

use crate::common::{assert_rows, object, strings};

fn rules(json: &str, parameters: &[&str]) -> Result<Vec<ClaimRule>, Vec<String>> {
    read_claims(&object(json), &strings(parameters))
}

#[test]
fn rules_are_read_whole_or_all_their_errors_are_told() {
    let literal = |value: Value| Operand::Literal(value);
    let rule = |claim: &str, condition| ClaimRule {
        claim: ClaimName::parse(claim).expect("a sound name"),
        condition,
    };
    let json = r#"{"a":"x","b":{"equal":"{p}"},"c":{"one_of":[1,"{p}"]},"d":{"contains":"{q"}}"#;
    let expected = vec![
        rule("a", Condition::Equal(literal(json!("x")))),
        rule("b", Condition::Equal(Operand::Parameter("p".into()))),
        rule(
            "c",
            Condition::OneOf(vec![literal(json!(1)), Operand::Parameter("p".into())]),
        ),
        rule("d", Condition::Contains(literal(json!("{q")))),
    ];
    assert_eq!(rules(json, &["p"]), Ok(expected));
    let value = "a value is a string, a number or a boolean";
    let one = "write one of equal, one_of and contains";
    let array = "one_of takes an array of values";
    let rows = [
        ("null", "null", value),
        ("array", r#"["a"]"#, value),
        ("empty object", "{}", one),
        ("two conditions", r#"{"equal":1,"contains":1}"#, one),
        (
            "unknown",
            r#"{"not":1}"#,
            "\"not\" is not a condition; write equal, one_of or contains",
        ),
        (
            "other case",
            r#"{"Equal":1}"#,
            "\"Equal\" is not a condition; write equal, one_of or contains",
        ),
        ("one_of a text", r#"{"one_of":"a"}"#, array),
        ("one_of nothing", r#"{"one_of":[]}"#, array),
        ("one_of null", r#"{"one_of":[null]}"#, value),
        ("equal to an array", r#"{"equal":[1]}"#, value),
        ("contains an object", r#"{"contains":{}}"#, value),
        (
            "no such parameter",
            r#""{room}""#,
            "the path has no parameter {room}",
        ),
        (
            "nameless parameter",
            r#""{}""#,
            "the path has no parameter {}",
        ),
    ];
    assert_rows(rows.map(|(name, rule, problem)| {
        let json = format!(r#"{{"c":{rule}}}"#);
        (
            name,
            rules(&json, &["p"]),
            Err(vec![format!("claim \"c\": {problem}")]),
        )
    }));
    let several = rules(r#"{"a":null,"b":"x","c":"{r}"}"#, &[]);
    let expected = [
        "claim \"a\": a value is a string, a number or a boolean",
        "claim \"c\": the path has no parameter {r}",
    ];
    assert_eq!(several, Err(strings(&expected)));
}

#[test]
fn a_claim_is_named_at_the_top_or_by_json_pointer() {
    let nested = "\"realm_access.roles\" is not a claim's name; write \"/realm_access/roles\" for a \
                  claim within another, or \"/realm_access.roles\" for one of exactly this name";
    let pointer = ClaimRule {
        claim: ClaimName::parse("/realm_access/roles").expect("a pointer"),
        condition: Condition::Contains(Operand::Literal(json!("admin"))),
    };
    assert_rows([
        (
            "a pointer",
            rules(r#"{"/realm_access/roles":{"contains":"admin"}}"#, &[]),
            Ok(vec![pointer]),
        ),
        (
            "another notation",
            rules(r#"{"realm_access.roles":"admin"}"#, &[]),
            Err(strings(&[nested])),
        ),
        (
            "and a condition that is none",
            rules(r#"{"realm_access.roles":null}"#, &[]),
            Err(strings(&[
                nested,
                "claim \"realm_access.roles\": a value is a string, a number or a boolean",
            ])),
        ),
    ]);
}
