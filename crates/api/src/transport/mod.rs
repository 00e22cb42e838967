//! The server: one listener or one in-process transport, with every limit that a caller can run into.
//!
//! [`serve`] returns when it was told to end and every call has ended, or the limit for that has passed. Health says
//! "serving" from its first moment, because an engine is handed over recovered, and "not serving" once the end begins.

mod accept;
mod conn;
mod guard;
mod in_process;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use gofer_engine::Engine;
use gofer_proto::v1::event_service_server::EventServiceServer;
use gofer_proto::v1::log_service_server::LogServiceServer;
use gofer_proto::v1::namespace_service_server::NamespaceServiceServer;
use gofer_proto::v1::object_service_server::ObjectServiceServer;
use gofer_proto::v1::pipeline_service_server::PipelineServiceServer;
use gofer_proto::v1::run_service_server::RunServiceServer;
use gofer_proto::v1::system_service_server::SystemServiceServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::limits::{Limits, ServeOptions};
use crate::services::{Api, PUT_OBJECT_PART};
use conn::Conn;
use guard::GuardLayer;

pub(crate) use guard::overdue;

pub use guard::REQUEST_ID_HEADER;
pub use in_process::{InProcess, serve_in_process};

/// How long connections may take to close once they were cut.
const CUT: Duration = Duration::from_secs(1);

/// Why the server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine can no longer work.
    #[error("the engine has stopped: {reason}")]
    Engine {
        /// Why.
        reason: String,
    },
    /// The transport failed.
    #[error("the transport failed")]
    Transport(#[source] tonic::transport::Error),
    /// The descriptor of the API cannot be served for reflection: a defect of the build.
    #[error("the descriptor of the API cannot be read")]
    Descriptor(#[source] tonic_reflection::server::Error),
}

/// Serves the API on a listener until `shutdown` completes, then lets the open calls end.
///
/// # Errors
/// If the engine stops, or the transport fails.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let cut = CancellationToken::new();
    let incoming = accept::connections(listener, &options.limits, &cut);
    run(incoming, engine, options, shutdown, cut).await
}

/// Serves the API on whatever connections come.
async fn run<IO>(
    incoming: impl Stream<Item = Result<Conn<IO>, Infallible>> + Send,
    engine: Engine,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
    cut: CancellationToken,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let draining = CancellationToken::new();
    let (limits, described) = (options.limits.clone(), options.reflection);
    let (health, mut routes) =
        routes(Api::new(engine.clone(), Arc::new(options), draining.clone()), &limits).await;
    if described {
        describe(&mut routes).map_err(ServeError::Descriptor)?;
    }
    let mut outcome = Ok(());
    let ending = async {
        tokio::select! {
            () = shutdown => {}
            reason = engine.failed() => outcome = Err(ServeError::Engine { reason }),
        }
        set_health(&health, ServingStatus::NotServing).await;
        draining.cancel();
    };
    let serving = server(&limits).serve_with_incoming_shutdown(routes.routes(), incoming, ending);
    within_patience(serving, &draining, &cut, limits.drain).await.map_err(ServeError::Transport)?;
    outcome
}

/// Waits for the server; once it drains, only for so long, then cuts the connections that are left.
async fn within_patience<T>(
    serving: impl Future<Output = Result<(), T>>,
    draining: &CancellationToken,
    cut: &CancellationToken,
    limit: Duration,
) -> Result<(), T> {
    let patience = async {
        draining.cancelled().await;
        // sleeps: the time-out arm of the select below; it begins only once the server drains
        tokio::time::sleep(limit).await;
    };
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        ended = &mut serving => ended,
        () = patience => {
            tracing::warn!("calls did not end in time; their connections are cut");
            cut.cancel();
            tokio::time::timeout(CUT, serving).await.unwrap_or(Ok(()))
        }
    }
}

fn server(limits: &Limits) -> Server<tower::layer::util::Stack<GuardLayer, tower::layer::util::Identity>> {
    Server::builder()
        .max_concurrent_streams(limits.streams_per_connection)
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .http2_max_header_list_size(limits.headers)
        .http2_max_pending_accept_reset_streams(Some(20))
        .http2_max_local_error_reset_streams(Some(1024))
        .layer(GuardLayer::new(limits.request))
}

/// Every service with its size limits, and health.
async fn routes(api: Api, limits: &Limits) -> (HealthReporter, RoutesBuilder) {
    macro_rules! sized {
        ($server:ident) => {
            $server::new(api.clone())
                .max_decoding_message_size(limits.message_in)
                .max_encoding_message_size(limits.message_out)
        };
    }
    let objects = sized!(ObjectServiceServer);
    let objects = objects.max_decoding_message_size(limits.message_in.min(PUT_OBJECT_PART));
    let (health, health_service) = tonic_health::server::health_reporter();
    set_health(&health, ServingStatus::Serving).await;
    let mut routes = Routes::builder();
    routes
        .add_service(sized!(NamespaceServiceServer))
        .add_service(sized!(PipelineServiceServer))
        .add_service(sized!(RunServiceServer))
        .add_service(sized!(LogServiceServer))
        .add_service(sized!(EventServiceServer))
        .add_service(objects)
        .add_service(sized!(SystemServiceServer))
        .add_service(health_service);
    (health, routes)
}

/// Adds reflection, in both of its versions.
fn describe(routes: &mut RoutesBuilder) -> Result<(), tonic_reflection::server::Error> {
    routes.add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    Ok(())
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(gofer_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Says of the server as a whole and of each service whether it serves.
async fn set_health(reporter: &HealthReporter, status: ServingStatus) {
    let services = [
        "",
        NamespaceServiceServer::<Api>::NAME,
        PipelineServiceServer::<Api>::NAME,
        RunServiceServer::<Api>::NAME,
        LogServiceServer::<Api>::NAME,
        EventServiceServer::<Api>::NAME,
        ObjectServiceServer::<Api>::NAME,
        SystemServiceServer::<Api>::NAME,
    ];
    for service in services {
        reporter.set_service_status(service, status).await;
    }
}

/// An answer without a body.
type Answer = http::Response<Body>;
