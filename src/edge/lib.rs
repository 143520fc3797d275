//! The Worker around the decisions: everything that touches the runtime, and nothing that
//! decides. [`fetch`] translates a request for the core and its result back, [`runtime`] is what the
//! core takes of the runtime meanwhile, [`provider`] asks providers of identities, [`ledger`] is the Durable Object
//! that counts, [`slot`] the sockets it counts while they live, [`once`] the one for
//! what can be used once, [`route_quota`] the one of a route, [`registry`] the one that knows the
//! live sockets, [`channel`] is what ties a live socket to an object, [`live`] starts the relay of an
//! inspected socket, [`log`] writes records, [`native`] has the few steps that are done in JavaScript
//! because crossing the border costs more than they do.

mod channel;
mod fetch;
mod isolate;
mod ledger;
mod live;
mod log;
mod native;
mod once;
mod promise;
mod provider;
mod registry;
mod route_quota;
mod runtime;
mod slot;
