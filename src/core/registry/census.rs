//! How many live sockets there are, by route and by subject.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Socket;
use crate::util::from_json::from_fields;
use crate::util::sorting::sorted_by;

/// The largest number of routes that are counted separately, and of subjects that are shown.
const MAX_ROUTES: usize = 1000;
pub const MAX_SUBJECTS: usize = 20;

/// A count of live sockets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Census {
    pub sockets: u64,
    /// By pattern.
    pub routes: Vec<(String, u64)>,
    /// The subjects with the most sockets, in descending order.
    pub subjects: Vec<(String, u64)>,
}

from_fields!(Census {
    sockets,
    routes,
    subjects,
});

impl Census {
    pub fn of<'a>(sockets: impl Iterator<Item = &'a Socket>) -> Self {
        let mut total = 0;
        let mut routes = BTreeMap::new();
        let mut subjects = BTreeMap::new();
        for socket in sockets {
            total += 1;
            *routes.entry(socket.route.clone()).or_default() += 1;
            if let Some(subject) = &socket.sub {
                *subjects.entry(subject.clone()).or_default() += 1;
            }
        }
        Self::bounded(total, routes, subjects)
    }

    /// Adds the counts of several objects. All sockets of a subject of one issuer are in one object.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut total = 0;
        let mut routes: BTreeMap<String, u64> = BTreeMap::new();
        let mut subjects: BTreeMap<String, u64> = BTreeMap::new();
        for part in parts {
            total += part.sockets;
            for (route, count) in part.routes {
                *routes.entry(route).or_default() += count;
            }
            for (subject, count) in part.subjects {
                *subjects.entry(subject).or_default() += count;
            }
        }
        Self::bounded(total, routes, subjects)
    }

    fn bounded(
        sockets: u64,
        routes: BTreeMap<String, u64>,
        subjects: BTreeMap<String, u64>,
    ) -> Self {
        let subjects = subjects.into_iter().collect();
        let mut subjects = sorted_by(subjects, |one: &(String, u64), other| {
            (other.1, &one.0).cmp(&(one.1, &other.0))
        });
        subjects.truncate(MAX_SUBJECTS);
        Self {
            sockets,
            routes: routes.into_iter().take(MAX_ROUTES).collect(),
            subjects,
        }
    }
}
