//! What clients do, through the API as people's programs do: each call is one act, and what it was told is remembered.

use std::sync::Arc;

use futures_util::StreamExt;
use gofer_client::{Client, ClientError, ErrorKind};
use gofer_proto::v1;
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, RunRef, RunState};

use crate::court::{Court, Read};
use crate::plan::{Act, Plan};
use crate::world::life::Life;

/// Somebody who does one thing.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The connection.
    pub client: Client,
    /// The process at its other end.
    pub life: Arc<Life>,
    /// Who is told what was answered.
    pub court: Arc<Court>,
    /// What there is.
    pub plan: Arc<Plan>,
    /// Whether a sync had failed in that process before.
    pub began_failed: bool,
}

/// A pipeline as the API names it.
pub fn to_proto(id: &PipelineRef) -> v1::PipelineRef {
    v1::PipelineRef { namespace: id.namespace.to_string(), pipeline: id.pipeline.to_string() }
}

/// A run as the API names it.
pub fn run_to_proto(id: &RunRef) -> v1::RunRef {
    v1::RunRef {
        namespace: id.pipeline.namespace.to_string(),
        pipeline: id.pipeline.pipeline.to_string(),
        selector: Some(v1::run_ref::Selector::Number(id.run.0)),
    }
}

/// The pipeline at that place of the plan.
pub fn pipeline_at(plan: &Plan, place: usize) -> Option<PipelineRef> {
    let pipeline = plan.pipelines.get(place)?;
    Some(PipelineRef {
        namespace: Namespace::new(&pipeline.namespace).ok()?,
        pipeline: PipelineId::new(&pipeline.id).ok()?,
    })
}

/// The run of an answer.
pub fn run_of(run: &v1::Run) -> Option<RunRef> {
    let pipeline = PipelineRef {
        namespace: Namespace::new(&run.namespace).ok()?,
        pipeline: PipelineId::new(&run.pipeline).ok()?,
    };
    Some(pipeline.run(RunNumber(run.number)))
}

/// The state of an answer.
pub fn state_of(run: &v1::Run) -> Option<RunState> {
    run.state().as_str_name().strip_prefix("RUN_STATE_")?.to_lowercase().parse().ok()
}

impl Visitor {
    /// Does it.
    pub async fn act(self, act: Act) {
        match act {
            Act::Start { pipeline, key, priority } => self.start(pipeline, key, priority).await,
            Act::Cancel { run, force } => self.cancel(run, force).await,
            Act::Retry { run, from_failed } => self.retry(run, from_failed).await,
            Act::Change { pipeline, parallelism } => self.register(pipeline, Some(parallelism)).await,
            Act::Enable { pipeline, enabled } => self.enable(pipeline, enabled).await,
            Act::Answer { run, approve } => self.answer(run, approve).await,
            Act::Look { run } => self.look(run).await,
            Act::Read { run, follow } => self.read(run, follow).await,
            Act::Watch { run } => self.watch(run).await,
            Act::Follow => self.follow().await,
            Act::DeleteLogs { run } => self.delete_logs(run).await,
            Act::Put { pipeline, key } => self.put(pipeline, key).await,
            Act::Get { pipeline, key } => self.get(pipeline, key).await,
            _ => {}
        }
    }

    fn tick(&self) -> u64 {
        self.court.case().claims.tick()
    }

    /// The run that is meant by a place among those that were acknowledged.
    fn chosen(&self, place: usize) -> Option<RunRef> {
        let case = self.court.case();
        let runs = &case.claims.runs;
        runs.get(place.checked_rem(runs.len())?).cloned()
    }

    /// What every answer to a change must be like.
    fn judge<T>(&self, what: &str, answer: &Result<T, ClientError>) {
        match answer {
            Ok(_) => {
                self.court
                    .holds(70, !self.began_failed, || format!("{what} is acknowledged behind a failed sync"));
                self.court.note(format_args!("client: {what}: done"));
            }
            Err(error) => {
                let set_aside = error.to_string().contains("was set aside");
                let named = set_aside || error.kind() != ErrorKind::Internal;
                self.court.holds(71, named, || format!("{what}: {error}"));
                self.court.note(format_args!("client: {what}: {error}"));
            }
        }
    }

