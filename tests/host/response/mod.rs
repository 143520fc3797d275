mod cors;
mod reason;
mod reasons_json;
mod security_headers;
