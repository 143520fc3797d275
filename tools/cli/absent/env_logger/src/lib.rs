//! worker-build's log is not read; what it has to say it prints.

pub fn init() {}
