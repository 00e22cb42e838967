//! A typed client of the public API: one method per call, typed errors, bounded retries, streams that resume.
//!
//! ```no_run
//! # async fn example() -> Result<(), gofer_client::ClientError> {
//! use gofer_client::{Client, ClientOptions, v1};
//!
//! let client = Client::connect(ClientOptions::new("http://127.0.0.1:7400")).await?;
//! let pipeline = Some(v1::PipelineRef { namespace: String::new(), pipeline: "hello".to_owned() });
//! let started = client.start_run(v1::StartRunRequest { pipeline, ..Default::default() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What is repeated by itself: reads, and changes that are the same when done twice, as long as the server cannot be
//! reached or says that it may work later. A start and a retry are among them, because the client gives them an
//! idempotency key.
//!
//! This crate prints nothing, reads no file and no environment, and decides nothing about exit codes but their number.

mod address;
mod calls;
mod client;
mod error;
mod follow;
mod objects;
mod options;
mod status;

pub use calls::Answers;
pub use client::Client;
pub use error::{CODES, ClientError, ErrorKind, Violation};
pub use follow::{Followed, Following};
pub use gofer_proto::{API, v1};
pub use objects::PutError;
pub use options::ClientOptions;