    async fn start(&self, place: usize, key: u32, priority: i32) {
        let Some(pipeline) = pipeline_at(&self.plan, place) else { return };
        let asked = self.tick();
        let key = if key == 0 { format!("own-{asked}") } else { format!("key-{key}") };
        let request = v1::StartRunRequest {
            pipeline: Some(to_proto(&pipeline)),
            idempotency_key: key.clone(),
            priority,
            ..v1::StartRunRequest::default()
        };
        let answer = self.client.start_run(request).await;
        self.judge(&format!("start {pipeline} as {key}"), &answer);
        let Some(run) = answer.ok().and_then(|answer| answer.run).as_ref().and_then(run_of) else { return };
        self.court.note(format_args!("client: {key} is {run}"));
        let mut case = self.court.case();
        case.claims.acknowledge(&run, asked);
        case.claims.keys.entry((pipeline, key)).or_default().push(run.clone());
        let there = case.ledger.runs.contains_key(&run) || case.deletes;
        case.tally.holds(22, there, || format!("{run} is acknowledged and not on disk"));
    }

    async fn cancel(&self, place: usize, force: bool) {
        let Some(run) = self.chosen(place) else { return };
        let before = self.court.case().ledger.runs.get(&run).map(|view| view.record.state);
        let request =
            v1::CancelRunRequest { run: Some(run_to_proto(&run)), reason: "no more".to_owned(), force };
        let answer = self.client.cancel_run(request).await;
        self.judge(&format!("cancel {run}, force {force}"), &answer);
        let Ok(answer) = answer else { return };
        let mut case = self.court.case();
        if before.is_some_and(RunState::is_terminal) {
            case.tally.holds(36, answer.already_ended, || {
                format!("{run} had ended, and the cancel does not say so")
            });
        }
        let Some(view) = case.ledger.runs.get(&run) else { return };
        let recorded = view.record.cancel.is_some() || answer.already_ended;
        case.tally.holds(35, recorded, || format!("the cancel of {run} is acknowledged and not on disk"));
    }

    async fn retry(&self, place: usize, from_failed: bool) {
        let Some(run) = self.chosen(place) else { return };
        let asked = self.tick();
        let request = v1::RetryRunRequest {
            run: Some(run_to_proto(&run)),
            from_failed,
            idempotency_key: format!("retry-{asked}"),
            ..v1::RetryRunRequest::default()
        };
        let answer = self.client.retry_run(request).await;
        self.judge(&format!("retry {run}"), &answer);
        if let Some(run) = answer.ok().and_then(|answer| answer.run).as_ref().and_then(run_of) {
            self.court.case().claims.acknowledge(&run, asked);
        }
    }

    /// Registers a pipeline, perhaps with another parallelism.
    pub async fn register(&self, place: usize, parallelism: Option<u32>) {
        let Some(pipeline) = self.plan.pipelines.get(place) else { return };
        let request = v1::RegisterPipelineRequest {
            source: Some(v1::SourceFile {
                name: "pipeline.hcl".to_owned(),
                content: pipeline.text(parallelism),
            }),
            namespace: pipeline.namespace.clone(),
            expected_version: None,
        };
        let answer = self.client.register_pipeline(request).await;
        self.judge(&format!("register {}", pipeline.id), &answer);
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Invalid
        {
            let problems = error.diagnostics().first().map(|first| first.message.clone());
            self.court
                .holds(crate::court::DISK, false, || format!("a plan is not valid: {error} {problems:?}"));
        }
    }

    async fn enable(&self, place: usize, enabled: bool) {
        let Some(pipeline) = pipeline_at(&self.plan, place) else { return };
        let request = v1::SetPipelineEnabledRequest { pipeline: Some(to_proto(&pipeline)), enabled };
        let answer = self.client.set_pipeline_enabled(request).await;
        self.judge(&format!("enable {pipeline}: {enabled}"), &answer);
    }

    async fn answer(&self, place: usize, approve: bool) {
        let Some(run) = self.chosen(place) else { return };
        let asking = {
            let case = self.court.case();
            let config = case.ledger.runs.get(&run).and_then(|view| case.ledger.config(&view.record));
            let asks =
                |task: &&gofer_types::Task| matches!(task.action, gofer_types::pipeline::Action::Approval(_));
            config.and_then(|config| config.tasks.iter().find(asks)).map(|task| task.id.to_string())
        };
        let Some(task) = asking else { return };
        let request = v1::AnswerTaskRequest {
            run: Some(run_to_proto(&run)),
            task,
            approve,
            note: "so be it".to_owned(),
            ..v1::AnswerTaskRequest::default()
        };
        let answer = self.client.answer_task(request).await;
        self.judge(&format!("answer {run}: {approve}"), &answer);
    }

    async fn delete_logs(&self, place: usize) {
        let Some(run) = self.chosen(place) else { return };
        self.court.case().claims.output_deleted.insert(run.clone());
        let answer = self.client.delete_logs(v1::DeleteLogsRequest { run: Some(run_to_proto(&run)) }).await;
        self.judge(&format!("delete the output of {run}"), &answer);
    }

