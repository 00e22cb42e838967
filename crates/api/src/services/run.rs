//! Runs and task runs.

use futures_util::stream::BoxStream;
use gofer_engine::{RunFilter, RunUpdate, StartRun};
use gofer_proto::v1;
use gofer_proto::v1::run_service_server::RunService;
use gofer_proto::v1::{
    CancelRunRequest, CancelRunResponse, GetRunRequest, GetRunResponse, GetTaskRunRequest,
    GetTaskRunResponse, ListRunsRequest, ListRunsResponse, ListTaskRunsRequest, ListTaskRunsResponse,
    StartRunRequest, StartRunResponse, WatchRunRequest, WatchRunResponse,
};
use gofer_types::{Pipeline, RunRef, RunState};
use tonic::{Request, Response, Status};

use super::{Api, caller};
use crate::convert;
use crate::errors::Problem;
use crate::fields::Fields;
use crate::paging;

/// How long the reason of a cancellation may be, in characters.
const REASON: usize = 500;
/// How a run is started that somebody asks for.
const MANUAL: &str = "manual";

impl Api {
    /// The configuration that a run executes.
    async fn config_of(&self, id: &RunRef) -> Result<Pipeline, Status> {
        let run = self.engine.get_run(id).await.map_err(Problem::from)?;
        let version =
            self.engine.get_version(&id.pipeline, Some(run.version)).await.map_err(Problem::from)?;
        Ok(version.config)
    }
}

fn states(fields: &mut Fields, numbers: &[i32]) -> Option<Vec<RunState>> {
    let mut states = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let known = RunState::ALL.into_iter().find(|state| i32::from(convert::run_state(*state)) == *number);
        match known {
            Some(state) if states.contains(&state) => {}
            Some(state) => states.push(state),
            None => {
                return fields
                    .refuse(&format!("states[{index}]"), format!("{number} is not a state of a run"));
            }
        }
    }
    Some(states)
}

fn update(update: &RunUpdate, config: &Pipeline) -> WatchRunResponse {
    WatchRunResponse {
        run: update.run.as_ref().map(convert::run),
        tasks: update.tasks.iter().map(|task| convert::task_run(task, config)).collect(),
        seq: update.seq,
        images: update.images.iter().map(convert::image).collect(),
    }
}

#[tonic::async_trait]
impl RunService for Api {
    type WatchRunStream = BoxStream<'static, Result<WatchRunResponse, Status>>;

    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<StartRunResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::default();
        let pipeline = fields.pipeline("pipeline", request.pipeline.as_ref());
        let variables = fields.variables(request.variables);
        let key = fields.key("idempotency_key", request.idempotency_key);
        let ((pipeline, variables), key) = fields.finish(pipeline.zip(variables).zip(key))?;
        let start = StartRun {
            pipeline,
            version: Fields::version(request.version),
            variables,
            idempotency_key: key,
            trigger: MANUAL.to_owned(),
        };
        let accepted = self.engine.start_run(&caller, start).await.map_err(Problem::from)?;
        let run = Some(convert::run(&accepted.run));
        Ok(Response::new(StartRunResponse { run, existing: accepted.existing }))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let mut fields = Fields::default();
        let run = fields.run("run", request.get_ref().run.as_ref());
        let id = self.resolve(fields.finish(run)?).await?;
        let record = self.engine.get_run(&id).await.map_err(Problem::from)?;
        Ok(Response::new(GetRunResponse { run: Some(convert::run(&record)) }))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let namespace = fields.namespace_filter("namespace", &request.namespace);
        let pipeline = fields.pipeline_filter("pipeline", &request.pipeline);
        let states = states(&mut fields, &request.states);
        let page = fields.page(request.page);
        let (((namespace, pipeline), states), page) =
            fields.finish(namespace.zip(pipeline).zip(states).zip(page))?;
        let filter = RunFilter { namespace, pipeline, states, active: request.active };
        let fetch = |page| self.engine.list_runs(filter.clone(), page);
        let answer = paging::fitting(page, fetch, |listing| ListRunsResponse {
            runs: listing.items.iter().map(convert::run).collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }

    async fn cancel_run(
        &self,
        request: Request<CancelRunRequest>,
    ) -> Result<Response<CancelRunResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::default();
        let run = fields.run("run", request.run.as_ref());
        let reason = fields.text("reason", request.reason, REASON);
        let (run, reason) = fields.finish(run.zip(reason))?;
        let id = self.resolve(run).await?;
        let (record, already_ended) =
            self.engine.cancel_run(&caller, &id, reason, request.force).await.map_err(Problem::from)?;
        Ok(Response::new(CancelRunResponse { run: Some(convert::run(&record)), already_ended }))
    }

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let mut fields = Fields::default();
        let run = fields.run("run", request.get_ref().run.as_ref());
        let id = self.resolve(fields.finish(run)?).await?;
        let config = self.config_of(&id).await?;
        let updates = self.engine.watch_run(&id).await.map_err(Problem::from)?;
        Ok(Response::new(self.answers(updates, move |item| update(&item, &config))))
    }

    async fn get_task_run(
        &self,
        request: Request<GetTaskRunRequest>,
    ) -> Result<Response<GetTaskRunResponse>, Status> {
        let mut fields = Fields::default();
        let run = fields.run("run", request.get_ref().run.as_ref());
        let task = fields.task("task", &request.get_ref().task);
        let (run, task) = fields.finish(run.zip(task))?;
        let id = self.resolve(run).await?;
        let (record, attempts) = self.engine.get_task_run(&id.task(task)).await.map_err(Problem::from)?;
        let config = self.config_of(&id).await?;
        let task: Option<v1::TaskRun> = Some(convert::task_run(&record, &config));
        Ok(Response::new(GetTaskRunResponse {
            task,
            attempts: attempts.iter().map(convert::attempt).collect(),
        }))
    }

    async fn list_task_runs(
        &self,
        request: Request<ListTaskRunsRequest>,
    ) -> Result<Response<ListTaskRunsResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let run = fields.run("run", request.run.as_ref());
        let page = fields.page(request.page);
        let (run, page) = fields.finish(run.zip(page))?;
        let id = self.resolve(run).await?;
        let config = self.config_of(&id).await?;
        let fetch = |page| self.engine.list_task_runs(&id, page);
        let answer = paging::fitting(page, fetch, |listing| ListTaskRunsResponse {
            tasks: listing.items.iter().map(|record| convert::task_run(record, &config)).collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }
}
