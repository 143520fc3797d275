mod command;
mod token;
