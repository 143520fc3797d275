//! Step 8: the permissions that a route requires of an identity.

use std::slice;

use serde_json::{Map, Value};

use crate::request::parameters::Parameters;
use crate::response::reason::{Reason, Rejection};
use crate::token::{ClaimName, Identity};

/// `REQUIRED_SCOPES`, and a route's `claims`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Permission {
    /// The identity must hold all of them.
    pub scopes: Vec<String>,
    /// All of them must be met.
    pub claims: Vec<ClaimRule>,
}

/// A condition on one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRule {
    pub claim: ClaimName,
    pub condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Equal(Operand),
    OneOf(Vec<Operand>),
    /// The claim is an array with this element, or a text with this word.
    Contains(Operand),
}

/// A value that a claim is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Literal(Value),
    /// The value of a path parameter, percent-decoded. It equals a text, and a whole number in its
    /// plain spelling: `7`, but not `07` or `7.0`.
    Parameter(String),
}

impl Operand {
    fn equals(&self, value: &Value, parameters: &Parameters) -> bool {
        match self {
            Self::Literal(literal) => literal == value,
            Self::Parameter(name) => parameters.get(name).is_some_and(|given| match value {
                Value::String(text) => text == given,
                Value::Number(number) if !number.is_f64() => number.to_string() == given,
                _ => false,
            }),
        }
    }
}

impl Condition {
    fn operands(&self) -> &[Operand] {
        match self {
            Self::Equal(operand) | Self::Contains(operand) => slice::from_ref(operand),
            Self::OneOf(operands) => operands,
        }
    }

    fn holds(&self, value: &Value, parameters: &Parameters) -> bool {
        match self {
            Self::Equal(operand) => operand.equals(value, parameters),
            Self::OneOf(operands) => operands
                .iter()
                .any(|operand| operand.equals(value, parameters)),
            Self::Contains(operand) => match value {
                Value::Array(elements) => elements
                    .iter()
                    .any(|element| operand.equals(element, parameters)),
                Value::String(words) => words
                    .split(' ')
                    .any(|word| operand.equals(&Value::from(word), parameters)),
                _ => false,
            },
        }
    }
}

impl Permission {
    /// Whether the route requires anything.
    pub fn asks_for_something(&self) -> bool {
        !self.scopes.is_empty() || !self.claims.is_empty()
    }

    /// The parameters of the path that it depends on.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        let operands = self
            .claims
            .iter()
            .flat_map(|rule| rule.condition.operands());
        operands.filter_map(|operand| match operand {
            Operand::Parameter(name) => Some(name.as_str()),
            Operand::Literal(_) => None,
        })
    }

    /// Refuses an identity that lacks a scope or does not meet a condition. A client without an
    /// identity is refused for its missing token.
    pub fn check(
        &self,
        identity: Option<&Identity>,
        parameters: &Parameters,
    ) -> Result<(), Rejection> {
        if !self.asks_for_something() {
            return Ok(());
        }
        let identity = identity
            .ok_or_else(|| Reason::TokenMissing.because("this route requires permissions"))?;
        let lacks = |cause: String| {
            Err(Reason::InsufficientScope {
                scopes: self.scopes.clone(),
            }
            .because(cause))
        };
        if let Some(scope) = self
            .scopes
            .iter()
            .find(|scope| !identity.scopes.contains(scope))
        {
            let held = format!("its scopes are {:?}", identity.scopes.join(" "));
            let lacks = lacks(format!("the token lacks the scope {scope}"));
            return lacks.map_err(|rejection| rejection.with(|it| it.detail = Some(held)));
        }
        for ClaimRule { claim, condition } in &self.claims {
            let lacking = match claim.find(&identity.claims) {
                Some(value) if condition.holds(value, parameters) => continue,
                Some(_) => lacks(format!("the claim {claim} does not fit")),
                None => lacks(format!("the token lacks the claim {claim}")),
            };
            return lacking.map_err(|rejection| rejection.by("ROUTES"));
        }
        Ok(())
    }
}

/// Reads a route's `claims`, by [`ClaimName`]: `{"role": "admin"}`, `{"role": {"one_of": ["admin", "editor"]}}`,
/// `{"rooms": {"contains": "{room}"}}`. `{room}` is the path parameter of that name, which must
/// be among `parameters`. Every error at once.
pub fn read_claims(
    rules: &Map<String, Value>,
    parameters: &[String],
) -> Result<Vec<ClaimRule>, Vec<String>> {
    let mut errors = Vec::new();
    let mut read = Vec::new();
    for (claim, rule) in rules {
        match (ClaimName::parse(claim), read_condition(rule, parameters)) {
            (Ok(claim), Ok(condition)) => read.push(ClaimRule { claim, condition }),
            (name, condition) => {
                errors.extend(name.err());
                let problem = condition.err();
                errors.extend(problem.map(|problem| format!("claim {claim:?}: {problem}")));
            }
        }
    }
    if errors.is_empty() {
        Ok(read)
    } else {
        Err(errors)
    }
}

fn read_condition(rule: &Value, parameters: &[String]) -> Result<Condition, String> {
    let operand = |value: &Value| read_operand(value, parameters);
    let Value::Object(members) = rule else {
        return operand(rule).map(Condition::Equal);
    };
    let mut members = members.iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err("write one of equal, one_of and contains".into());
    };
    match (name.as_str(), value) {
        ("equal", value) => operand(value).map(Condition::Equal),
        ("contains", value) => operand(value).map(Condition::Contains),
        ("one_of", Value::Array(values)) if !values.is_empty() => {
            let operands = values.iter().map(operand).collect::<Result<_, _>>()?;
            Ok(Condition::OneOf(operands))
        }
        ("one_of", _) => Err("one_of takes an array of values".into()),
        (other, _) => Err(format!(
            "{other:?} is not a condition; write equal, one_of or contains"
        )),
    }
}

fn read_operand(value: &Value, parameters: &[String]) -> Result<Operand, String> {
    let text = match value {
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) => return Ok(Operand::Literal(value.clone())),
        _ => return Err("a value is a string, a number or a boolean".into()),
    };
    let reference = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    match reference {
        None => Ok(Operand::Literal(value.clone())),
        Some(name) if parameters.iter().any(|known| known == name) => {
            Ok(Operand::Parameter(name.to_owned()))
        }
        Some(name) => Err(format!("the path has no parameter {{{name}}}")),
    }
}
