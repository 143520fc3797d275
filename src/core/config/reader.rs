//! Typed access to settings that gathers errors and knows where each value came from.

use std::mem;

use serde_json::{Map, Value};

use super::settings::{ALL, DefaultValue, Setting};
use super::{ConfigError, Settings, Var, reference};
use crate::util::strict_json;

const EMPTY: &str = "it is empty; write a value or remove the setting";

/// What a route sets, and which global settings do not hold in it.
pub(super) struct RouteLayer {
    pub path: String,
    pub own: Vec<(&'static Setting, Var)>,
    /// Global settings that the route's own replace as a group.
    pub replaced: Vec<&'static Setting>,
}

impl RouteLayer {
    pub fn own(&self, setting: &Setting) -> Option<&Var> {
        let mut own = self.own.iter();
        let (_, value) = own.find(|(known, _)| *known == setting)?;
        Some(value)
    }
}

/// The global settings, or those of a route over them.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    route: Option<&'a RouteLayer>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

struct Fault {
    /// `None` for a binding, or for a variable that is not a setting.
    setting: Option<&'static Setting>,
    is_about_nothing_set: bool,
    error: ConfigError,
}

impl<'a> Reader<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            route: None,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub fn of_route(settings: &'a Settings, route: &'a RouteLayer) -> Self {
        Self {
            route: Some(route),
            ..Self::new(settings)
        }
    }

    pub fn is_guarded(&self) -> bool {
        super::is_guarded(self.settings)
    }

    pub fn is_of_a_route(&self) -> bool {
        self.route.is_some()
    }

    /// All global variables, whether they are settings or not.
    pub fn variables(&self) -> impl Iterator<Item = (&'a str, &'a Var)> + use<'a> {
        let vars = self.settings.vars.iter();
        vars.map(|(name, value)| (name.as_str(), value))
    }

    /// A variable or secret by its name, whether it is a setting or not.
    pub fn variable(&self, name: &str) -> Option<&'a Var> {
        self.settings.vars.get(name)
    }

    /// Reports what is wrong with a setting by itself.
    pub fn error(&mut self, setting: &'static Setting, problem: impl Into<String>) {
        self.contradiction(setting, &[], problem);
    }

    /// Reports a setting that the `others` make wrong. The error is a route's if any of them is.
    pub fn contradiction(
        &mut self,
        setting: &'static Setting,
        others: &[&'static Setting],
        problem: impl Into<String>,
    ) {
        self.fault(setting, others, false, problem.into());
    }

    /// Reports that the `setting`, or one of its `alternatives`, must be set.
    pub fn missing(
        &mut self,
        setting: &'static Setting,
        alternatives: &[&'static Setting],
        problem: impl Into<String>,
    ) {
        self.fault(setting, alternatives, true, problem.into());
    }

    fn fault(
        &mut self,
        setting: &'static Setting,
        others: &[&'static Setting],
        is_about_nothing_set: bool,
        problem: String,
    ) {
        let name = self.name_of(setting, others);
        self.faults.push(Fault {
            setting: Some(setting),
            is_about_nothing_set,
            error: ConfigError::new(name, problem),
        });
    }

    /// The name that an error or a warning has: a route's if the route set the setting or one of
    /// the `others`, or if nobody set it.
    fn name_of(&self, setting: &'static Setting, others: &[&'static Setting]) -> String {
        let is_of_route = |route: &RouteLayer| {
            let has_own = |setting: &Setting| route.own(setting).is_some();
            let is_global = self.settings.vars.contains_key(setting.name());
            has_own(setting) || !is_global || others.iter().any(|other| has_own(other))
        };
        match self.route.filter(|route| is_of_route(route)) {
            None => setting.name().to_owned(),
            Some(RouteLayer { path, .. }) => {
                format!("ROUTES {path} {}", setting.name().to_ascii_lowercase())
            }
        }
    }

    /// Notes a setting that is legal and worth a line in the log.
    pub fn warn(&mut self, setting: &'static Setting, remark: &str) {
        let name = self.name_of(setting, &[]);
        self.warn_at(&name, remark);
    }

    /// Notes a variable that is not a setting.
    pub fn warn_at(&mut self, name: &str, remark: &str) {
        self.warnings.push(format!("{name}: {remark}"));
    }

    pub fn take_warnings(&mut self) -> Vec<String> {
        mem::take(&mut self.warnings)
    }

    /// Reports what is wrong with something that is not a setting.
    pub fn error_at(&mut self, name: &str, problem: impl Into<String>) {
        self.faults.push(Fault {
            setting: None,
            is_about_nothing_set: false,
            error: ConfigError::new(name, problem),
        });
    }

    /// Reports a Durable Object's binding that is missing; `why` says what for.
    pub fn require_object(&mut self, binding: &str, class: &str, why: &str) {
        if !self.is_bound(binding) {
            self.error_at(
                binding,
                format!(
                    "the Durable Object binding is missing, and {why}; bind it to the class \
                     {class} as the project's wrangler.toml does"
                ),
            );
        }
    }

    pub fn has_error(&self, setting: &'static Setting) -> bool {
        let mut settings = self.faults.iter().filter_map(|fault| fault.setting);
        settings.any(|faulty| faulty == setting)
    }

    /// What was read, unless there is an error.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Vec<ConfigError>> {
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(self.faults.into_iter().map(|fault| fault.error).collect()),
        }
    }

    /// The errors in what is set, without what is missing.
    pub fn into_errors_of_what_is_set(self) -> Vec<ConfigError> {
        let faults = self.faults.into_iter();
        faults
            .filter(|fault| !fault.is_about_nothing_set)
            .map(|fault| fault.error)
            .collect()
    }

    /// A setting's value as it was written, or as the secret holds it that it refers to. It is
    /// the reference itself where there is no such secret, which [`Self::check_references`] reports.
    pub fn value(&self, setting: &'static Setting) -> Option<&'a Var> {
        let written = self.written(setting)?;
        let referenced = reference::of(written).and_then(|name| self.settings.vars.get(name));
        Some(referenced.unwrap_or(written))
    }

    /// A setting's value as it was written.
    pub fn written(&self, setting: &'static Setting) -> Option<&'a Var> {
        if let Some(route) = self.route {
            if let Some(own) = route.own(setting) {
                return Some(own);
            }
            if route.replaced.contains(&setting) {
                return None;
            }
        }
        self.settings.vars.get(setting.name())
    }

    /// Reports settings that refer to a secret which does not exist, or which is a reference.
    pub fn check_references(&mut self) {
        for setting in ALL.iter().copied() {
            let Some(name) = self.written(setting).and_then(reference::of) else {
                continue;
            };
            let problem = match self.settings.vars.get(name) {
                None => {
                    format!("there is no secret {name}; set it with npx wrangler secret put {name}")
                }
                Some(held) if reference::of(held).is_some() => {
                    format!("the secret {name} is itself a reference; put the value there")
                }
                Some(_) => continue,
            };
            self.error(setting, problem);
        }
    }

    pub fn has(&self, setting: &'static Setting) -> bool {
        self.value(setting).is_some()
    }

    /// Whether the route itself has a setting.
    pub fn has_own(&self, setting: &'static Setting) -> bool {
        self.route.is_some_and(|route| route.own(setting).is_some())
    }

    pub fn is_bound(&self, binding: &str) -> bool {
        self.settings.bindings.contains(binding)
    }

    /// A text that is set and not blank.
    pub fn text(&mut self, setting: &'static Setting) -> Option<&'a str> {
        let value = self.value(setting)?;
        if reference::of(value).is_some() {
            // Without its secret, which is reported.
            return None;
        }
        match value {
            Var::Text(text) if !text.trim().is_empty() => Some(text.trim()),
            Var::Text(_) => {
                self.error(setting, EMPTY);
                None
            }
            Var::Json(_) => {
                self.error(setting, "it is a table or an array; write a string");
                None
            }
        }
    }

    /// A secret, to the byte as it was set: white space may be part of it.
    pub fn secret<T>(
        &mut self,
        setting: &'static Setting,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.text(setting)?;
        let Some(Var::Text(verbatim)) = self.value(setting) else {
            return None;
        };
        self.parsed(setting, &[], verbatim, &parser)
    }

    /// A text, parsed; the parser's error becomes the setting's.
    pub fn parse<T>(
        &mut self,
        setting: &'static Setting,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parse_by(setting, &[], parser)
    }

    /// A text, parsed by a parser that depends on the `others`.
    pub fn parse_by<T>(
        &mut self,
        setting: &'static Setting,
        others: &[&'static Setting],
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(setting)?;
        self.parsed(setting, others, text, &parser)
    }

    // Compiled once for each type, and not for each parser.
    fn parsed<T>(
        &mut self,
        setting: &'static Setting,
        others: &[&'static Setting],
        text: &str,
        parser: &dyn Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        parser(text)
            .map_err(|problem| self.contradiction(setting, others, problem))
            .ok()
    }

    /// A text, parsed, or the table's default where it is not set, or wrong.
    ///
    /// # Panics
    /// If the setting's default in the table is not a value of the setting.
    pub fn or_default<T>(
        &mut self,
        setting: &'static Setting,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.parsed_or_default(setting, &parser)
    }

    fn parsed_or_default<T>(
        &mut self,
        setting: &'static Setting,
        parser: &dyn Fn(&str) -> Result<T, String>,
    ) -> T {
        self.parse(setting, parser).unwrap_or_else(|| {
            parser(default_of(setting)).expect("a default is a value of its setting")
        })
    }

    /// A list: a text separated by commas or white space, or an array of strings.
    pub fn list(&mut self, setting: &'static Setting) -> Option<Vec<String>> {
        let elements: Vec<String> = match self.value(setting)? {
            Var::Json(Value::Array(elements)) => {
                let texts = elements
                    .iter()
                    .map(|element| element.as_str().map(str::to_owned));
                let Some(texts) = texts.collect::<Option<Vec<_>>>() else {
                    self.error(setting, "an element is not a string");
                    return None;
                };
                texts
            }
            _ => split_list(self.text(setting)?),
        };
        if elements.is_empty() || elements.iter().any(|element| element.trim().is_empty()) {
            self.error(setting, EMPTY);
            return None;
        }
        Some(elements)
    }

    /// A list, or the table's default where it is not set, or wrong.
    ///
    /// # Panics
    /// If the setting's default in the table is not a value of the setting.
    pub fn list_or_default(&mut self, setting: &'static Setting) -> Vec<String> {
        self.list(setting)
            .unwrap_or_else(|| split_list(default_of(setting)))
    }

    /// A JSON array: a text, or a TOML array.
    pub fn array(&mut self, setting: &'static Setting) -> Option<Vec<Value>> {
        let elements = match self.value(setting)? {
            Var::Json(Value::Array(elements)) => Some(elements.clone()),
            Var::Json(_) => None,
            Var::Text(_) => {
                let read = |text: &str| {
                    strict_json::value(text.as_bytes())
                        .map_err(|problem| format!("invalid JSON: {problem}"))
                };
                match self.parse(setting, read)? {
                    Value::Array(elements) => Some(elements),
                    _ => None,
                }
            }
        };
        if elements.as_ref().is_none_or(Vec::is_empty) {
            self.error(setting, "it is not a JSON array with at least one element");
            return None;
        }
        elements
    }

    /// A JSON object: a text, or a table.
    pub fn object(&mut self, setting: &'static Setting) -> Option<Map<String, Value>> {
        match self.value(setting)? {
            Var::Json(Value::Object(members)) => Some(members.clone()),
            Var::Json(_) => {
                self.error(setting, "it is not a JSON object");
                None
            }
            Var::Text(_) => self.parse(setting, |text| {
                strict_json::object(text.as_bytes())
                    .map_err(|problem| format!("invalid JSON object: {problem}"))
            }),
        }
    }
}

fn default_of(setting: &Setting) -> &'static str {
    let DefaultValue::Value(default) = setting.default() else {
        panic!("{} has no default that is a value", setting.name());
    };
    default
}

fn split_list(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}
