//! A map that stays within bounds: when it is full, the oldest entry makes room.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A hash map with a limit on the number of its entries and, where set, on their total weight.
///
/// The entry that was inserted first leaves first. A new value for a known key replaces the old
/// one and keeps its place in that order. A value that is heavier than the whole map may be does
/// not stay.
#[derive(Debug)]
pub struct BoundedMap<K, V> {
    values: HashMap<K, V>,
    /// The keys of `values`, in the order of their first insertion.
    order: VecDeque<K>,
    max_entries: usize,
    weight_of: fn(&V) -> usize,
    weight: usize,
    max_weight: usize,
}

impl<K: Clone + Eq + Hash, V> BoundedMap<K, V> {
    /// A map of at most `max_entries` entries.
    pub fn new(max_entries: usize) -> Self {
        Self::with_weight(max_entries, usize::MAX, |_| 0)
    }

    /// A map whose values also weigh no more than `max_weight` in total. The weight of a value
    /// must not change while it is in the map.
    pub fn with_weight(max_entries: usize, max_weight: usize, weight_of: fn(&V) -> usize) -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
            max_entries,
            weight_of,
            weight: 0,
            max_weight,
        }
    }

    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.values.get(key)
    }

    /// A value to be changed, whose weight must stay the same.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.values.get_mut(key)
    }

    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.values.contains_key(key)
    }

    /// Inserts a value, and drops the oldest entries until the map is within its bounds again.
    pub fn insert(&mut self, key: K, value: V) {
        self.weight += (self.weight_of)(&value);
        match self.values.insert(key.clone(), value) {
            Some(replaced) => self.weight -= (self.weight_of)(&replaced),
            None => self.order.push_back(key),
        }
        while self.values.len() > self.max_entries || self.weight > self.max_weight {
            let oldest = self
                .order
                .pop_front()
                .and_then(|key| self.values.remove(&key));
            let Some(oldest) = oldest else { break };
            self.weight -= (self.weight_of)(&oldest);
        }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
