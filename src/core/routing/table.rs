//! The routes, and which of them a path leads to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use matchit::{InsertError, Router};
use percent_encoding::percent_decode_str;

use super::pattern::{Kind, Pattern, REST};
use crate::request::parameters::Parameters;

/// The paths below it are the gate's own.
pub const PREFIX: &str = "/_portcullis";
/// The one route of a gate without `ROUTES`.
pub const EVERYTHING: &str = "/*";

/// A path pattern, and what holds for the paths that match it.
#[derive(Debug)]
pub struct Route<T> {
    pub pattern: String,
    kinds: Vec<Kind>,
    pub policy: T,
}

/// The route that a path leads to.
#[derive(Debug)]
pub struct Match<'a, T> {
    /// The place of the route among all, from 0.
    pub number: usize,
    pub route: &'a Route<T>,
    pub parameters: Parameters,
}

/// All routes; of those that match a path the most specific wins: the one whose first segment
/// that differs is a text rather than a parameter, or a parameter rather than `*`.
#[derive(Debug)]
pub struct Table<T> {
    routes: Vec<Route<T>>,
    /// By where the `*` stands: the router takes no parameter beside a `*`.
    routers: BTreeMap<Option<usize>, Router<usize>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            routers: BTreeMap::new(),
        }
    }
}

impl<T> Table<T> {
    /// Adds a route. The pattern is one that [`Pattern::parse`] gave; the error names the route
    /// it overlaps.
    pub fn add(&mut self, pattern: &Pattern, policy: T) -> Result<(), String> {
        let number = self.routes.len();
        let router = self.routers.entry(pattern.star()).or_default();
        for path in &pattern.router_paths {
            router
                .insert(path.as_str(), number)
                .map_err(|error| match error {
                    InsertError::Conflict { with } => format!(
                        "it overlaps the route {}, and neither is more specific; change one of \
                         the two",
                        with.replace(&format!("{{*{REST}}}"), "*")
                    ),
                    other => other.to_string(),
                })?;
        }
        self.routes.push(Route {
            pattern: pattern.text.clone(),
            kinds: pattern.kinds.clone(),
            policy,
        });
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Route<T>> {
        self.routes.iter()
    }

    /// Routes whose every path is another's. Only those with a `*` can be: the others are
    /// reached by words in place of their parameters.
    pub fn unreachable(&self) -> impl Iterator<Item = &Route<T>> {
        let segments = |route: &Route<T>| route.pattern.matches('/').count();
        let most = self.routes.iter().map(segments).max().unwrap_or_default();
        let longest = self.routes.iter().map(|route| route.pattern.len()).max();
        // Longer than any pattern, so it is no text of one.
        let word = "x".repeat(longest.unwrap_or_default());
        let is_reached = move |number: usize, root: &str| {
            let named = root
                .split('/')
                .map(|segment| match segment.strip_prefix('{') {
                    Some(_) => &word,
                    None => segment,
                });
            let mut path = named.collect::<Vec<_>>().join("/");
            let leads_there = |path: &str| self.at(path).is_some_and(|(found, _)| found == number);
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
                let root = route.pattern.strip_suffix('*')?;
                (!is_reached(number, root)).then_some(route)
            })
    }

    /// Servers differ in whether they decode a path before they part it into segments. Where that
    /// decides on the route or its parameters, `/public/..%2Fadmin` say, nothing matches: the
    /// upstream might serve what the gate guards otherwise.
    pub fn find(&self, path: &str) -> Option<Match<'_, T>> {
        let (number, parameters) = self.number_of(path)?;
        Some(Match {
            number,
            route: &self.routes[number],
            parameters,
        })
    }

    fn number_of(&self, path: &str) -> Option<(usize, Parameters)> {
        let parted_first = decode_segments(path);
        let decoded_first = decode_and_resolve(path);
        let found = self.at(&parted_first)?;
        if parted_first == decoded_first {
            return Some(found);
        }
        (self.at(&decoded_first)? == found).then_some(found)
    }

    fn at(&self, path: &str) -> Option<(usize, Parameters)> {
        let is_ours = path
            .strip_prefix(PREFIX)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_ours {
            return None;
        }
        let candidates = self
            .routers
            .values()
            .filter_map(|router| router.at(path).ok());
        let found = candidates.min_by_key(|found| &self.routes[*found.value].kinds)?;
        let named = found.params.iter().filter(|(name, _)| *name != REST);
        let parameters = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some((*found.value, Parameters(parameters.collect())))
    }
}

/// Each segment percent-decoded; an encoded slash stays encoded, for it parts none.
fn decode_segments(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let segments = path.split('/').map(|segment| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        decoded.replace('/', "%2F")
    });
    segments.collect::<Vec<_>>().join("/").into()
}

/// The path as a server sees it that decodes first, and then merges slashes of both kinds and
/// resolves dots.
fn decode_and_resolve(path: &str) -> Cow<'_, str> {
    // Unencoded dots and backslashes are resolved by who parsed the URL.
    if !path.contains('%') && !path.contains("//") {
        return path.into();
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut kept = Vec::new();
    let mut ends_in_slash = false;
    for segment in decoded.split(['/', '\\']) {
        ends_in_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let end = if ends_in_slash && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", kept.join("/")).into()
}
