mod assertion;
mod forward;
mod reply;
mod url;
