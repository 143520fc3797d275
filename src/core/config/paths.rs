//! `PATH_CASE` and `PATH_TRAILING_SLASH`: how the servers read paths, and which routes are at risk
//! where that is not said.

use super::reader::Reader;
use super::values;
use crate::policy::{Policy, Route};
use crate::routing::table::Table;
use crate::routing::{PathCase, PathReading, TrailingSlash};

const CASE: &str = "PATH_CASE";
const TRAILING_SLASH: &str = "PATH_TRAILING_SLASH";

pub(super) fn read(reader: &mut Reader<'_>) -> PathReading {
    PathReading {
        case: reader.or(CASE, PathCase::default(), |text| {
            values::one_of(
                text,
                &[
                    ("sensitive", PathCase::Sensitive),
                    ("insensitive", PathCase::Insensitive),
                ],
            )
        }),
        trailing_slash: reader.or(TRAILING_SLASH, TrailingSlash::default(), |text| {
            values::one_of(
                text,
                &[
                    ("distinct", TrailingSlash::Distinct),
                    ("same", TrailingSlash::Same),
                ],
            )
        }),
    }
}

/// Warnings about routes that a client could reach by a looser one, if its server reads paths
/// otherwise than the setting's default says. A setting that is written out is believed.
pub(super) fn warnings(reader: &Reader<'_>, routes: &Table<Policy>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |setting, value, neighbours: Vec<(&Route, &Route, String)>| {
        for (route, neighbour, path) in neighbours {
            if !reader.has(setting) && neighbour.policy.asks_for_less_than(&route.policy) {
                warnings.push(format!(
                    "{setting}: {path} leads to the route {}, which asks for less than {}; if your \
                     server takes the two paths for one, set {setting} to {value:?}, else to its \
                     default",
                    neighbour.pattern, route.pattern
                ));
            }
        }
    };
    warn(CASE, "insensitive", routes.neighbours_by_case());
    warn(
        TRAILING_SLASH,
        "same",
        routes.neighbours_by_trailing_slash(),
    );
    warnings
}

impl Policy {
    /// Whether some client may open a socket here that may not there.
    fn asks_for_less_than(&self, other: &Self) -> bool {
        // Ordered: off, optional, required.
        let authentication = |policy: &Self| policy.authentication.as_ref().map(|one| one.required);
        let lacks_scope = |scope| !self.permission.scopes.contains(scope);
        authentication(self) < authentication(other)
            || other.permission.scopes.iter().any(lacks_scope)
            || (!other.permission.claims.is_empty()
                && self.permission.claims != other.permission.claims)
    }
}
