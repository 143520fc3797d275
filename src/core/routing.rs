//! Which route a path belongs to.

mod pattern;
pub mod table;

pub use pattern::Pattern;
