//! The route that is judged is the route that every server would serve, however it reads paths.

use portcullis::gateway::Place;
use portcullis::policy::Site;
use portcullis::routing::table::Table;
use portcullis::routing::{PathCase, PathReading, Pattern, TrailingSlash};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::segments::{Segment, pattern_of, text};
use crate::common::{Ask, cases, minimal_with};

/// How a server comes from the bytes of a path to the segments that it routes by.
type Reading = fn(&[u8]) -> Vec<Vec<u8>>;

const READINGS: [(&str, Reading); 6] = [
    ("the URL standard's", standard),
    ("decode first", |path| resolve(&decode(path))),
    ("decode twice", |path| resolve(&decode(&decode(path)))),
    ("without path parameters", |path| {
        resolve(&decode(&without_parameters(path)))
    }),
    ("decoded, without path parameters", |path| {
        resolve(&without_parameters(&decode(path)))
    }),
    ("decoded twice, without path parameters", |path| {
        resolve(&without_parameters(&decode(&decode(path))))
    }),
];

fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|byte| (*byte as char).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut is_parameter = false;
    for byte in path {
        is_parameter = match byte {
            b'/' => false,
            b';' => true,
            _ => is_parameter,
        };
        if !is_parameter {
            kept.push(*byte);
        }
    }
    kept
}

/// Slashes of both kinds part segments and are merged; dots are resolved.
fn resolve(path: &[u8]) -> Vec<Vec<u8>> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_open = false;
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        is_open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    if is_open {
        segments.push(b"");
    }
    segments.into_iter().map(<[u8]>::to_vec).collect()
}

/// Dots are resolved, encoded or not; then each segment is decoded.
fn standard(path: &[u8]) -> Vec<Vec<u8>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let all: Vec<_> = path.split(|byte| matches!(byte, b'/' | b'\\')).collect();
    for (at, segment) in all.iter().enumerate().skip(1) {
        let dots = String::from_utf8_lossy(segment)
            .to_ascii_lowercase()
            .replace("%2e", ".");
        let is_last = at + 1 == all.len();
        if dots == ".." {
            segments.pop();
        }
        if dots != "." && dots != ".." {
            segments.push(decode(segment));
        } else if is_last {
            segments.push(Vec::new());
        }
    }
    segments
}

/// How servers compare what they have read.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    ignores_case: bool,
    ignores_trailing_slash: bool,
}

impl Comparison {
    fn equals(self, text: &str, segment: &[u8]) -> bool {
        match self.ignores_case {
            true => text.as_bytes().eq_ignore_ascii_case(segment),
            false => text.as_bytes() == segment,
        }
    }

    /// The segments of a path or pattern that are compared.
    fn trim<T: Clone>(self, segments: &[T], is_empty: impl Fn(&T) -> bool) -> Vec<T> {
        match segments {
            [rest @ .., last] if self.ignores_trailing_slash && is_empty(last) => rest.to_vec(),
            _ => segments.to_vec(),
        }
    }

    fn matches(self, pattern: &[Segment], path: &[Vec<u8>]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            ([Segment::Star], []) => self.ignores_trailing_slash,
            ([Segment::Star], _) => true,
            ([Segment::Text(text), pattern @ ..], [first, path @ ..]) => {
                self.equals(text, first) && self.matches(pattern, path)
            }
            ([Segment::Parameter, pattern @ ..], [first, path @ ..]) => {
                !first.is_empty() && self.matches(pattern, path)
            }
            _ => false,
        }
    }

    /// The patterns of which no two match the same paths.
    fn distinct(self, patterns: Vec<Vec<Segment>>) -> Vec<Vec<Segment>> {
        let mut shapes = Vec::new();
        let is_slash = |segment: &Segment| *segment == Segment::Text("");
        let shape = |pattern: &Vec<Segment>| -> Vec<String> {
            let pattern = self.trim(pattern, is_slash);
            let segments = pattern.iter().map(|segment| match segment {
                Segment::Text(text) if self.ignores_case => text.to_ascii_lowercase(),
                Segment::Text(text) => (*text).to_owned(),
                Segment::Parameter => "{}".to_owned(),
                Segment::Star => "*".to_owned(),
            });
            segments.collect()
        };
        let mut patterns = patterns;
        patterns.retain(|pattern| {
            let shape = shape(pattern);
            let is_new = !shapes.contains(&shape);
            shapes.push(shape);
            is_new
        });
        patterns
    }

    /// The most specific pattern, and `None` for a path of the gate's own too.
    fn route(self, patterns: &[Vec<Segment>], path: &[Vec<u8>]) -> Option<usize> {
        if path
            .first()
            .is_some_and(|first| self.equals("_portcullis", first))
        {
            return None;
        }
        let path = self.trim(path, Vec::is_empty);
        let rank = |pattern: &[Segment]| -> Vec<u8> {
            let rank = |segment: &Segment| match segment {
                Segment::Text(_) => 0,
                Segment::Parameter => 1,
                Segment::Star => 2,
            };
            pattern.iter().map(rank).collect()
        };
        let is_slash = |segment: &Segment| *segment == Segment::Text("");
        let patterns = patterns.iter().map(|pattern| self.trim(pattern, is_slash));
        let matching = patterns
            .enumerate()
            .filter(|(_, pattern)| self.matches(pattern, &path));
        let best = matching.min_by_key(|(_, pattern)| rank(pattern))?;
        Some(best.0)
    }
}

