mod admission;
mod denials;
mod format;
mod renewal;
