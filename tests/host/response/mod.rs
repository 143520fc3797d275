mod cors;
mod generated;
mod reason;
mod security_headers;

pub(crate) use reason::rows;
