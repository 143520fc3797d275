//! What isolates count, and what one object makes of it.

mod exposition;
mod heavy_hitters;
mod reports;
mod statistics;
