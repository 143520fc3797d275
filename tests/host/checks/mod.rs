mod handshake;
mod handshake_lists;
mod origin;
mod origin_apps;
mod origin_entries;
mod origin_properties;
mod permission;
mod permission_rules;
