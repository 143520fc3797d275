//! The patterns of paths.

use super::table::PREFIX;

/// What `*` took, for the router: no name that a parameter may have.
pub(super) const REST: &str = "-";

/// A route's `path`: `/chat`, `/rooms/{room}`, `/api/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    pub parameters: Vec<String>,
    /// The same for the router: two for `/api/*`, since the router's own `*` does not match
    /// `/api/`.
    pub(super) router_paths: Vec<String>,
    pub(super) kinds: Vec<Kind>,
}

/// What a segment of a pattern is, the most specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Text,
    Parameter,
    Star,
}

impl Pattern {
    /// The error says what is wrong and what would be right.
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
                None => kinds.push(Kind::Text),
            }
        }
        let of_the_gate = text.strip_prefix(PREFIX);
        if of_the_gate.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(format!(
                "{text:?}: what is under {PREFIX} is the gate's own and never reaches an upstream"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            parameters,
            router_paths: match text.strip_suffix('*') {
                Some(root) => vec![format!("{root}{{*{REST}}}"), root.to_owned()],
                None => vec![text.to_owned()],
            },
            kinds,
        })
    }

    /// At which segment the `*` stands, if there is one.
    pub(super) fn star(&self) -> Option<usize> {
        self.kinds.iter().position(|kind| *kind == Kind::Star)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
