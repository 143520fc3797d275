mod table;
mod table_properties;
