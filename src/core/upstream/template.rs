//! The values of `UPSTREAM_HEADERS`: text with placeholders.

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::headers::Facts;
use crate::request::syntax;
use crate::response::reason::{Reason, Rejection};
use crate::token::ClaimName;

/// The longest claim or parameter that goes into a header, in bytes.
const MAX_FACT_BYTES: usize = 4096;
/// The longest value in a setting, and the longest secret, in bytes.
const MAX_TEXT_BYTES: usize = 8192;

/// The ASCII characters that are escaped in a header: all but visible ones and spaces, and `%`, which
/// escapes them.
const ESCAPES: &AsciiSet = &CONTROLS.add(b'%');

/// The value of a header, with placeholders.
#[derive(Clone, PartialEq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, PartialEq)]
enum Part {
    Text(String),
    /// The value of a secret.
    Secret(String),
    Fact {
        source: FactSource,
        /// Used if the request lacks it.
        default: Option<String>,
    },
}

#[derive(Clone, PartialEq)]
pub(super) enum FactSource {
    Claim(ClaimName),
    Parameter(String),
    /// The token that the client showed.
    Token,
    /// The origin of the server's own URL.
    UpstreamOrigin,
}

/// Texts may hold a key, so that only names of placeholders are printed.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(_) | Part::Secret(_) => "REDACTED".to_owned(),
            Part::Fact { source, .. } => source.to_string(),
        });
        f.debug_list().entries(parts).finish()
    }
}

impl fmt::Display for FactSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(name) => write!(f, "{{claim:{name}}}"),
            Self::Parameter(name) => write!(f, "{{param:{name}}}"),
            Self::Token => f.write_str("{token}"),
            Self::UpstreamOrigin => f.write_str("{upstream_origin}"),
        }
    }
}

impl Template {
    /// Parses a value. `secret` looks up a secret by its name. No error repeats the value, because it
    /// may hold a key.
    pub fn parse(
        text: &str,
        secret: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(format!("the value has more than {MAX_TEXT_BYTES} bytes"));
        }
        if !syntax::is_field_value(text) || syntax::trim(text) != text || text.is_empty() {
            return Err(
                "the value can't stand in a header; write visible ASCII, with spaces only inside"
                    .into(),
            );
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (inner, after) = match rest.split_once('}') {
                Some(split) if brace == "{" => split,
                _ => {
                    return Err(
                        "a brace has no partner; write {{ and }} for braces themselves".into(),
                    );
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::parse(inner, &secret)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The facts that the value takes from the request. A fact is mandatory if it has no default.
    pub fn sources(&self) -> impl Iterator<Item = (&FactSource, Mandatory)> {
        self.0.iter().filter_map(|part| match part {
            Part::Fact { source, default } => Some((source, Mandatory(default.is_none()))),
            Part::Text(_) | Part::Secret(_) => None,
        })
    }

    /// Whether a secret of the Worker is in the value.
    pub fn holds_a_secret(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Secret(_)))
    }

    /// The value for a request; empty if the defaults make it empty.
    pub fn fill(&self, facts: &Facts<'_>) -> Result<String, Rejection> {
        let separators = self.separators();
        let mut value = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) | Part::Secret(text) => value.push_str(text),
                Part::Fact { source, default } => match (source.find(facts)?, default) {
                    (Some(fact), _) if *source == FactSource::Token => value.push_str(&fact),
                    (Some(fact), _) => push(&fact, &separators, &mut value),
                    (None, Some(default)) => value.push_str(default),
                    (None, None) => return Err(source.missing(facts)),
                },
            }
        }
        Ok(syntax::trim(&value).to_owned())
    }

    /// Characters of the texts around placeholders. They may separate parts for the reader of the
    /// value, so no placeholder may add one of them.
    fn separators(&self) -> String {
        let texts = self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Secret(_) | Part::Fact { .. } => None,
        });
        let mut separators: String = texts
            .flat_map(str::chars)
            .filter(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c))
            .collect();
        if !separators.is_empty() {
            separators.push('\\');
        }
        separators
    }
}

/// Whether a request without the fact is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mandatory(pub bool);

fn push(fact: &str, separators: &str, value: &mut String) {
    for escaped in utf8_percent_encode(fact, ESCAPES) {
        for letter in escaped.chars() {
            // An escaped character begins with a percent sign, which is not a separator.
            if separators.contains(letter) && letter != '%' {
                write!(value, "%{:02X}", u32::from(letter)).expect("a String takes every text");
            } else {
                value.push(letter);
            }
        }
    }
}

