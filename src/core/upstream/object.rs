//! `UPSTREAM_OBJECT`: a Durable Object by its name, which may hold parameters of the path.

use std::fmt::Write;

use crate::request::parameters::Parameters;

/// A Durable Object for each name that the parameters of paths make.
///
/// Different parameters make different names. In a value, `%` and `/` are escaped as in a URL. So is,
/// in a name with several parameters, every character of the texts between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUpstream {
    /// The name of the namespace's binding.
    pub binding: String,
    name: Vec<NamePart>,
    /// The characters of the texts between parameters.
    separators: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NamePart {
    Text(String),
    Parameter(String),
}

impl ObjectUpstream {
    /// Parses `ROOMS/lobby` or `ROOMS/{room}`. The error says what is wrong and what would be
    /// right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write a binding and a name, like \"ROOMS/{room}\"";
        let wrong = || format!("{text:?} is not an object; {example}");
        let (binding, mut rest) = text.split_once('/').ok_or_else(wrong)?;
        if binding.is_empty() || rest.is_empty() {
            return Err(wrong());
        }
        if rest.contains('%') {
            return Err(format!(
                "{text:?}: a percent sign escapes characters of parameters; leave it out"
            ));
        }
        let mut name = Vec::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (parameter, after) = after.split_once('}').ok_or_else(wrong)?;
            if !before.is_empty() {
                name.push(NamePart::Text(before.to_owned()));
            } else if !name.is_empty() {
                return Err(format!(
                    "{text:?}: two rooms could have one name; write a text between the parameters, \
                     like \"ROOMS/{{a}}:{{b}}\""
                ));
            }
            name.push(NamePart::Parameter(parameter.to_owned()));
            rest = after;
        }
        let separators = name.iter().skip_while(|part| part.text().is_some());
        let separators = separators.filter_map(NamePart::text).collect();
        if !rest.is_empty() {
            name.push(NamePart::Text(rest.to_owned()));
        }
        Ok(Self {
            binding: binding.to_owned(),
            name,
            separators,
        })
    }

    /// The parameters that the name holds.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.name.iter().filter_map(|part| match part {
            NamePart::Text(_) => None,
            NamePart::Parameter(name) => Some(name.as_str()),
        })
    }

    /// The name of the object for these parameters.
    pub fn name(&self, parameters: &Parameters) -> String {
        let mut name = String::new();
        for part in &self.name {
            match part {
                NamePart::Text(text) => name.push_str(text),
                NamePart::Parameter(parameter) => {
                    let value = parameters.get(parameter).unwrap_or_default();
                    for letter in value.chars() {
                        self.push(letter, &mut name);
                    }
                }
            }
        }
        name
    }

    fn push(&self, letter: char, name: &mut String) {
        if letter != '%' && letter != '/' && !self.separators.contains(letter) {
            name.push(letter);
            return;
        }
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            write!(name, "%{byte:02X}").expect("a String takes every text");
        }
    }
}

impl NamePart {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parameter(_) => None,
        }
    }
}
