//! Names of claims in settings: a claim at the top, or a JSON Pointer into one.

use std::fmt;

use serde_json::{Map, Value};

/// The name of a claim.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimName {
    /// As it was written.
    text: String,
    /// The claim at the top.
    top: String,
    /// A JSON Pointer (RFC 6901) from there; empty for the claim itself.
    pointer: String,
}

impl ClaimName {
    /// Reads `role`, `https://example.com/roles`, `cognito:groups` or `/realm_access/roles`. A path
    /// of another notation would name a claim that no token has, so it is an error.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix('/') {
            return Self::parse_pointer(text, path);
        }
        if text.is_empty() {
            return Err("a claim's name is empty; write one like \"role\"".into());
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "{text:?} is not a claim's name: it has white space or a control character; write \
                 one like \"role\""
            ));
        }
        // A name with a colon is a URI (RFC 7519 §2), where dots and slashes mean nothing here.
        if !text.contains(':') && text.contains(['.', '/', '[', ']']) {
            let path: String = text
                .split(['.', '/', '[', ']'])
                .filter(|part| !matches!(*part, "" | "$"))
                .flat_map(|part| ["/", part])
                .collect();
            let whole = text.replace('~', "~0").replace('/', "~1");
            return Err(format!(
                "{text:?} is not a claim's name; write \"{path}\" for a claim within another, or \
                 \"/{whole}\" for one of exactly this name"
            ));
        }
        Ok(Self::top(text))
    }

    /// A claim at the top.
    pub fn top(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            top: name.to_owned(),
            pointer: String::new(),
        }
    }

    fn parse_pointer(text: &str, path: &str) -> Result<Self, String> {
        let is_escape = |after: &str| after.starts_with(['0', '1']);
        if !path.split('~').skip(1).all(is_escape) {
            return Err(format!(
                "{text:?} is not a JSON Pointer: write ~ as ~0, and / in a name as ~1"
            ));
        }
        let (top, pointer) = path.split_at(path.find('/').unwrap_or(path.len()));
        Ok(Self {
            text: text.to_owned(),
            top: top.replace("~1", "/").replace("~0", "~"),
            pointer: pointer.to_owned(),
        })
    }

    /// The claim's value, if there is one.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        claims.get(&self.top)?.pointer(&self.pointer)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
