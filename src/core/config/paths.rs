//! `PATH_CASE` and `PATH_TRAILING_SLASH`: how the servers read paths, and which routes are at risk
//! where that is not said.

use super::reader::Reader;
use super::settings::{PATH_CASE, PATH_TRAILING_SLASH, Setting};
use super::values;
use crate::policy::{Policy, Route};
use crate::routing::table::Table;
use crate::routing::{PathCase, PathReading, TrailingSlash};

pub(super) fn read(reader: &mut Reader<'_>) -> PathReading {
    PathReading {
        case: reader.or_default(&PATH_CASE, |text| {
            values::one_of(
                text,
                &[
                    ("sensitive", PathCase::Sensitive),
                    ("insensitive", PathCase::Insensitive),
                ],
            )
        }),
        trailing_slash: reader.or_default(&PATH_TRAILING_SLASH, |text| {
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
    let mut warn = |setting: &'static Setting, value, neighbours: Vec<(&Route, &Route, String)>| {
        let name = setting.name();
        for (route, neighbour, path) in neighbours {
            if !reader.has(setting) && neighbour.policy.asks_for_less_than(&route.policy) {
                warnings.push(format!(
                    "{name}: {path} leads to the route {}, which asks for less than {}; if your \
                     server takes the two paths for one, set {name} to {value:?}, else to its \
                     default",
                    neighbour.pattern, route.pattern
                ));
            }
        }
    };
    warn(&PATH_CASE, "insensitive", routes.neighbours_by_case());
    warn(
        &PATH_TRAILING_SLASH,
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
