//! What a client says about whatever answers, or does not answer, at an address.

use std::time::Duration;

use super::fake::{Fake, Script};
use gofer_client::{Client, ClientError, ClientOptions, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn options(address: &impl ToString) -> ClientOptions {
    ClientOptions { request_timeout: Duration::from_millis(500), ..ClientOptions::new(address.to_string()) }
}

async fn refused(address: impl ToString + Send) -> ClientError {
    Client::connect(options(&address)).await.unwrap_err()
}

#[tokio::test]
async fn a_closed_port_is_named_with_a_way_to_start_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refused(address).await;
    assert_eq!((error.code(), error.exit_code()), (Some("E0101"), 7));
    assert!(error.message().contains(&address.to_string()), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("gofer server start")), "{error:?}");
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_unreachable() {
    let error = refused("http://no-such-host.invalid:7400").await;
    assert_eq!((error.code(), error.kind()), (Some("E0101"), ErrorKind::Unavailable), "{error:?}");
}

#[tokio::test]
async fn a_port_that_accepts_and_never_answers_is_a_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = refused(listener.local_addr().unwrap()).await;
    assert_eq!((error.code(), error.exit_code()), (Some("E0104"), 8), "{error:?}");
}

#[tokio::test]
async fn a_web_server_is_told_from_a_gofer_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
        }
    });
    let error = refused(address).await;
    assert_eq!((error.code(), error.exit_code()), (Some("E0105"), 7), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("HTTP/1.1 400 Bad Request")), "{error:?}");
}

#[tokio::test]
async fn another_grpc_server_is_told_from_a_gofer_server() {
    let mut tasks = JoinSet::new();
    let address = super::fake::serve_without_system(Fake::new(Script::default()), &mut tasks).await;
    assert_eq!(refused(address).await.code(), Some("E0105"));
}

#[tokio::test]
async fn a_server_of_another_api_is_refused_and_says_who_must_be_upgraded() {
    let mut tasks = JoinSet::new();
    let address = super::fake::serve(Fake::new(Script { api: 9, ..Script::default() }), &mut tasks).await;
    let error = refused(address).await;
    assert_eq!((error.code(), error.exit_code()), (Some("E0102"), 9));
    assert_eq!(error.hint(), Some("upgrade the client"));
    let unchecked = ClientOptions { check_api: false, ..options(&address) };
    Client::connect(unchecked).await.unwrap();
}
