//! The meaning of the settings, for the tools around the gate: every error and warning, and the
//! policy of each route.

use serde_json::{Map, Value, json};

use super::reader::{Reader, RouteLayer};
use super::routes::{layer, split};
use super::settings::{ALL, DefaultValue, Kind, ROUTES, Scope};
use super::{Settings, Var, is_guarded};
use crate::policy::Site;
use crate::routing::table::EVERYTHING;

/// Returns `{errors: [{setting, problem}], warnings: [text], guarded, routes: [{path, claims,
/// settings: {NAME: {value, from}}}]}`. `from` is `route`, `gate` or `default`. Secrets appear
/// only as `"set"`.
pub fn inspect(settings: &Settings) -> Value {
    let (errors, warnings) = match Site::read(settings) {
        Ok(site) => (Vec::new(), site.warnings),
        Err(errors) => (errors, Vec::new()),
    };
    let errors: Vec<_> = errors
        .iter()
        .map(|error| json!({ "setting": error.setting, "problem": error.problem }))
        .collect();
    let mut reader = Reader::new(settings);
    let routes: Vec<_> = match reader.array(&ROUTES) {
        Some(entries) => {
            let members = entries.iter().enumerate();
            let members = members.filter_map(|(at, entry)| split(at, entry).ok());
            let routes = members.map(|(path, members)| {
                let (layer, _) = layer(path, members);
                let claims = members.get("claims").cloned().unwrap_or_default();
                route(
                    path,
                    claims,
                    &Reader::of_route(settings, &layer),
                    Some(&layer),
                )
            });
            routes.collect()
        }
        None => vec![route(EVERYTHING, Value::Null, &reader, None)],
    };
    json!({
        "errors": errors,
        "warnings": warnings,
        "guarded": is_guarded(settings),
        "routes": routes,
    })
}

fn route(path: &str, claims: Value, reader: &Reader<'_>, layer: Option<&RouteLayer>) -> Value {
    let mut held = Map::new();
    let settings = ALL.iter().copied();
    for setting in settings.filter(|setting| setting.scope() == Scope::Route) {
        let is_own = layer.is_some_and(|layer| layer.own(setting).is_some());
        let (value, from) = match (reader.written(setting), setting.default()) {
            (Some(_), _) if setting.kind() == Kind::Secret => (json!("set"), is_own),
            (Some(Var::Text(text)), _) => (json!(text.trim()), is_own),
            (Some(Var::Json(value)), _) => (value.clone(), is_own),
            (None, DefaultValue::Value(default)) => {
                held.insert(
                    setting.name().into(),
                    json!({ "value": default, "from": "default" }),
                );
                continue;
            }
            (None, DefaultValue::Described(_)) => continue,
        };
        let from = if from { "route" } else { "gate" };
        held.insert(
            setting.name().into(),
            json!({ "value": value, "from": from }),
        );
    }
    json!({ "path": path, "claims": claims, "settings": held })
}
