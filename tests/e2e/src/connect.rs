//! A connected client, and the few calls that every test makes.

use std::net::SocketAddr;

use gofer_client::{Client, ClientOptions};
use gofer_proto::v1::{PipelineRef, RegisterPipelineRequest, RunRef, SourceFile, run_ref::Selector};

/// Connects to a server that is ready.
///
/// # Panics
/// If it does not answer.
pub async fn connect(address: SocketAddr) -> Client {
    let options = ClientOptions { address: address.to_string(), ..ClientOptions::default() };
    Client::connect(options).await.expect("the server answers")
}

/// Registers a pipeline file in the default namespace.
///
/// # Panics
/// If the server refuses it.
pub async fn register(client: &Client, content: &str) {
    let source = SourceFile { name: "pipeline.hcl".to_owned(), content: content.to_owned() };
    let request = RegisterPipelineRequest { source: Some(source), ..RegisterPipelineRequest::default() };
    client.register_pipeline(request).await.expect("the pipeline is valid");
}

/// A pipeline of the default namespace.
#[must_use]
pub fn pipeline_ref(pipeline: &str) -> PipelineRef {
    PipelineRef { namespace: String::new(), pipeline: pipeline.to_owned() }
}

/// A run of a pipeline of the default namespace.
#[must_use]
pub fn run_ref(pipeline: &str, number: u64) -> RunRef {
    RunRef {
        namespace: String::new(),
        pipeline: pipeline.to_owned(),
        selector: Some(Selector::Number(number)),
    }
}
