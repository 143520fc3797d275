mod parsers_properties;
mod time;
