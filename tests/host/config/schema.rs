//! `docs/settings.schema.json`: the JSON schema of the variables and of a route.

use portcullis::config::settings::{DefaultValue, Description, Form, Kind, Scope, descriptions};
use serde_json::{Map, Value, json};

use crate::common::generated::assert_generated;

fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn of_form(form: Form) -> Value {
    const DURATION: &str = r"\d+(ms|s|m|h|d)";
    const PERCENTAGE: &str = r"(100(\.0{1,4})?|\d{1,2}(\.\d{1,4})?)%";
    let or_text = |json: Value| json!({"anyOf": [json, {"type": "string", "minLength": 2}]});
    match form {
        Form::Boolean => json!({"enum": [true, false, "true", "false"]}),
        Form::Choice(words) => json!({"enum": words}),
        Form::Duration => text(&format!("^{DURATION}$")),
        Form::Quota => text(&format!(r"^\d+/{DURATION}$")),
        Form::Ban => text(&format!(r"^\d+/{DURATION} +for +{DURATION}$")),
        Form::Count(least, most) => json!({"anyOf": [
            {"type": "integer", "minimum": least, "maximum": most},
            text(r"^\d+$"),
        ]}),
        Form::Text | Form::Url | Form::Binding => json!({"type": "string", "minLength": 1}),
        Form::List => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        ]}),
        Form::Object => or_text(json!({"type": "object"})),
        Form::Array => {
            or_text(json!({"type": "array", "minItems": 1, "items": {"type": "object"}}))
        }
        Form::Percentage => text(&format!("^{PERCENTAGE}$")),
        Form::Mode => text(&format!("^(enforce|report|enforce:{PERCENTAGE})$")),
        Form::OrOff(form) => json!({"anyOf": [of_form(*form), {"const": "off"}]}),
    }
}

fn described(described: &Description) -> Value {
    let mut schema = if described.setting.name() == "ROUTES" {
        json!({"anyOf": [
            {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/route"}},
            {"type": "string", "minLength": 2},
        ]})
    } else {
        of_form(described.form)
    };
    schema["description"] = described.meaning.into();
    if let DefaultValue::Value(default) = described.setting.default() {
        schema["default"] = default.into();
    }
    schema
}

fn schema() -> Value {
    let table = descriptions();
    let mut vars = Map::new();
    let mut route = Map::new();
    for row in &table {
        let name = row.setting.name();
        let schema = match row.setting.kind() {
            Kind::Var => described(row),
            // Written out, it would be in the repository. tools/secrets.mjs reads `writeOnly`.
            Kind::Secret => json!({
                "type": "string",
                "pattern": r"^\{secret:\w+\}$",
                "writeOnly": true,
                "description": format!(
                    "{} A secret: set it with npx wrangler secret put, and refer to it as \
                     {{secret:NAME}} if it has another name than this.",
                    row.meaning
                ),
            }),
        };
        if row.setting.scope() == Scope::Route {
            route.insert(name.to_ascii_lowercase(), schema.clone());
        }
        vars.insert(name.into(), schema);
    }
    route.insert(
        "path".into(),
        json!({"type": "string", "pattern": "^/", "description":
            "The paths of the route: /chat, /rooms/{room} or /api/*."}),
    );
    route.insert(
        "claims".into(),
        json!({"type": "object", "description": "What claims of the token must be."}),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "wrangler.toml with the settings of Portcullis",
        "allOf": [{"$ref": "../node_modules/wrangler/config-schema.json"}],
        "properties": {
            "vars": {"$ref": "#/definitions/vars"},
            "env": {"additionalProperties": {
                "properties": {"vars": {"$ref": "#/definitions/vars"}},
            }},
        },
        "definitions": {
            "vars": {"type": "object", "properties": vars},
            "route": {
                "type": "object",
                "properties": route,
                "required": ["path"],
                "additionalProperties": false,
            },
        },
    })
}

#[test]
fn the_schema_is_the_tables() {
    let expected = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    assert_generated("docs/settings.schema.json", &expected);
}
