//! Approvals end only when they are stopped; children are their runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::{ErrorKind, Result};
use gofer_scheduler::{Scheduler, TaskSpec, TaskStatus};
use gofer_types::{AttemptId, Cause, Namespace, PipelineId, PipelineRef, RunNumber, RunRef, RunState};
use tokio::sync::watch;

use crate::{Approvals, Children, ListSource, Lists, Pipelines};

fn attempt() -> AttemptId {
    AttemptId::from_u128(7)
}

fn run() -> RunRef {
    let pipeline = PipelineId::new("deploy").unwrap();
    PipelineRef { namespace: Namespace::default_name(), pipeline }.run(RunNumber(3))
}

#[tokio::test(start_paused = true)]
async fn an_approval_waits_until_it_is_stopped_also_after_a_restart() {
    for restarted in [false, true] {
        let approvals = Approvals::default();
        if !restarted {
            approvals.start(&attempt(), &TaskSpec::default()).await.unwrap();
        }
        let id = attempt();
        let waiting = approvals.wait(&id);
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_secs(3600), &mut waiting).await;
        assert!(early.is_err(), "nothing ends it");
        assert!(matches!(approvals.inspect(&id).await.unwrap(), TaskStatus::Running { .. }));
        approvals.stop(&id, Duration::from_secs(300)).await.unwrap();
        assert_eq!(waiting.await.unwrap().cause, Cause::Signal(15));
        approvals.remove(&id).await.unwrap();
        approvals.remove(&id).await.unwrap();
    }
}

#[derive(Debug)]
struct OnePipeline {
    started: Mutex<u32>,
    state: watch::Sender<RunState>,
}

#[async_trait]
impl Pipelines for OnePipeline {
    async fn start(&self, _: &AttemptId, _: &TaskSpec) -> Result<RunRef> {
        *self.started.lock().unwrap() += 1;
        Ok(run())
    }
    async fn find(&self, _: &AttemptId) -> Result<Option<RunRef>> {
        Ok((*self.started.lock().unwrap() > 0).then(run))
    }
    async fn state(&self, _: &RunRef) -> Result<Option<RunState>> {
        Ok(Some(*self.state.borrow()))
    }
    async fn end(&self, _: &RunRef) -> Result<Option<RunState>> {
        let mut state = self.state.subscribe();
        Ok(state.wait_for(|state| state.is_terminal()).await.ok().map(|state| *state))
    }
    async fn cancel(&self, _: &RunRef, _: bool) -> Result<()> {
        self.state.send_replace(RunState::Cancelled);
        Ok(())
    }
    async fn forget(&self, _: &AttemptId) -> Result<()> {
        *self.started.lock().unwrap() = 0;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_is_its_run_and_ends_as_it_ends() {
    for end in [RunState::Succeeded, RunState::Failed, RunState::TimedOut] {
        let pipeline =
            Arc::new(OnePipeline { started: Mutex::default(), state: watch::Sender::new(RunState::Queued) });
        let children = Children::new(Arc::clone(&pipeline) as Arc<dyn Pipelines>);
        assert_eq!(children.inspect(&attempt()).await.unwrap_err().kind(), ErrorKind::NotFound);
        let started = children.start(&attempt(), &TaskSpec::default()).await.unwrap();
        assert_eq!(started.handle, "deploy/3");
        assert!(matches!(children.inspect(&attempt()).await.unwrap(), TaskStatus::Running { .. }));
        pipeline.state.send_replace(end);
        let ended = Cause::ChildRun { run: run(), state: end };
        assert_eq!(children.wait(&attempt()).await.unwrap().cause, ended);
        children.remove(&attempt()).await.unwrap();
        assert_eq!(children.wait(&attempt()).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_a_child_cancels_its_run_and_waits_for_its_end() {
    let pipeline =
        Arc::new(OnePipeline { started: Mutex::default(), state: watch::Sender::new(RunState::Running) });
    let children = Children::new(pipeline);
    children.start(&attempt(), &TaskSpec::default()).await.unwrap();
    children.stop(&attempt(), Duration::ZERO).await.unwrap();
    let cancelled = Cause::ChildRun { run: run(), state: RunState::Cancelled };
    assert_eq!(children.wait(&attempt()).await.unwrap().cause, cancelled);
}

#[derive(Debug)]
struct OneObject(std::result::Result<&'static str, ErrorKind>);

#[async_trait]
impl ListSource for OneObject {
    async fn read(&self, _: &TaskSpec, key: &str, most: u64) -> Result<bytes::Bytes> {
        assert_eq!((key, most), ("platforms", 16 * 1024));
        self.0.map(bytes::Bytes::from).map_err(|kind| gofer_backend::BackendError::new(kind, "no"))
    }
}

fn over_platforms() -> TaskSpec {
    let env = std::collections::BTreeMap::from([("os".to_owned(), "platforms".to_owned())]);
    TaskSpec { env, ..TaskSpec::default() }
}

#[tokio::test]
async fn a_list_is_read_by_the_start_and_read_again_after_a_restart() {
    for _ in 0..2 {
        let lists = Lists::new(Arc::new(OneObject(Ok("linux\nmac"))));
        assert_eq!(lists.inspect(&attempt()).await.unwrap_err().kind(), ErrorKind::NotFound);
        lists.start(&attempt(), &over_platforms()).await.unwrap();
        let Cause::FannedOut { values, .. } = lists.wait(&attempt()).await.unwrap().cause else { panic!() };
        assert_eq!(values["os"], ["linux", "mac"]);
        lists.stop(&attempt(), Duration::ZERO).await.unwrap();
        lists.remove(&attempt()).await.unwrap();
        assert_eq!(lists.wait(&attempt()).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_list_that_is_not_there_or_none_can_never_be_read_and_one_out_of_reach_can() {
    let of = |found| Lists::new(Arc::new(OneObject(found)));
    for (found, kind, text) in [
        (Err(ErrorKind::NotFound), ErrorKind::InvalidInput, "no"),
        (Ok("a,b"), ErrorKind::InvalidInput, "`platforms` of the run is no list of values"),
        (Err(ErrorKind::Unavailable), ErrorKind::Unavailable, "no"),
    ] {
        let error = of(found).start(&attempt(), &over_platforms()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(text), "{error:?}");
    }
}
