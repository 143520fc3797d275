//! Files of the documentation and of the browser module that are written from tables of the core.

use std::path::Path;
use std::{env, fs};

const WRITE: &str = "WRITE_DOCS";

/// Compares a file of the repository with what a table says. With `WRITE_DOCS=1` it writes the file.
#[track_caller]
pub fn assert_generated(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    if env::var_os(WRITE).is_some() {
        fs::write(&path, expected).expect("the repository is writable");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found
        .lines()
        .zip(expected.lines())
        .find(|(is, must)| is != must);
    assert!(
        found == expected,
        "{name} is not what the core says, first at {differs:?}; write it with {WRITE}=1 \
         cargo test --test host"
    );
}
