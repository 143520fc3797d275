//! The host tests of the core. One binary, since each would be linked and run by itself.

#![allow(
    clippy::pedantic,
    reason = "tests are read as tables, and nothing depends on them"
)]

use std::fs;
use std::path::{Path, PathBuf};

mod admin;
mod checks;
mod common;
mod config;
mod fuzz;
mod fuzzing;
mod gateway;
mod imports;
mod limits;
mod metrics;
mod one_time;
mod record;
mod registry;
mod relay;
mod request;
mod response;
mod routing;
mod token;
mod upstream;
mod util;

/// A file that is no module here would never run.
#[test]
fn every_file_is_a_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/host");
    assert_eq!(left_out(&root, "main.rs"), Vec::<PathBuf>::new());
}

/// Files and folders that the folder's module file does not name, at any depth.
fn left_out(folder: &Path, module_file: &str) -> Vec<PathBuf> {
    let modules = fs::read_to_string(folder.join(module_file)).expect("the module file");
    let mut left_out = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let is_named = modules
            .lines()
            .any(|line| line.strip_prefix("pub ").unwrap_or(line) == format!("mod {name};"));
        if !is_named && path.file_name().is_some_and(|name| name != module_file) {
            left_out.push(path);
        } else if path.join("mod.rs").exists() {
            left_out.extend(self::left_out(&path, "mod.rs"));
        }
    }
    left_out
}
