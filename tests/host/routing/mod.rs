mod misses;
mod readings;
mod segments;
mod table;
mod table_properties;
