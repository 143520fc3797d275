//! The Worker around the decisions: everything that touches the runtime, and nothing that
//! decides. [`handler`] translates a request for the core and its result back, [`platform`] is what the
//! core takes of the runtime meanwhile, [`provider`] asks providers of identities, [`objects::ledger`] is the Durable Object
//! that counts, [`sockets::slot`] the sockets it counts while they live, [`objects::one_time`] the one for
//! what can be used once, [`objects::route_pool`] the one of a route, [`objects::registry`] the one that knows the
//! live sockets, [`sockets::channel`] is what ties a live socket to an object, [`relay`] starts the relay of an
//! inspected socket, [`log`] writes records, [`host`] has the few steps that are done in JavaScript
//! because crossing the border costs more than they do.

mod handler;
mod host;
mod isolate;
mod log;
mod objects;
mod platform;
mod promise;
mod provider;
mod relay;
mod sockets;
