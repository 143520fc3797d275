mod address;
mod path;
mod percent;
mod url;
