mod cors;
mod reason;
mod security_headers;
