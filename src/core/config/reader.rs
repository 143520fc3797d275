//! Typed access to settings that gathers errors.

use serde_json::{Map, Value};

use super::{ConfigError, Settings, Var};
use crate::util::strict_json;

pub(super) struct Reader<'a> {
    pub settings: &'a Settings,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            errors: Vec::new(),
        }
    }

    pub fn error(&mut self, setting: &str, problem: impl Into<String>) {
        self.errors.push(ConfigError {
            setting: setting.to_owned(),
            problem: problem.into(),
        });
    }

    pub fn has(&self, name: &str) -> bool {
        self.settings.vars.contains_key(name)
    }

    pub fn is_bound(&self, binding: &str) -> bool {
        self.settings.bindings.contains(binding)
    }

    /// Reports a Durable Object's binding that is missing; `why` says what for.
    pub fn require_object(&mut self, binding: &str, class: &str, why: &str) {
        if !self.is_bound(binding) {
            self.error(
                binding,
                format!(
                    "the Durable Object binding is missing, and {why}; bind it to the class \
                     {class} as the project's wrangler.toml does"
                ),
            );
        }
    }

    pub fn has_error(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.setting == name)
    }

    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    pub fn finish(self) -> Result<(), Vec<ConfigError>> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }

    /// A text that is set and not blank.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.settings.vars.get(name)? {
            Var::Text(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Var::Text(_) => {
                self.error(name, "it is empty; give a value or remove it");
                None
            }
            Var::Json(_) => {
                self.error(name, "it is a table or an array; write a text");
                None
            }
        }
    }

    /// A secret, to the byte as it was set: white space may be part of it.
    pub fn secret<T>(
        &mut self,
        name: &str,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.text(name)?;
        let Some(Var::Text(verbatim)) = self.settings.vars.get(name) else {
            return None;
        };
        parser(verbatim)
            .map_err(|problem| self.error(name, problem))
            .ok()
    }

    /// A text, parsed; the parser's error becomes the setting's.
    pub fn parse<T>(
        &mut self,
        name: &str,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parser(&text)
            .map_err(|problem| self.error(name, problem))
            .ok()
    }

    /// The same, with a default for what is not set (or wrong, which `finish` tells).
    pub fn or<T>(
        &mut self,
        name: &str,
        default: T,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.parse(name, parser).unwrap_or(default)
    }

    /// A list: a text separated by commas or white space, or an array of strings.
    pub fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let elements = match self.settings.vars.get(name)? {
            Var::Json(Value::Array(elements)) => {
                let texts = elements
                    .iter()
                    .map(|element| element.as_str().map(str::to_owned));
                let Some(texts) = texts.collect::<Option<Vec<_>>>() else {
                    self.error(name, "an element is not a string");
                    return None;
                };
                texts
            }
            _ => {
                let text = self.text(name)?;
                let parts = text.split(|c: char| c == ',' || c.is_whitespace());
                parts
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect()
            }
        };
        if elements.is_empty() || elements.iter().any(|element| element.trim().is_empty()) {
            self.error(name, "it is empty; give a value or remove it");
            return None;
        }
        Some(elements)
    }

    /// A JSON array: a text, or a TOML array.
    pub fn array(&mut self, name: &str) -> Option<Vec<Value>> {
        let elements = match self.settings.vars.get(name)? {
            Var::Json(Value::Array(elements)) => Some(elements.clone()),
            Var::Json(_) => None,
            Var::Text(_) => {
                let read = |text: &str| {
                    strict_json::value(text.as_bytes())
                        .map_err(|problem| format!("it is no JSON without duplicates: {problem}"))
                };
                match self.parse(name, read)? {
                    Value::Array(elements) => Some(elements),
                    _ => None,
                }
            }
        };
        if elements.as_ref().is_none_or(Vec::is_empty) {
            self.error(name, "it is not a JSON array with at least one element");
            return None;
        }
        elements
    }

    /// A JSON object: a text, or a table.
    pub fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.settings.vars.get(name)? {
            Var::Json(Value::Object(members)) => Some(members.clone()),
            Var::Json(_) => {
                self.error(name, "it is not a JSON object");
                None
            }
            Var::Text(_) => self.parse(name, |text| {
                strict_json::object(text.as_bytes()).map_err(|problem| {
                    format!("it is no JSON object without duplicates: {problem}")
                })
            }),
        }
    }
}
