mod cors;
mod generated;
mod reason;
mod security_headers;