impl Part {
    fn parse(inner: &str, secret: impl Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        let (named, default) = match inner.split_once('|') {
            Some((named, default)) => (named, Some(default.to_owned())),
            None => (inner, None),
        };
        let source = match named.split_once(':') {
            Some(("secret", name)) if default.is_none() => {
                return secret(name).map(Self::Secret);
            }
            Some(("secret", name)) => {
                return Err(format!(
                    "{{secret:{name}}} takes no default; set the secret"
                ));
            }
            Some(("claim", name)) => FactSource::Claim(ClaimName::parse(name)?),
            Some(("param", name)) if !name.is_empty() => FactSource::Parameter(name.to_owned()),
            None if named == "token" => FactSource::Token,
            None if named == "upstream_origin" && default.is_none() => FactSource::UpstreamOrigin,
            _ => {
                return Err(
                    "it has an unknown placeholder; write {claim:NAME}, {param:NAME}, {secret:NAME}, \
                     {token} or {upstream_origin}, and {{ and }} for braces themselves"
                        .into(),
                );
            }
        };
        Ok(Self::Fact { source, default })
    }
}

/// Checks the value of a secret. No error repeats it.
pub(super) fn secret_value(text: &str) -> Result<String, String> {
    // A line that was piped into `wrangler secret put` ends in a line break.
    let value = text.trim();
    if value.is_empty() {
        return Err("is empty; set a value".into());
    }
    if value.len() > MAX_TEXT_BYTES {
        return Err(format!("has more than {MAX_TEXT_BYTES} bytes"));
    }
    if !syntax::is_field_value(value) {
        return Err("can't stand in a header: it is more than visible ASCII and spaces".into());
    }
    Ok(value.to_owned())
}

impl FactSource {
    fn find(&self, facts: &Facts<'_>) -> Result<Option<String>, Rejection> {
        let found = match self {
            Self::Claim(name) => {
                let claims = facts.identity.map(|identity| &identity.claims);
                claims
                    .and_then(|claims| name.find(claims))
                    .map(as_text)
                    .transpose()
            }
            Self::Parameter(name) => Ok(facts.parameters.get(name).map(str::to_owned)),
            Self::Token => Ok(facts.token.map(str::to_owned)),
            Self::UpstreamOrigin => return Ok(Some(facts.upstream_origin())),
        };
        let found = found.map(|found| found.filter(|text| !text.is_empty()));
        let is_token = *self == Self::Token;
        let problem = match found {
            Ok(None) => return Ok(None),
            Ok(Some(text)) => match problem_of(&text, is_token) {
                None => return Ok(Some(text)),
                Some(problem) => problem,
            },
            Err(problem) => problem,
        };
        Err(self.refusal(facts, &format!("{problem}, so {self} has no value")))
    }

    /// The refusal of a request that lacks the fact.
    fn missing(&self, facts: &Facts<'_>) -> Rejection {
        self.refusal(facts, &format!("{self} has no value"))
    }

    fn refusal(&self, facts: &Facts<'_>, cause: &str) -> Rejection {
        let cause = format!("UPSTREAM_HEADERS: {cause}");
        let reason = match self {
            Self::Claim(_) | Self::Token if facts.identity.is_none() => Reason::TokenMissing,
            // A ticket stands for a token that the gate does not have.
            Self::Token if facts.token.is_none() => Reason::TokenMissing,
            Self::Claim(_) | Self::Token => Reason::InsufficientScope { scopes: Vec::new() },
            Self::Parameter(_) | Self::UpstreamOrigin => Reason::NoRoute,
        };
        reason.because(cause).by("UPSTREAM_HEADERS")
    }
}

fn problem_of(text: &str, is_token: bool) -> Option<&'static str> {
    if !is_token && text.len() > MAX_FACT_BYTES {
        Some("it is longer than 4096 bytes")
    } else if text.contains(char::is_control) || (is_token && !text.is_ascii()) {
        Some("it has a character that no header may have")
    } else if text.trim() != text {
        Some("it begins or ends with white space")
    } else {
        None
    }
}

/// A claim as text: a string, a number or a boolean, or several of them separated by commas.
fn as_text(claim: &Value) -> Result<String, &'static str> {
    match claim {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(claim.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(elements) => {
            let texts: Vec<_> = elements
                .iter()
                .filter(|element| !element.is_array() && !element.is_null())
                .map(as_text)
                .collect::<Result<_, _>>()?;
            let is_sound = |text: &String| !text.is_empty() && !text.contains(',');
            if texts.len() < elements.len() || !texts.iter().all(is_sound) {
                return Err("an element is empty, has a comma or is no simple value");
            }
            Ok(texts.join(","))
        }
        Value::Object(_) => Err("it is an object"),
    }
}