    async fn look(&self, place: usize) {
        let Some(run) = self.chosen(place) else { return };
        let before = self.court.case().claims.told.get(&run).copied();
        let answer = self.client.get_run(v1::GetRunRequest { run: Some(run_to_proto(&run)) }).await;
        self.learn(&run, before, answer.ok().and_then(|answer| answer.run).as_ref());
        let request =
            v1::ExplainRunRequest { run: Some(run_to_proto(&run)), ..v1::ExplainRunRequest::default() };
        let explained = self.client.explain_run(request).await;
        self.judge(&format!("explain {run}"), &explained);
        let lists = self
            .client
            .list_runs(v1::ListRunsRequest { active: true, ..v1::ListRunsRequest::default() })
            .await;
        self.judge("list the active runs", &lists);
    }

    /// Nobody is told an earlier state after a later one.
    fn learn(&self, id: &RunRef, before: Option<RunState>, run: Option<&v1::Run>) {
        let Some(state) = run.and_then(state_of) else { return };
        let mut case = self.court.case();
        let forward = before.is_none_or(|before| crate::court::rank(before) <= crate::court::rank(state));
        case.tally.holds(28, forward, || format!("{id} was {before:?} and is told to be {state}"));
        let told = case.claims.told.entry(id.clone()).or_insert(state);
        if crate::court::rank(*told) < crate::court::rank(state) {
            *told = state;
        }
    }

    async fn watch(&self, place: usize) {
        let Some(run) = self.chosen(place) else { return };
        let request = v1::WatchRunRequest { run: Some(run_to_proto(&run)) };
        let Ok(mut updates) = self.client.watch_run_once(request).await else { return };
        let mut last = None;
        while let Some(Ok(update)) = updates.next().await {
            if let Some(run_now) = &update.run {
                let before = last.or_else(|| self.court.case().claims.told.get(&run).copied());
                // what others were told meanwhile may be newer than what was on its way
                let before = before.filter(|before| last == Some(*before));
                self.learn(&run, before, Some(run_now));
                last = state_of(run_now);
            }
        }
        self.court.note(format_args!("client: watched {run} until {last:?}"));
    }

    async fn follow(&self) {
        let request = v1::FollowEventsRequest::default();
        let Ok(mut pages) = self.client.follow_events_once(request).await else { return };
        let mut last: Option<u64> = None;
        while let Some(Ok(page)) = pages.next().await {
            for event in page.events {
                let seq = event.seq;
                let next = last.is_none_or(|last| seq == last + 1);
                self.court.holds(29, next, || format!("a follower hears {seq} behind {last:?}"));
                last = Some(seq);
            }
        }
    }

    async fn read(&self, place: usize, follow: bool) {
        let Some(run) = self.chosen(place) else { return };
        let Some(read) = self.read_all(&run, follow).await else { return };
        let mut case = self.court.case();
        if case.claims.output_deleted.contains(&run) || case.deletes {
            return;
        }
        if follow {
            case.claims.followed.push((run.clone(), read.clone()));
        }
        for (task, entries) in read {
            case.remember_output((run.clone(), task), entries);
        }
    }

    /// Everything of the output of a run, by task; `None` if the server went away, or refuses.
    pub async fn read_all(
        &self,
        run: &RunRef,
        follow: bool,
    ) -> Option<std::collections::BTreeMap<String, Vec<Read>>> {
        let request =
            v1::ReadLogsRequest { run: Some(run_to_proto(run)), follow, ..v1::ReadLogsRequest::default() };
        let mut pages = self.client.read_logs(request).await.ok()?;
        let mut read: std::collections::BTreeMap<String, Vec<Read>> = std::collections::BTreeMap::new();
        while let Some(page) = pages.next().await {
            let Ok(page) = page else { return None };
            for entry in page.entries {
                read.entry(entry.task.clone()).or_default().push(to_read(entry));
            }
        }
        Some(read)
    }
}

fn to_read(entry: v1::LogEntry) -> Read {
    let stream = match (entry.gap.is_some(), entry.stream()) {
        (true, _) => "",
        (false, v1::LogStream::Err) => "err",
        (false, _) => "out",
    };
    let gap = entry.gap.map(|gap| (gap.bytes, gap.cause));
    let mut data = entry.data;
    if gap.is_none() && !entry.partial {
        data.push(b'\n');
    }
    Read { attempt: entry.attempt, stream, data, gap }
}
