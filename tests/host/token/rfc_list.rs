//! Each point of docs/jwt.md names tests, and they exist.

use std::fs;
use std::path::Path;

/// Whether a test of this name stands in a file: a function, or the title of one in JavaScript.
fn exists(file: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(file) else {
        return false;
    };
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    if is_rust {
        return text.contains(&format!("fn {name}("));
    }
    ['\'', '`']
        .iter()
        .any(|quote| text.contains(&format!("test({quote}{name}{quote}")))
}

#[test]
fn every_point_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let list = fs::read_to_string(root.join("docs/jwt.md")).expect("the list");
    let mut points = 0;
    let mut wrong = Vec::new();
    for row in list.lines().filter(|line| line.starts_with("| §")) {
        points += 1;
        let cells: Vec<_> = row.split(" | ").collect();
        let [_, _, tests] = cells[..] else {
            panic!("three cells: {row}");
        };
        for test in tests.trim_end_matches(" |").split("<br>") {
            let named = test.trim_matches('`').split_once(": ");
            if !named.is_some_and(|(file, name)| exists(&root.join("tests").join(file), name)) {
                wrong.push(test);
            }
        }
    }
    assert!(points > 0, "the list has points");
    assert_eq!(wrong, Vec::<&str>::new());
}
