mod assertion;
mod forward;
mod headers;
mod object;
mod reply;
mod trusted;
mod url;
