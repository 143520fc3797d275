mod jti;
mod store;
mod ticket;
