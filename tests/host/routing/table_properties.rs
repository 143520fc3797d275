//! Which route a path takes, against a matcher that tries every pattern.

use portcullis::config::{ConfigError, Var};
use portcullis::gateway::Place;
use portcullis::policy::Site;
use portcullis::routing::table::Match;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::segments::{Segment, pattern_of, text};
use crate::common::{self, cases, minimal_with};

/// Its rank among segments that match the same, whatever the text.
fn rank(segment: &Segment) -> u8 {
    match segment {
        Segment::Text(_) => 0,
        Segment::Parameter => 1,
        Segment::Star => 2,
    }
}

fn pattern() -> impl Strategy<Value = Vec<Segment>> {
    let segment = prop_oneof![
        1 => Just(Segment::Text("a")),
        1 => Just(Segment::Text("b")),
        2 => Just(Segment::Parameter)
    ];
    pattern_of(segment)
}

fn matches(pattern: &[Segment], path: &[&str]) -> bool {
    match (pattern, path) {
        ([Segment::Star], [_, ..]) | ([], []) => true,
        ([Segment::Text(text), pattern @ ..], [first, path @ ..]) => {
            text == first && matches(pattern, path)
        }
        ([Segment::Parameter, pattern @ ..], [first, path @ ..]) => {
            !first.is_empty() && matches(pattern, path)
        }
        _ => false,
    }
}

fn best(patterns: &[Vec<Segment>], path: &[&str]) -> Option<usize> {
    let matching = (0..patterns.len()).filter(|route| matches(&patterns[*route], path));
    matching.min_by_key(|route| patterns[*route].iter().map(rank).collect::<Vec<_>>())
}

/// All paths of these words with up to so many segments, the last of which may be empty.
fn all_paths(most: usize) -> Vec<Vec<&'static str>> {
    let mut paths = vec![vec![""]];
    let mut stems: Vec<Vec<&str>> = vec![vec![]];
    for _ in 0..most {
        stems = stems
            .iter()
            .flat_map(|stem| ["a", "b", "z"].map(|word| [stem.as_slice(), &[word]].concat()))
            .collect();
        paths.extend(stems.iter().cloned());
        paths.extend(stems.iter().map(|stem| [stem.as_slice(), &[""]].concat()));
    }
    paths
}

fn read(patterns: &[Vec<Segment>]) -> Result<Site, Vec<ConfigError>> {
    let routes: Vec<_> = patterns
        .iter()
        .enumerate()
        .map(|(route, pattern)| json!({ "path": text(route, pattern) }))
        .collect();
    let mut settings = minimal_with(&[]);
    settings
        .vars
        .insert("ROUTES".into(), Var::Json(json!(routes)));
    Site::read(&settings)
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_most_specific_of_all_that_match_wins(
        mut patterns in vec(pattern(), 1..20),
        may_overlap in any::<bool>(),
    ) {
        if !may_overlap {
            patterns.sort();
            patterns.dedup();
        }
        let paths = all_paths(4);
        let overlapping: Vec<_> = (0..patterns.len())
            .filter(|route| patterns[..*route].contains(&patterns[*route]))
            .collect();
        let unreachable: Vec<_> = (0..patterns.len())
            .filter(|route| !paths.iter().any(|path| best(&patterns, path) == Some(*route)))
            .collect();
        let faulty = if overlapping.is_empty() { &unreachable } else { &overlapping };
        let mut names = Vec::new();
        for route in faulty {
            let name = format!("ROUTES {}", text(*route, &patterns[*route]));
            // Two errors that read the same are one.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let site = match read(&patterns) {
            Ok(site) => site,
            Err(errors) => {
                let told: Vec<_> = errors.into_iter().map(|error| error.setting).collect();
                prop_assert_eq!(told, names);
                return Ok(());
            }
        };
        prop_assert_eq!(names, Vec::<String>::new());
        for path in &paths {
            let url = format!("https://gate.example/{}", path.join("/"));
            let ask = common::Ask::plain("GET", &url);
            let found = match site.find(&ask.request()) {
                Place::Route(Match { number, parameters, .. }) => {
                    for (at, segment) in patterns[number].iter().enumerate() {
                        let value = parameters.get(&format!("r{number}_{at}"));
                        let is_parameter = *segment == Segment::Parameter;
                        prop_assert_eq!(value, is_parameter.then(|| path[at]), "{}", url);
                    }
                    Some(number)
                }
                _ => None,
            };
            prop_assert_eq!(found, best(&patterns, path), "{} in {:?}", url, patterns);
        }
    }
}
