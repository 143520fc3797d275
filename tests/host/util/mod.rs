mod bounded_map;
mod digest;
mod parsers_properties;
mod share;
mod sorting;
mod time;
