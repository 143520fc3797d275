//! The Worker around the decisions: everything that touches the runtime, and nothing that decides.
//!
//! [`handler`] translates a request for the core, and [`responder`] translates the core's result
//! into a response. [`platform`] is the runtime as the core uses it meanwhile. [`objects`] are the
//! Durable Objects and how they are asked, [`sockets`] connects live sockets to them, [`provider`]
//! asks identity providers, [`rehearsal`] is what runs before the first request, [`relay`] starts the
//! relay of an inspected socket, and [`log`] writes records. [`inspection`] tells the tools what the
//! settings say. [`host`] has the few steps that are done in JavaScript because crossing the border costs
//! more than they do.

mod background;
mod clock;
mod dashboard;
mod handler;
mod host;
mod inspection;
mod isolate;
mod log;
mod objects;
mod platform;
mod promise;
mod provider;
mod rehearsal;
mod relay;
mod responder;
mod sockets;
mod work;
