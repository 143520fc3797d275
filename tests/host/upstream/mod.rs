mod assertion;
mod forward;
mod object;
mod reply;
mod url;