fn pattern() -> impl Strategy<Value = Vec<Segment>> {
    let segment = select(
        &[
            Segment::Text("admin"),
            Segment::Text("Admin"),
            Segment::Text("a"),
            Segment::Parameter,
        ][..],
    );
    pattern_of(segment)
}

/// Pieces that servers read in different ways, among those that all read alike.
const PIECES: [&str; 38] = [
    "/",
    "/",
    "/",
    "/",
    "admin",
    "admin",
    "Admin",
    "ADMIN",
    "a",
    "a",
    "%61",
    "%41dmin",
    "a%64min",
    ".",
    "..",
    "/..",
    "/../",
    "%2e",
    "%2E%2e",
    "%252e",
    "%2f",
    "%2F",
    "%252F",
    "%5c",
    "\\",
    ";",
    ";x=1",
    "%3b",
    "%253B",
    "//",
    "%20",
    "%25",
    "%00",
    "%ff",
    "%",
    "_portcullis",
    "%5Fportcullis",
    "x",
];

proptest! {
    #![proptest_config(cases(6_000))]

    #[test]
    fn the_route_judged_is_that_of_every_reading(
        patterns in vec(pattern(), 1..8),
        pieces in vec(select(&PIECES[..]), 0..7),
        ignores_case in any::<bool>(),
        ignores_trailing_slash in any::<bool>(),
    ) {
        let comparison = Comparison { ignores_case, ignores_trailing_slash };
        let mut table = Table::new(PathReading {
            case: if ignores_case { PathCase::Insensitive } else { PathCase::Sensitive },
            trailing_slash: match ignores_trailing_slash {
                true => TrailingSlash::Same,
                false => TrailingSlash::Distinct,
            },
        });
        let patterns = comparison.distinct(patterns);
        for (route, pattern) in patterns.iter().enumerate() {
            let pattern = Pattern::parse(&text(route, pattern)).expect("a sound pattern");
            table.add(&pattern, ()).expect("a route that overlaps none");
        }
        let path = format!("/{}", pieces.concat());
        if let Ok(found) = table.find(&path) {
            for (name, reading) in READINGS {
                let read = comparison.route(&patterns, &reading(path.as_bytes()));
                prop_assert_eq!(
                    read,
                    Some(found.number),
                    "{} read {} in {:?} with {:?}",
                    name,
                    path,
                    patterns,
                    comparison
                );
            }
            // The path that was judged is the path that is sent on, and resolving it changes nothing.
            prop_assert_eq!(found.parameters.path(), &path);
        }
    }

    /// Whatever a server makes of it, nothing leaves the path that the server is behind.
    #[test]
    fn nothing_climbs_above_the_root(pieces in vec(select(&PIECES[..]), 0..9)) {
        let site = Site::read(&minimal_with(&[])).expect("sound settings");
        let path = format!("/{}", pieces.concat());
        let ask = Ask::plain("GET", &format!("https://gate.example{path}"));
        if let Place::Route(_) = site.find(&ask.request()) {
            for (name, reading) in READINGS {
                let below = reading(format!("/app1{path}").as_bytes());
                prop_assert_eq!(below.first().map(Vec::as_slice), Some(&b"app1"[..]), "{}", name);
            }
        }
    }
}
