//! The patterns of paths.

use super::reading::TrailingSlash;
use super::table::PREFIX;
use crate::request::path::CanonicalPath;

/// The router's name for the rest that `*` matches. No parameter can have it.
const REST: &str = "-";

/// A route's `path`: `/chat`, `/rooms/{room}`, `/api/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    pub parameters: Vec<String>,
    pub(super) kinds: Vec<Kind>,
}

/// The kind of a segment, the most specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Text,
    Parameter,
    Star,
}

impl Pattern {
    /// Parses a pattern. The error says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write a path like \"/chat\", \"/rooms/{room}\" or \"/api/*\"";
        let Some(segments) = text.strip_prefix('/') else {
            return Err(format!("{text:?} does not begin with a slash; {example}"));
        };
        let (mut parameters, mut kinds) = (Vec::new(), Vec::new());
        let mut segments = segments.split('/').peekable();
        while let Some(segment) = segments.next() {
            let name = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            match name {
                Some(name) if is_name(name) && !parameters.iter().any(|known| known == name) => {
                    parameters.push(name.to_owned());
                    kinds.push(Kind::Parameter);
                }
                Some(_) => {
                    return Err(format!(
                        "{text:?}: a parameter has a name of its own, of letters, digits and _"
                    ));
                }
                None if segment == "*" && segments.peek().is_none() => kinds.push(Kind::Star),
                None if segment.contains(['*', '{', '}']) => {
                    return Err(format!(
                        "{text:?}: a parameter is a whole segment, and * is the last one; {example}"
                    ));
                }
                None if segment.contains(['?', '#', ' ']) => {
                    return Err(format!("{text:?}: it is more than a path; {example}"));
                }
                None if segment.contains(';') => {
                    return Err(format!(
                        "{text:?}: some servers drop what follows a semicolon, so no request can \
                         have this path; {example}"
                    ));
                }
                None if segment.contains(char::is_control) => {
                    return Err(format!(
                        "{text:?}: it has a control character, which no request may have; {example}"
                    ));
                }
                None if segment.contains('%') => {
                    return Err(format!(
                        "{text:?}: paths are decoded before they are compared; write it without %"
                    ));
                }
                None if matches!(segment, "." | "..")
                    || segment.contains('\\')
                    || (segment.is_empty() && segments.peek().is_some()) =>
                {
                    return Err(format!(
                        "{text:?}: no request has such a path once its dots are resolved and its \
                         slashes merged; {example}"
                    ));
                }
                None => {
                    // Whatever else no request may have, such as look-alikes of a slash.
                    CanonicalPath::parse(&format!("/{segment}")).map_err(|ambiguous| {
                        format!("{text:?} matches no request: {ambiguous}; {example}")
                    })?;
                    kinds.push(Kind::Text);
                }
            }
        }
        if is_under_prefix(&text.to_ascii_lowercase()) {
            return Err(format!(
                "{text:?}: what is under {PREFIX} is the gate's own and never reaches an upstream"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            parameters,
            kinds,
        })
    }

    /// The index of the segment `*`, if there is one.
    pub(super) fn star(&self) -> Option<usize> {
        self.kinds.iter().position(|kind| *kind == Kind::Star)
    }

    /// The pattern for the router, with its texts folded.
    ///
    /// `/api/*` needs two, since the router's `*` matches no empty rest.
    pub(super) fn router_paths(
        &self,
        fold: fn(&str) -> String,
        trailing_slash: TrailingSlash,
    ) -> Vec<String> {
        let segments = self.text.split('/').map(|segment| match segment {
            "*" => format!("{{*{REST}}}"),
            name if name.starts_with('{') => name.to_owned(),
            text => fold(text),
        });
        let whole = segments.collect::<Vec<_>>().join("/");
        let mut paths = match whole.strip_suffix(&format!("{{*{REST}}}")) {
            Some(root) => vec![whole.clone(), root.to_owned()],
            None => vec![whole],
        };
        for path in &mut paths {
            *path = trailing_slash.trim(path).to_owned();
        }
        paths
    }
}

/// Whether a decoded path is one of the gate's own.
pub(super) fn is_under_prefix(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
