//! Types read from JSON that was parsed before. A reader that serde derives takes several times the
//! code, for each type.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::strict_json;

/// A type that a JSON value can be.
pub(crate) trait FromJson: Sized {
    /// `None` for a value of another form.
    fn from_value(value: Value) -> Option<Self>;

    /// What stands for a member that is absent.
    fn absent() -> Option<Self> {
        None
    }
}

/// `None` for any text that is not JSON of this form.
pub(crate) fn from_json<T: FromJson>(text: &str) -> Option<T> {
    T::from_value(strict_json::value(text.as_bytes()).ok()?)
}

/// The members of an object, each of which is taken once.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    pub fn take<T: FromJson>(&mut self, name: &str) -> Option<T> {
        match self.0.remove(name) {
            Some(value) => T::from_value(value),
            None => T::absent(),
        }
    }

    /// `None` if there are members that nobody took.
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The name and the content of a variant: `{"name": content}`, or `"name"` for one without content.
pub(crate) fn variant(value: Value) -> Option<(String, Value)> {
    match value {
        Value::String(name) => Some((name, Value::Null)),
        Value::Object(members) if members.len() == 1 => members.into_iter().next(),
        _ => None,
    }
}

/// Reads an object with exactly these members into a struct or a variant.
macro_rules! read_fields {
    ($value:expr => $($path:ident)::+ { $($field:ident),* $(,)? }) => {{
        let mut fields = $crate::util::from_json::Fields::of($value)?;
        let read = $($path)::+ { $($field: fields.take(stringify!($field))?),* };
        fields.end()?;
        Some(read)
    }};
}
pub(crate) use read_fields;

/// Implements `FromJson` for structs with exactly these members.
macro_rules! from_fields {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::util::from_json::FromJson for $name {
            fn from_value(value: serde_json::Value) -> Option<Self> {
                $crate::util::from_json::read_fields!(value => Self { $($field),* })
            }
        }
    )*};
}
pub(crate) use from_fields;

/// Implements `FromJson` for structs that are written as what they hold.
macro_rules! from_content {
    ($($name:ident),*) => {$(
        impl $crate::util::from_json::FromJson for $name {
            fn from_value(value: serde_json::Value) -> Option<Self> {
                $crate::util::from_json::FromJson::from_value(value).map(Self)
            }
        }
    )*};
}
pub(crate) use from_content;

/// Implements `FromJson` for enums without content, of which `ALL` has the variants and `name` their
/// names.
macro_rules! from_name {
    ($($name:ident),*) => {$(
        impl $crate::util::from_json::FromJson for $name {
            fn from_value(value: serde_json::Value) -> Option<Self> {
                let known = Self::ALL.into_iter();
                known.clone().find(|one| value == one.name())
            }
        }
    )*};
}
pub(crate) use from_name;

impl FromJson for Value {
    fn from_value(value: Value) -> Option<Self> {
        Some(value)
    }
}

impl FromJson for Map<String, Value> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }
}

impl FromJson for String {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl FromJson for Cow<'static, str> {
    fn from_value(value: Value) -> Option<Self> {
        String::from_value(value).map(Self::Owned)
    }
}

impl FromJson for bool {
    fn from_value(value: Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromJson for u64 {
    fn from_value(value: Value) -> Option<Self> {
        value.as_u64()
    }
}

macro_rules! from_number {
    ($($number:ty),*) => {$(
        impl FromJson for $number {
            fn from_value(value: Value) -> Option<Self> {
                value.as_u64()?.try_into().ok()
            }
        }
    )*};
}
from_number!(u16, usize);

impl<T: FromJson> FromJson for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Box<T> {
    fn from_value(value: Value) -> Option<Self> {
        T::from_value(value).map(Self::new)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Array(elements) = value else {
            return None;
        };
        let mut read = Self::new();
        for element in elements {
            read.push(T::from_value(element)?);
        }
        Some(read)
    }
}

impl<T: FromJson> FromJson for VecDeque<T> {
    fn from_value(value: Value) -> Option<Self> {
        Vec::from_value(value).map(Self::from)
    }
}

impl<T: FromJson, const LENGTH: usize> FromJson for [T; LENGTH] {
    fn from_value(value: Value) -> Option<Self> {
        Vec::from_value(value)?.try_into().ok()
    }
}

impl<A: FromJson, B: FromJson> FromJson for (A, B) {
    fn from_value(value: Value) -> Option<Self> {
        let [one, other] = <[Value; 2]>::from_value(value)?;
        Some((A::from_value(one)?, B::from_value(other)?))
    }
}

impl<K: From<String> + Ord, T: FromJson> FromJson for BTreeMap<K, T> {
    fn from_value(value: Value) -> Option<Self> {
        let mut read = Self::new();
        for (name, value) in Map::from_value(value)? {
            read.insert(name.into(), T::from_value(value)?);
        }
        Some(read)
    }
}

impl FromJson for BTreeSet<String> {
    fn from_value(value: Value) -> Option<Self> {
        let mut read = Self::new();
        read.extend(Vec::from_value(value)?);
        Some(read)
    }
}
