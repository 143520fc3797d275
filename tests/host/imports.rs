//! The rule of imports, read from the sources: see ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the core, top to bottom. A module may use what stands below it; those of one line
/// don't know of each other.
const CORE: [&[&str]; 12] = [
    &["gateway"],
    &["config"],
    &["policy"],
    &["routing"],
    &["upstream"],
    &["metrics"],
    &["checks", "admin", "one_time", "record"],
    &["response", "relay"],
    &["registry", "limits"],
    &["token"],
    &["request"],
    &["util"],
];

type Import = (PathBuf, String);

/// All files of a crate, and the modules at its top that each of them names.
fn imports(crate_folder: &str) -> Vec<Import> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(crate_folder);
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).expect("a source file");
                let file = path.strip_prefix(&root).expect("in the crate").to_owned();
                found.extend(modules_named(&source).map(|module| (file.clone(), module)));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first names of all paths that begin with `crate::`.
fn modules_named(source: &str) -> impl Iterator<Item = String> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let paths: Vec<_> = code.split("crate::").skip(1).map(str::to_owned).collect();
    paths
        .into_iter()
        .flat_map(|path| match path.strip_prefix('{') {
            Some(group) => first_names(group),
            None => vec![name(&path)],
        })
}

/// The first names in a group, such as `a` and `b` in `a::{x, y}, b}`.
fn first_names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![name(group)];
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn name(path: &str) -> String {
    path.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// The module at the top of the crate that a file belongs to.
fn module_of(file: &Path) -> String {
    let first = file.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn the_core_imports_only_downwards() {
    let rank = |module: &str| CORE.iter().position(|line| line.contains(&module));
    let wrong: Vec<_> = imports("core")
        .into_iter()
        .filter(|(file, _)| file != Path::new("lib.rs"))
        .filter(|(file, import)| {
            let module = module_of(file);
            let places = (rank(&module), rank(import));
            let (Some(above), Some(below)) = places else {
                panic!(
                    "{} imports {import}: one of them is not in the list",
                    file.display()
                );
            };
            module != *import && above >= below
        })
        .map(|(file, import)| format!("{} imports {import}", file.display()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_modules_of_the_worker_form_no_circle() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, import) in imports("worker") {
        let module = module_of(&file);
        if module != import {
            uses.entry(module).or_default().insert(import);
        }
    }
    // What uses only modules that are done is done; a circle never is.
    let mut left: BTreeSet<_> = uses.keys().cloned().collect();
    while let Some(done) = left
        .iter()
        .find(|module| uses[*module].is_disjoint(&left))
        .cloned()
    {
        left.remove(&done);
    }
    assert_eq!(left, BTreeSet::new(), "modules of the Worker form a circle");
}
