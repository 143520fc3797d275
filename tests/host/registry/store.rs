//! The stored denials, by the statements that the Durable Object runs.

use portcullis::registry::{
    About, Denial, DenialKind, DenialTarget, Denials, RegistryKey, Sql, SqlValue,
};
use portcullis::util::time::Timestamp;

use crate::common::registry::{Sqlite, after, alice};
use crate::common::{NOW, assert_rows};

fn target(kind: DenialKind, id: &str) -> DenialTarget {
    let key = RegistryKey::socket(id);
    DenialTarget { kind, key }
}

fn denial(until: Timestamp) -> Denial {
    Denial {
        before: Timestamp::LATEST,
        until,
    }
}

#[test]
fn what_is_stored_outlasts_the_object_and_is_found_by_its_target() {
    let database = Sqlite::default();
    let quote = target(DenialKind::Ban, "it's \"quoted\", \\ and ü\u{0}");
    let plain = target(DenialKind::Revoke, "a");
    let denials = Denials::new(&database);
    assert_eq!(denials.load(&[]), Ok(Vec::new()));
    assert_eq!(denials.load(std::slice::from_ref(&plain)), Ok(Vec::new()));
    denials
        .store(&quote, denial(after(1)), &About::default(), true, NOW)
        .expect("SQL");
    denials
        .store(&plain, denial(after(2)), &About::default(), true, NOW)
        .expect("SQL");
    denials
        .store(&plain, denial(after(3)), &About::default(), false, NOW)
        .expect("SQL");
    let again = Denials::new(&database);
    let found = |targets: &[DenialTarget]| again.load(targets).expect("SQL");
    let other = target(DenialKind::Ban, "a");
    assert_rows([
        (
            "one",
            found(&[other.clone(), plain.clone()]),
            vec![(plain.clone(), denial(after(3)))],
        ),
        (
            "a name with quotes",
            found(std::slice::from_ref(&quote)),
            vec![(quote.clone(), denial(after(1)))],
        ),
        ("another kind", found(&[other]), Vec::new()),
        (
            "none of a socket's",
            found(&alice().denial_targets(true)),
            Vec::new(),
        ),
    ]);
}

#[test]
fn a_sweep_deletes_what_ended_and_counts_the_rest() {
    let database = Sqlite::default();
    let denials = Denials::new(&database);
    assert_eq!(denials.sweep(NOW), Ok(0));
    for (id, until) in [
        ("a", NOW),
        ("b", after(1)),
        ("c", after(2)),
        ("d", Timestamp(0)),
    ] {
        let target = target(DenialKind::Revoke, id);
        denials
            .store(&target, denial(until), &About::default(), true, NOW)
            .expect("SQL");
    }
    assert_rows([
        ("at once", denials.sweep(NOW), Ok(2)),
        ("later", denials.sweep(after(1)), Ok(1)),
        ("at last", denials.sweep(Timestamp::LATEST), Ok(0)),
    ]);
}

#[test]
fn a_database_that_fails_or_holds_something_else_is_an_error() {
    struct Broken(Result<Vec<Vec<SqlValue>>, String>);
    impl Sql for Broken {
        fn run(&self, statement: &str, _: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String> {
            match statement.starts_with("CREATE") {
                true => Ok(Vec::new()),
                false => self.0.clone(),
            }
        }
    }
    let load = |rows| Denials::new(Broken(rows)).load(&[target(DenialKind::Ban, "a")]);
    let sweep = |rows| Denials::new(Broken(rows)).sweep(NOW);
    let odd = || Ok(vec![vec![SqlValue::Integer(1)]]);
    let text = || Ok(vec![vec![SqlValue::Text("many".into())]]);
    let failed = || Err("disk I/O error".to_owned());
    assert_rows(
        [
            (
                "a failed load",
                load(failed()).unwrap_err(),
                "disk I/O error",
            ),
            (
                "a row of other types",
                load(odd()).unwrap_err(),
                "a stored denial has other types",
            ),
            (
                "a failed sweep",
                sweep(failed()).unwrap_err(),
                "disk I/O error",
            ),
            (
                "a count that is no number",
                sweep(text()).unwrap_err(),
                "the stored denials can't be counted",
            ),
            (
                "no count",
                sweep(Ok(Vec::new())).unwrap_err(),
                "the stored denials can't be counted",
            ),
        ]
        .map(|(name, actual, expected)| (name, actual, expected.to_owned())),
    );
}
