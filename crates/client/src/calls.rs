//! One method per call of the API.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use gofer_proto::v1;
use gofer_proto::v1::event_service_client::EventServiceClient;
use gofer_proto::v1::log_service_client::LogServiceClient;
use gofer_proto::v1::namespace_service_client::NamespaceServiceClient;
use gofer_proto::v1::object_service_client::ObjectServiceClient;
use gofer_proto::v1::pipeline_service_client::PipelineServiceClient;
use gofer_proto::v1::run_service_client::RunServiceClient;
use gofer_proto::v1::system_service_client::SystemServiceClient;
use uuid::Uuid;

use crate::client::{Client, Repeat};
use crate::error::{self, ClientError};

/// The largest answer that is accepted, as large as the largest that a server sends.
const ANSWER: usize = 16 << 20;

/// The answers of a stream, in order. It ends after an error.
pub type Answers<T> = BoxStream<'static, Result<T, ClientError>>;

macro_rules! unary {
    ($($(#[$doc:meta])* $repeat:ident $service:ident $method:ident $request:ident $response:ident;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the server refuses, or what stands between.
                pub async fn $method(&self, request: v1::$request) -> Result<v1::$response, ClientError> {
                    self.unary(Repeat::$repeat, request, |channel, request| async move {
                        $service::new(channel).max_decoding_message_size(ANSWER).$method(request).await
                    })
                    .await
                }
            )*
        }
    };
}

unary! {
    /// Creates a namespace.
    Never NamespaceServiceClient create_namespace CreateNamespaceRequest CreateNamespaceResponse;
    /// Answers one namespace.
    Safe NamespaceServiceClient get_namespace GetNamespaceRequest GetNamespaceResponse;
    /// Lists namespaces by name.
    Safe NamespaceServiceClient list_namespaces ListNamespacesRequest ListNamespacesResponse;
    /// Changes the description of a namespace.
    Safe NamespaceServiceClient update_namespace UpdateNamespaceRequest UpdateNamespaceResponse;
    /// Deletes a namespace that holds no pipeline.
    Never NamespaceServiceClient delete_namespace DeleteNamespaceRequest DeleteNamespaceResponse;
    /// Validates a pipeline file and changes nothing. Problems are part of the answer.
    Safe PipelineServiceClient validate_pipeline ValidatePipelineRequest ValidatePipelineResponse;
    /// Answers one pipeline with its newest version.
    Safe PipelineServiceClient get_pipeline GetPipelineRequest GetPipelineResponse;
    /// Lists pipelines by id.
    Safe PipelineServiceClient list_pipelines ListPipelinesRequest ListPipelinesResponse;
    /// Answers one version.
    Safe PipelineServiceClient get_version GetVersionRequest GetVersionResponse;
    /// Lists the versions of a pipeline, newest first.
    Safe PipelineServiceClient list_versions ListVersionsRequest ListVersionsResponse;
    /// Says whether new runs of a pipeline may start.
    Safe PipelineServiceClient set_pipeline_enabled SetPipelineEnabledRequest SetPipelineEnabledResponse;
    /// Deletes a pipeline with its versions, runs and logs.
    Never PipelineServiceClient delete_pipeline DeletePipelineRequest DeletePipelineResponse;
    /// Answers one run.
    Safe RunServiceClient get_run GetRunRequest GetRunResponse;
    /// Lists runs, newest first.
    Safe RunServiceClient list_runs ListRunsRequest ListRunsResponse;
    /// Records the wish that a run ends.
    Safe RunServiceClient cancel_run CancelRunRequest CancelRunResponse;
    /// Answers one task run with its attempts.
    Safe RunServiceClient get_task_run GetTaskRunRequest GetTaskRunResponse;
    /// Lists the task runs of a run, in the order of the pipeline file.
    Safe RunServiceClient list_task_runs ListTaskRunsRequest ListTaskRunsResponse;
    /// Answers an approval.
    Never RunServiceClient answer_task AnswerTaskRequest AnswerTaskResponse;
    /// Tells why a run and its tasks are where they are.
    Safe RunServiceClient explain_run ExplainRunRequest ExplainRunResponse;
    /// Deletes the output of a run that has ended. Deleted already: answers who did it.
    Safe LogServiceClient delete_logs DeleteLogsRequest DeleteLogsResponse;
    /// Answers what an object is, without its bytes.
    Safe ObjectServiceClient head_object HeadObjectRequest HeadObjectResponse;
    /// Deletes an object. A repetition says that it was not there, so that is left to the caller.
    Never ObjectServiceClient delete_object DeleteObjectRequest DeleteObjectResponse;
    /// Lists the objects of a pipeline or of a run, by key.
    Safe ObjectServiceClient list_objects ListObjectsRequest ListObjectsResponse;
    /// Answers how much the objects of a namespace take.
    Safe ObjectServiceClient get_object_usage GetObjectUsageRequest GetObjectUsageResponse;
    /// Lists events.
    Safe EventServiceClient list_events ListEventsRequest ListEventsResponse;
    /// Answers what the server is.
    Safe SystemServiceClient get_info GetInfoRequest GetInfoResponse;
    /// Answers how the server does.
    Safe SystemServiceClient get_status GetStatusRequest GetStatusResponse;
}

