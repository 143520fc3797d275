use portcullis::config::{ConfigError, Settings, Var};
use portcullis::policy::{Policy, Site};
use serde_json::Value;

mod attribution;
mod counting;
mod first_message;
mod inspection;
mod issuers;
mod keys;
mod mode;
mod names;
mod one_time;
mod paths;
mod references;
mod registry;
mod relay;
mod route_limit;
mod routes;
mod routes_errors;
mod schema;
mod sessions;
mod settings;
mod table;
mod upstream;
mod upstream_headers;
mod values;
mod warnings;

fn with_routes(mut settings: Settings, routes: Value) -> Settings {
    settings.vars.insert("ROUTES".into(), Var::Json(routes));
    settings
}

/// A policy as it shows, so that two can be compared whoever set their values.
fn without_warnings(policy: &Policy) -> String {
    let shown = format!("{policy:?}");
    let (shown, _) = shown.rsplit_once(", warnings: ").expect("the last field");
    shown.to_owned()
}

/// The errors of a whole gate as they are logged.
fn site_errors(settings: &Settings) -> Vec<String> {
    let errors = Site::read(settings).err().unwrap_or_default();
    errors.iter().map(ConfigError::to_string).collect()
}
