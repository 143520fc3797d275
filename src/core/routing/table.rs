//! The routes, and which of them a path leads to.

use std::collections::BTreeMap;

use matchit::{InsertError, Router};

use super::pattern::{Kind, Pattern, is_under_prefix};
use super::reading::PathReading;
use crate::request::parameters::Parameters;
use crate::request::path::{AmbiguousPath, CanonicalPath};
use crate::response::reason::{Reason, Rejection};

/// Paths under this prefix are the gate's own.
pub const PREFIX: &str = "/_portcullis";
/// The one route of a gate without `ROUTES`.
pub const EVERYTHING: &str = "/*";

/// A path pattern and the policy for the paths that match it.
#[derive(Debug)]
pub struct Route<T> {
    pub pattern: String,
    parameters: Vec<String>,
    kinds: Vec<Kind>,
    pub policy: T,
}

/// The route that a path leads to.
#[derive(Debug)]
pub struct Match<'a, T> {
    /// The index of the route among all routes.
    pub number: usize,
    pub route: &'a Route<T>,
    pub parameters: Parameters,
}

/// Why a path leads to no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    NoRoute,
    Ambiguous(AmbiguousPath),
}

impl From<Miss> for Rejection {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::NoRoute => Reason::NoRoute.because("no route or endpoint matches"),
            Miss::Ambiguous(fault) => Reason::AmbiguousPath.because(fault.to_string()),
        }
    }
}

/// All routes. Of those that match a path the most specific wins: at the first segment that
/// differs, a text comes before a parameter, and a parameter before `*`.
#[derive(Debug)]
pub struct Table<T> {
    reading: PathReading,
    routes: Vec<Route<T>>,
    /// One for each fold of letters. All must agree on a path.
    lookups: Vec<Lookup>,
}

/// Routers by the index of `*`: a router takes no parameter next to a `*`.
#[derive(Debug)]
struct Lookup {
    fold: fn(&str) -> String,
    routers: BTreeMap<Option<usize>, Router<usize>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new(PathReading::default())
    }
}

impl<T> Table<T> {
    pub fn new(reading: PathReading) -> Self {
        let lookup = |fold: &fn(&str) -> String| Lookup {
            fold: *fold,
            routers: BTreeMap::new(),
        };
        Self {
            reading,
            routes: Vec::new(),
            lookups: reading.case.folds().iter().map(lookup).collect(),
        }
    }

    /// Adds a route. The error names the route that it overlaps.
    pub fn add(&mut self, pattern: &Pattern, policy: T) -> Result<(), String> {
        let number = self.routes.len();
        for lookup in &mut self.lookups {
            let router = lookup.routers.entry(pattern.star()).or_default();
            for path in pattern.router_paths(lookup.fold, self.reading.trailing_slash) {
                router
                    .insert(&path, number)
                    .map_err(|error| overlap(&error, router, &self.routes))?;
            }
        }
        self.routes.push(Route {
            pattern: pattern.text.clone(),
            parameters: pattern.parameters.clone(),
            kinds: pattern.kinds.clone(),
            policy,
        });
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Route<T>> {
        self.routes.iter()
    }

    /// Routes that no path leads to. Only those with a `*` can be: the others are reached by a
    /// path with any words in place of their parameters.
    pub fn unreachable(&self) -> impl Iterator<Item = &Route<T>> {
        let segments = |route: &Route<T>| route.pattern.matches('/').count();
        let most = self.routes.iter().map(segments).max().unwrap_or_default();
        let word = self.foreign_word();
        let is_reached = move |number: usize, pattern: &str| {
            let mut path = example(pattern, &word);
            let leads_there = |path: &str| self.number_of(path) == Some(number);
            (0..=most).any(|_| {
                let is_here = leads_there(&path) || leads_there(&format!("{path}{word}"));
                path = format!("{path}{word}/");
                is_here
            })
        };
        self.routes
            .iter()
            .enumerate()
            .filter_map(move |(number, route)| {
                let has_star = route.pattern.ends_with('*');
                (has_star && !is_reached(number, &route.pattern)).then_some(route)
            })
    }

    /// Finds the route of a path as a client sent it. A path that leads to different routes or
    /// parameters by different readings is ambiguous.
    pub fn find(&self, path: &str) -> Result<Match<'_, T>, Miss> {
        let path = CanonicalPath::parse(path).map_err(Miss::Ambiguous)?;
        let found = self.at(path.decoded())?;
        if let Some(stripped) = path.without_parameters()
            && self.at(&stripped) != Ok(found.clone())
        {
            return Err(Miss::Ambiguous(AmbiguousPath::PathParameters));
        }
        if let Some(cut) = path.before_encoded_end()
            && self.at(cut).map(|(number, _)| number) != Ok(found.0)
        {
            return Err(Miss::Ambiguous(AmbiguousPath::EncodedEnd));
        }
        let (number, values) = found;
        Ok(Match {
            number,
            route: &self.routes[number],
            parameters: Parameters::new(path, values),
        })
    }

