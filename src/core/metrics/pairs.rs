//! Maps as lists of pairs: JSON allows only texts as keys.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::util::from_json::FromJson;
use crate::util::sorting::map_of;

pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map)
}

/// A map that its reader takes out of a list.
pub struct Pairs<K, V>(pub BTreeMap<K, V>);

impl<K: FromJson + Ord, V: FromJson> FromJson for Pairs<K, V> {
    fn from_value(value: Value) -> Option<Self> {
        let pairs = Vec::<(K, V)>::from_value(value)?;
        Some(Self(map_of(pairs)))
    }
}
