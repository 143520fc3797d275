//! The values of a path's parameters.

/// The values of a path's parameters, percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(pub(crate) Vec<(String, String)>);

impl Parameters {
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}