    /// The route of a decoded path, and its parameters.
    fn at(&self, path: &str) -> Result<(usize, Vec<(String, String)>), Miss> {
        let path = self.reading.trailing_slash.trim(path);
        let mut numbers = self
            .lookups
            .iter()
            .map(|lookup| lookup.number_of(&self.routes, path));
        let first = numbers.next().flatten();
        if numbers.any(|other| other != first) {
            return Err(Miss::Ambiguous(AmbiguousPath::LetterCase));
        }
        let number = first.ok_or(Miss::NoRoute)?;
        let route = &self.routes[number];
        let segments = path.split('/').skip(1).zip(&route.kinds);
        let values = segments.filter(|(_, kind)| **kind == Kind::Parameter);
        let names = route.parameters.iter().cloned();
        let values = names.zip(values.map(|(value, _)| value.to_owned()));
        Ok((number, values.collect()))
    }

    fn number_of(&self, path: &str) -> Option<usize> {
        self.at(path).ok().map(|(number, _)| number)
    }

    /// A word that is no text of a pattern, since it is longer than any.
    fn foreign_word(&self) -> String {
        let longest = self.routes.iter().map(|route| route.pattern.len()).max();
        "x".repeat(longest.unwrap_or_default())
    }

    /// Routes that servers may confuse if they ignore case: each with the route that its pattern
    /// leads to in other letters, and the pattern in these letters.
    pub fn neighbours_by_case(&self) -> Vec<(&Route<T>, &Route<T>, String)> {
        self.neighbours(|pattern| {
            let segments = pattern.split('/').map(|segment| match segment {
                name if name.starts_with('{') => name.to_owned(),
                text => in_other_case(text),
            });
            segments.collect::<Vec<_>>().join("/")
        })
    }

    /// Routes that servers may confuse if they ignore a trailing slash: each with the route that
    /// its pattern leads to with the slash added or removed, and the pattern so changed.
    pub fn neighbours_by_trailing_slash(&self) -> Vec<(&Route<T>, &Route<T>, String)> {
        self.neighbours(|pattern| {
            let path = pattern.strip_suffix('*').unwrap_or(pattern);
            let without = path.strip_suffix('/').map(str::to_owned);
            without.unwrap_or_else(|| format!("{path}/"))
        })
    }

    fn neighbours(&self, change: impl Fn(&str) -> String) -> Vec<(&Route<T>, &Route<T>, String)> {
        let word = self.foreign_word();
        let mut found = Vec::new();
        for route in &self.routes {
            let other = change(&route.pattern);
            let neighbour = self.number_of(&example(&other, &word));
            found.extend(neighbour.map(|number| (route, &self.routes[number], other)));
        }
        found
    }
}

impl Lookup {
    /// The index of the most specific route of a decoded path.
    fn number_of<T>(&self, routes: &[Route<T>], path: &str) -> Option<usize> {
        let path = (self.fold)(path);
        if is_under_prefix(&path) {
            return None;
        }
        let candidates = self
            .routers
            .values()
            .filter_map(|router| router.at(&path).ok());
        let found = candidates.min_by_key(|found| &routes[*found.value].kinds)?;
        Some(*found.value)
    }
}

/// Why a route can't be added.
fn overlap<T>(error: &InsertError, router: &Router<usize>, routes: &[Route<T>]) -> String {
    match error {
        InsertError::Conflict { with } => {
            let other = router.at(with).ok();
            let other = other.map_or(with.as_str(), |found| {
                routes
                    .get(*found.value)
                    .map_or(with.as_str(), |route| route.pattern.as_str())
            });
            format!(
                "it overlaps the route {other}, and neither is more specific; change one of the two"
            )
        }
        other => other.to_string(),
    }
}

/// A path of a pattern, with this word for each parameter and nothing for `*`.
fn example(pattern: &str, word: &str) -> String {
    let segments = pattern.split('/').map(|segment| match segment {
        "*" => "",
        name if name.starts_with('{') => word,
        text => text,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn in_other_case(path: &str) -> String {
    let other = |letter: char| match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        _ => letter.to_ascii_lowercase(),
    };
    path.chars().map(other).collect()
}
