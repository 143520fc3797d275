//! Random patterns of routes, for property tests.

use proptest::collection::vec;
use proptest::prelude::*;

/// What a segment is, the most specific first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    Text(&'static str),
    Parameter,
    Star,
}

/// A pattern of up to three such segments, and perhaps a star or a trailing slash.
pub fn pattern_of(segment: impl Strategy<Value = Segment>) -> impl Strategy<Value = Vec<Segment>> {
    let last = prop_oneof![Just(Segment::Star), Just(Segment::Text(""))];
    (vec(segment, 0..3), prop::option::of(last)).prop_map(|(mut segments, last)| {
        segments.extend(last);
        if segments.is_empty() {
            segments.push(Segment::Text(""));
        }
        segments
    })
}

/// The name of a parameter is that of its route, so that it tells whose value it is.
pub fn text(route: usize, pattern: &[Segment]) -> String {
    let segments = pattern
        .iter()
        .enumerate()
        .map(|(at, segment)| match segment {
            Segment::Text(text) => format!("/{text}"),
            Segment::Parameter => format!("/{{r{route}_{at}}}"),
            Segment::Star => "/*".to_owned(),
        });
    segments.collect()
}
