//! The path of a request that a route matched.

use super::path::CanonicalPath;

/// A path that a route matched: what is sent on, and the values of the route's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    path: CanonicalPath,
    /// Names and percent-decoded values.
    values: Vec<(String, String)>,
}

impl Parameters {
    pub fn new(path: CanonicalPath, values: Vec<(String, String)>) -> Self {
        Self { path, values }
    }

    /// The path that was matched, and is sent on.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The percent-decoded value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.values.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}
