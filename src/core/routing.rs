//! Which route a path belongs to.

mod pattern;
mod reading;
pub mod table;

pub use pattern::Pattern;
pub use reading::{PathCase, PathReading, TrailingSlash};
