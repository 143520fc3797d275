//! The host tests of the core. One binary, since each would be linked and run by itself.

mod admin;
mod admin_token;
mod assertion;
mod client;
mod closing;
mod common;
mod config;
mod config_counting;
mod config_issuers;
mod config_keys;
mod config_live;
mod config_names;
mod config_one_time;
mod config_registry;
mod config_route_quota;
mod config_routes;
mod config_routes_errors;
mod config_sessions;
mod config_values;
mod cors;
mod fuzz;
mod fuzzing;
mod handshake;
mod handshake_lists;
mod issuers;
mod jwk;
mod keys;
mod known;
mod ledger;
mod ledger_clocks;
mod ledger_format;
mod ledger_parties;
mod ledger_properties;
mod ledger_rows;
mod ledger_slots;
mod ledger_slots_properties;
mod limiter_properties;
mod limits_simulation;
mod live;
mod once;
mod origin;
mod origin_entries;
mod origin_properties;
mod parsers_properties;
mod party;
mod permission;
mod permission_rules;
mod record;
mod registry;
mod registry_format;
mod registry_marks;
mod registry_renewal;
mod rejection;
mod remote;
mod remote_early;
mod remote_set;
mod remote_shared;
mod replay;
mod request;
mod rfc_list;
mod route;
mod route_properties;
mod route_quota;
mod route_quota_format;
mod route_quota_properties;
mod security_headers;
mod session;
mod session_cache;
mod ticket;
mod time;
mod token;
mod token_claims;
mod token_form;
mod token_hostile;
mod token_removal;
mod token_source;
mod token_text;
mod token_vectors;
mod upstream;
mod upstream_reply;
mod upstream_url;

/// A file that is no module here would never run.
#[test]
fn every_file_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/host");
    let files = std::fs::read_dir(folder).expect("this folder");
    let names = files.map(|file| {
        file.expect("a file")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    let modules: Vec<_> = include_str!("main.rs").lines().collect();
    let left_out: Vec<_> = names
        .filter_map(|name| name.strip_suffix(".rs").map(|name| format!("mod {name};")))
        .filter(|module| module != "mod main;" && !modules.contains(&module.as_str()))
        .collect();
    assert_eq!(left_out, Vec::<String>::new());
}
