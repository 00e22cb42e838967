//! The way to the server: how it is reached.

use gofer_client::{Client, ClientOptions};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_types::Span;

/// Connects to the server.
pub(crate) async fn connect(address: &str, timeout: Option<Span>, actor: &str) -> Result<Client, Failure> {
    let mut options = ClientOptions::new(address);
    options.actor = (!actor.is_empty()).then(|| actor.to_owned());
    if let Some(timeout) = timeout {
        options.request_timeout = timeout.get();
        options.connect_timeout = options.connect_timeout.min(timeout.get());
    }
    Ok(Client::connect(options).await?)
}

/// An answer without the part that it promises.
pub(crate) fn incomplete() -> Failure {
    Failure::new("E0102", Exit::Incompatible, "the server left out a part of its answer").next("gofer doctor")
}
