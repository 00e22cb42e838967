//! The gRPC services: validate, call the engine, answer; and the server that carries them.
//!
//! A call goes through the same stages everywhere. The guard gives it an id, a time limit and a safety
//! net; the service checks every field of the request and answers all that is wrong at once; the engine does the work;
//! its records become messages and its refusals a status, as `gofer-contract` says it for all who serve the contract.
//!
//! This crate decides nothing about runs, reads no file and knows no backend. It is one of the few crates that name
//! tonic.
//!
//! # Who calls
//!
//! The name under which a deed is recorded comes from the header `gofer-actor`. There is no authentication in this
//! build: **the name is a claim, not a proof.** A caller without the header is called `unknown`.

mod fields;
mod limits;
mod paging;
mod services;
mod transport;

pub use limits::{Limits, ServeOptions};
pub use services::ACTOR_HEADER;
pub use transport::{InProcess, REQUEST_ID_HEADER, ServeError, serve, serve_in_process};
