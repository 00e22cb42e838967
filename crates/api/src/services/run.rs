//! Runs and task runs.

use futures_util::stream::BoxStream;
use gofer_contract::Problem;
use gofer_contract::convert::{self, Executed};
use gofer_engine::{AnswerTask, RetryRun, RunFilter, RunUpdate, Scope, Selection, StartRun};
use gofer_proto::v1;
use gofer_proto::v1::run_service_server::RunService;
use gofer_proto::v1::{
    AnswerTaskRequest, AnswerTaskResponse, CancelRunRequest, CancelRunResponse, ExplainRunRequest,
    ExplainRunResponse, GetRunRequest, GetRunResponse, GetTaskRunRequest, GetTaskRunResponse,
    ListRunsRequest, ListRunsResponse, ListTaskRunsRequest, ListTaskRunsResponse, RetryRunRequest,
    RetryRunResponse, StartRunRequest, StartRunResponse, WatchRunRequest, WatchRunResponse,
};
use gofer_types::{RunRef, RunState};
use tonic::{Request, Response, Status};

use super::{Api, caller};
use crate::fields::Fields;
use crate::paging;

/// How long the reason of a cancellation may be, in characters.
const REASON: usize = 500;
/// How a run is started that somebody asks for.
const MANUAL: &str = "manual";

impl Api {
    /// What a run executes.
    async fn executed(&self, id: &RunRef) -> Result<Executed, Status> {
        let run = self.engine.get_run(id).await.map_err(Problem::from)?;
        let version =
            self.engine.get_version(&id.pipeline, Some(run.version)).await.map_err(Problem::from)?;
        Ok(Executed::new(version.config, run))
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

fn update(update: &RunUpdate, executed: &Executed) -> WatchRunResponse {
    WatchRunResponse {
        run: update.run.as_ref().map(convert::run),
        tasks: update.tasks.iter().map(|task| convert::task_run(task, executed)).collect(),
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
        let labels = fields.labels("labels", request.labels);
        let priority = fields.priority("priority", request.priority);
        let images = fields.images("images", request.images);
        let only = fields.tasks("only", &request.only);
        let from = fields.tasks("from", &request.from);
        let marks = labels.zip(priority).zip(images);
        let (((pipeline, variables), key), (((labels, priority), images), (only, from))) =
            fields.finish(pipeline.zip(variables).zip(key).zip(marks.zip(only.zip(from))))?;
        let start = StartRun {
            version: Fields::version(request.version),
            variables,
            idempotency_key: key,
            labels,
            priority,
            images,
            selection: Selection { only, from, with_parents: request.with_parents },
            ..StartRun::new(pipeline)
        };
        let accepted = self.engine.start_run(&caller, start).await.map_err(Problem::from)?;
        let run = Some(convert::run(&accepted.run));
        Ok(Response::new(StartRunResponse { run, existing: accepted.existing }))
    }

    async fn retry_run(
        &self,
        request: Request<RetryRunRequest>,
    ) -> Result<Response<RetryRunResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::default();
        let run = fields.run("run", request.run.as_ref());
        let from = fields.tasks("from", &request.from);
        let key = fields.key("idempotency_key", request.idempotency_key);
        let ((run, from), key) = fields.finish(run.zip(from).zip(key))?;
        let scope = match (from.is_empty(), request.from_failed) {
            (true, false) => Scope::All,
            (true, true) => Scope::FromFailed,
            (false, _) => Scope::From(from),
        };
        let run = self.resolve(run).await?;
        let retry = RetryRun { run, scope, idempotency_key: key, trigger: MANUAL.to_owned() };
        let accepted = self.engine.retry_run(&caller, retry).await.map_err(Problem::from)?;
        let run = Some(convert::run(&accepted.run));
        Ok(Response::new(RetryRunResponse { run, existing: accepted.existing }))
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
        let labels = fields.labels("labels", request.labels);
        let page = fields.page(request.page);
        let (((namespace, pipeline), states), (page, labels)) =
            fields.finish(namespace.zip(pipeline).zip(states).zip(page.zip(labels)))?;
        let filter = RunFilter { namespace, pipeline, states, active: request.active, labels };
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

    async fn answer_task(
        &self,
        request: Request<AnswerTaskRequest>,
    ) -> Result<Response<AnswerTaskResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::default();
        let run = fields.run("run", request.run.as_ref());
        let task = fields.task("task", &request.task);
        let note = fields.text("note", request.note, REASON);
        let given = fields.variables(request.fields);
        let (((run, task), note), given) = fields.finish(run.zip(task).zip(note).zip(given))?;
        let id = self.resolve(run).await?;
        let answer = AnswerTask { approved: request.approve, note, fields: given };
        let answered = self.engine.answer_task(&caller, &id.task(task), answer).await;
        let record = answered.map_err(Problem::of_answer)?;
        let executed = self.executed(&id).await?;
        Ok(Response::new(AnswerTaskResponse { task: Some(convert::task_run(&record, &executed)) }))
    }

    async fn explain_run(
        &self,
        request: Request<ExplainRunRequest>,
    ) -> Result<Response<ExplainRunResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let run = fields.run("run", request.run.as_ref());
        let tasks = if request.task.is_empty() { Vec::new() } else { vec![request.task] };
        let tasks = fields.tasks("task", &tasks);
        let page = fields.page(request.page);
        let ((run, tasks), page) = fields.finish(run.zip(tasks).zip(page))?;
        let id = self.resolve(run).await?;
        let executed = self.executed(&id).await?;
        let explained = self.engine.explain_run(&id, tasks.first(), page).await.map_err(Problem::from)?;
        Ok(Response::new(convert::explained(&explained, &executed)))
    }

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let mut fields = Fields::default();
        let run = fields.run("run", request.get_ref().run.as_ref());
        let id = self.resolve(fields.finish(run)?).await?;
        let executed = self.executed(&id).await?;
        let updates = self.engine.watch_run(&id).await.map_err(Problem::from)?;
        Ok(Response::new(self.answers(updates, move |item| update(&item, &executed))))
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
        let executed = self.executed(&id).await?;
        let task: Option<v1::TaskRun> = Some(convert::task_run(&record, &executed));
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
        let executed = self.executed(&id).await?;
        let fetch = |page| self.engine.list_task_runs(&id, page);
        let answer = paging::fitting(page, fetch, |listing| ListTaskRunsResponse {
            tasks: listing.items.iter().map(|record| convert::task_run(record, &executed)).collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }
}
