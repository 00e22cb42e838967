//! Requests that no proper client makes.

use gofer_client::v1;
use gofer_proto::v1::run_service_client::RunServiceClient;
use http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::serving::Served;
use super::world::pipeline;

async fn channel(served: &Served) -> Channel {
    Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap()
}

fn code(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// Calls a path with a message that the server does not expect there.
async fn raw(served: &Served, path: &'static str, message: prost_types::Any) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel(served).await);
    grpc.ready().await.unwrap();
    let codec: ProstCodec<prost_types::Any, prost_types::Any> = ProstCodec::default();
    grpc.unary(Request::new(message), PathAndQuery::from_static(path), codec).await.unwrap_err()
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_and_one_below_is_not() {
    let served = Served::new().await;
    let mut client = RunServiceClient::new(channel(&served).await);
    let start = |bytes: usize| {
        let variables = [("v".to_owned(), "x".repeat(bytes))].into();
        v1::StartRunRequest { pipeline: Some(pipeline("p")), variables, ..Default::default() }
    };
    let over = client.start_run(start(4 << 20)).await.unwrap_err();
    assert_eq!((over.code(), code(&over).as_deref()), (Code::ResourceExhausted, Some("E0091")));
    let below = client.start_run(start((4 << 20) - 1024)).await.unwrap_err();
    assert_eq!(code(&below).as_deref(), Some("E0090"), "then the variables are too large: {below:?}");
    served.end().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let served = Served::new().await;
    let garbage = prost_types::Any { type_url: "\u{7f}\u{7f}\u{7f}".to_owned(), value: vec![0xff; 9] };
    let status = raw(&served, "/gofer.v1.RunService/GetRun", garbage).await;
    assert_eq!(
        (status.code(), code(&status).as_deref()),
        (Code::InvalidArgument, Some("E0090")),
        "{status:?}"
    );
    served.end().await;
}

#[tokio::test]
async fn a_call_that_the_server_does_not_have_is_told_from_a_failure() {
    let served = Served::new().await;
    for path in ["/gofer.v1.RunService/Teleport", "/gofer.v2.RunService/GetRun"] {
        let status = raw(&served, path, prost_types::Any::default()).await;
        assert_eq!(
            (status.code(), code(&status).as_deref()),
            (Code::Unimplemented, Some("E0102")),
            "{status:?}"
        );
    }
    served.end().await;
}

#[tokio::test]
async fn compressed_requests_are_refused_before_they_are_unpacked() {
    let served = Served::new().await;
    let mut request = Request::new(v1::GetRunRequest::default());
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let status = RunServiceClient::new(channel(&served).await).get_run(request).await;
    // the client sends its message unpacked under a header that says otherwise; the header alone decides
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
    served.end().await;
}

#[tokio::test]
async fn a_caller_that_claims_to_be_the_server_is_refused() {
    let served = Served::new().await;
    let mut request =
        Request::new(v1::StartRunRequest { pipeline: Some(pipeline("p")), ..Default::default() });
    request.metadata_mut().insert(gofer_api::ACTOR_HEADER, "system".parse().unwrap());
    let status = RunServiceClient::new(channel(&served).await).start_run(request).await.unwrap_err();
    assert_eq!(code(&status).as_deref(), Some("E0090"));
    served.end().await;
}
