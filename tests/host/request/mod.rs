mod address;
mod url;
