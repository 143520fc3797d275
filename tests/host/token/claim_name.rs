//! How settings name claims.

use portcullis::token::ClaimName;
use serde_json::json;

use crate::common::{assert_rows, object};

const CLAIMS: &str = r#"{"role":"a","https://example.com/roles":"b","cognito:groups":"c",
    "realm_access":{"roles":["d","e"],"a/b":"f","m~n":"g","":"h"},"realm_access.roles":"i",
    "/odd":"j","amr":[{"method":"k"}]}"#;

#[test]
fn a_name_is_of_a_claim_at_the_top_or_a_json_pointer() {
    let claims = object(CLAIMS);
    let find = |name: &str| {
        let name = ClaimName::parse(name)?;
        Ok::<_, String>(name.find(&claims).cloned())
    };
    let rows = [
        ("role", Some(json!("a"))),
        ("Role", None),
        ("https://example.com/roles", Some(json!("b"))),
        ("cognito:groups", Some(json!("c"))),
        ("/role", Some(json!("a"))),
        ("/realm_access/roles", Some(json!(["d", "e"]))),
        ("/realm_access/roles/1", Some(json!("e"))),
        ("/realm_access/roles/2", None),
        ("/realm_access/roles/01", None),
        ("/realm_access/a~1b", Some(json!("f"))),
        ("/realm_access/m~0n", Some(json!("g"))),
        ("/realm_access/", Some(json!("h"))),
        ("/realm_access.roles", Some(json!("i"))),
        ("/~1odd", Some(json!("j"))),
        ("/amr/0/method", Some(json!("k"))),
        ("/role/more", None),
        ("/nothing", None),
        ("/", None),
    ];
    assert_rows(rows.map(|(name, expected)| (name, find(name), Ok(expected))));
}

#[test]
fn a_name_that_can_not_be_one_is_an_error_that_says_what_would_be_right() {
    let nested = |name: &str, path: &str, whole: &str| {
        format!(
            "{name:?} is not a claim's name; write \"{path}\" for a claim within another, or \
             \"{whole}\" for one of exactly this name"
        )
    };
    let rows = [
        (
            "realm_access.roles",
            nested(
                "realm_access.roles",
                "/realm_access/roles",
                "/realm_access.roles",
            ),
        ),
        (
            "$.realm_access.roles",
            nested(
                "$.realm_access.roles",
                "/realm_access/roles",
                "/$.realm_access.roles",
            ),
        ),
        (
            "realm/roles",
            nested("realm/roles", "/realm/roles", "/realm~1roles"),
        ),
        ("amr[0]", nested("amr[0]", "/amr/0", "/amr[0]")),
        (
            "",
            "a claim's name is empty; write one like \"role\"".into(),
        ),
        (
            "my role",
            "\"my role\" is not a claim's name: it has white space or a control character; write \
             one like \"role\""
                .into(),
        ),
        (
            "/a~",
            "\"/a~\" is not a JSON Pointer: write ~ as ~0, and / in a name as ~1".into(),
        ),
        (
            "/a~2b",
            "\"/a~2b\" is not a JSON Pointer: write ~ as ~0, and / in a name as ~1".into(),
        ),
    ];
    assert_rows(rows.map(|(name, expected)| {
        (
            name,
            ClaimName::parse(name).map(|name| name.to_string()),
            Err(expected),
        )
    }));
}
