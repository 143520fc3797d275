mod misses;
mod readings;
mod table;
mod table_properties;