macro_rules! streams {
    ($($(#[$doc:meta])* $name:ident = $service:ident $method:ident $request:ident $response:ident;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the server refuses, or what stands between.
                pub async fn $name(&self, request: v1::$request) -> Result<Answers<v1::$response>, ClientError> {
                    let limit = self.options().request_timeout;
                    let mut service = $service::new(self.channel()).max_decoding_message_size(ANSWER);
                    let beginning = service.$method(self.request(request));
                    let Ok(begun) = tokio::time::timeout(limit, beginning).await else {
                        return Err(error::timed_out(self.address(), limit));
                    };
                    let client = self.clone();
                    let answers = begun.map_err(|status| self.failure(&status))?.into_inner();
                    Ok(answers.map_err(move |status| client.failure(&status)).boxed())
                }
            )*
        }
    };
}

streams! {
    /// The output of a run's tasks, over one connection. [`Client::follow_logs`] goes on after a loss.
    read_logs = LogServiceClient read_logs ReadLogsRequest ReadLogsResponse;
    /// An object, over one connection. [`Client::get_object`] goes on after a loss.
    get_object_once = ObjectServiceClient get_object GetObjectRequest GetObjectResponse;
    /// The changes of a run, over one connection. [`Client::watch_run`] goes on after a loss.
    watch_run_once = RunServiceClient watch_run WatchRunRequest WatchRunResponse;
    /// Events as they come, over one connection. [`Client::follow_events`] goes on after a loss.
    follow_events_once = EventServiceClient follow_events FollowEventsRequest FollowEventsResponse;
}

impl Client {
    /// Starts a run. Where the request has no idempotency key it is given one, so that a start whose outcome is unknown
    /// can be repeated and answers the same run.
    ///
    /// # Errors
    /// What the server refuses, or what stands between.
    pub async fn start_run(
        &self,
        mut request: v1::StartRunRequest,
    ) -> Result<v1::StartRunResponse, ClientError> {
        if request.idempotency_key.is_empty() {
            request.idempotency_key = Uuid::now_v7().to_string();
        }
        self.unary(Repeat::Safe, request, |channel, request| async move {
            RunServiceClient::new(channel).max_decoding_message_size(ANSWER).start_run(request).await
        })
        .await
    }

    /// Repeats a run that has ended. As [`Client::start_run`] it is given an idempotency key where it has none.
    ///
    /// # Errors
    /// What the server refuses, or what stands between.
    pub async fn retry_run(
        &self,
        mut request: v1::RetryRunRequest,
    ) -> Result<v1::RetryRunResponse, ClientError> {
        if request.idempotency_key.is_empty() {
            request.idempotency_key = Uuid::now_v7().to_string();
        }
        self.unary(Repeat::Safe, request, |channel, request| async move {
            RunServiceClient::new(channel).max_decoding_message_size(ANSWER).retry_run(request).await
        })
        .await
    }

    /// Registers a pipeline file. If the file has more problems than an error can carry, they are fetched.
    ///
    /// # Errors
    /// What the server refuses, or what stands between.
    pub async fn register_pipeline(
        &self,
        request: v1::RegisterPipelineRequest,
    ) -> Result<v1::RegisterPipelineResponse, ClientError> {
        let (source, namespace) = (request.source.clone(), request.namespace.clone());
        let answer = self.unary(Repeat::Never, request, |channel, request| async move {
            PipelineServiceClient::new(channel)
                .max_decoding_message_size(ANSWER)
                .register_pipeline(request)
                .await
        });
        let mut error = match answer.await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if error.0.diagnostics.len() < error.0.all_diagnostics
            && let Ok(all) = self.validate_pipeline(v1::ValidatePipelineRequest { source, namespace }).await
        {
            error.0.diagnostics = all.diagnostics;
        }
        Err(error)
    }
}
