//! The end of a history: what is under way has its time, and then the server is asked about everything.

use std::collections::BTreeSet;
use std::time::Duration;

use gofer_backend::Clock;
use gofer_proto::v1;
use gofer_types::{RunRecord, RunRef, RunState};

use super::Play;
use crate::clients::{Visitor, run_to_proto};
use crate::court::Answers;
use crate::world::{COLLECT, GRACE, LONGEST_RUN};

/// How often it is looked whether everything has ended.
const LOOK: Duration = Duration::from_secs(5);
/// What the ends of a run may take beside its own limit.
const SLACK: u64 = 60 + GRACE + COLLECT;

impl Play {
    /// Waits for the ends, as long as the limits say, and asks about everything.
    pub(super) async fn drain(&mut self) -> Option<Answers> {
        let open = self.open_runs().max(1);
        let longest = Duration::from_secs((LONGEST_RUN + SLACK) * open as u64);
        self.wait(longest, Self::all_ended).await;
        self.wait(Duration::from_secs(600), Self::is_empty).await;
        let visitor = self.visitor()?;
        let left = self.world.backend.tasks();
        Some(Answers { left, ..ask(&visitor).await })
    }

    fn open_runs(&self) -> usize {
        let case = self.world.court.case();
        let open = case
            .ledger
            .runs
            .iter()
            .filter(|(id, view)| !view.record.state.is_terminal() && !case.damaged.contains(*id));
        open.count()
    }

    fn all_ended(&self) -> bool {
        self.open_runs() == 0
    }

    fn is_empty(&self) -> bool {
        self.world.backend.tasks() == 0
    }

    async fn wait(&mut self, longest: Duration, until: impl Fn(&Self) -> bool) {
        let end = self.world.clock.monotonic() + longest;
        let mut stalled = BTreeSet::new();
        while !until(self) && self.world.clock.monotonic() < end {
            let next = self.world.clock.monotonic() + LOOK;
            self.live_until(next).await;
            let now = self.stalled();
            let still: Vec<&RunRef> = now.intersection(&stalled).collect();
            if self.is_anybody_queued() {
                self.world.court.holds(34, still.is_empty(), || format!("there is room for {still:?}"));
            }
            stalled = now;
        }
    }

    fn is_anybody_queued(&self) -> bool {
        let case = self.world.court.case();
        case.ledger.runs.values().any(|view| view.record.state == RunState::Queued)
    }

    /// The runs that wait although nothing of their pipeline runs and the limits have room.
    fn stalled(&self) -> BTreeSet<RunRef> {
        let case = self.world.court.case();
        if self.plan.setting.starts_per_minute > 0 {
            return BTreeSet::new();
        }
        let with = |state: RunState| {
            let of = case.ledger.runs.iter().filter(|(id, _)| !case.damaged.contains(*id));
            of.map(|(_, view)| &view.record).filter(move |record| record.state == state)
        };
        let running: Vec<_> = with(RunState::Running).collect();
        let (server, namespace, _) = case.limits;
        let room = |record: &&RunRecord| {
            let of_namespace =
                running.iter().filter(|of| of.id.pipeline.namespace == record.id.pipeline.namespace).count();
            let of_pipeline = running.iter().filter(|of| of.id.pipeline == record.id.pipeline).count();
            running.len() < server && of_namespace < namespace && of_pipeline == 0
        };
        with(RunState::Queued).filter(room).map(|record| record.id.clone()).collect()
    }
}

async fn ask(visitor: &Visitor) -> Answers {
    let status = visitor.client.get_status(v1::GetStatusRequest { check: false }).await;
    let mut answers = Answers { status: status.unwrap_or_default(), ..Answers::default() };
    let runs: Vec<RunRef> = visitor.court.case().ledger.runs.keys().cloned().collect();
    for run in runs {
        match explain(visitor, &run).await {
            Ok(explained) => {
                answers.explained.insert(run.clone(), explained);
            }
            Err(refusal) => {
                answers.refused.insert(run.clone(), refusal);
            }
        }
        for (task, read) in visitor.read_all(&run, false).await.unwrap_or_default() {
            answers.output.insert((run.clone(), task), read);
        }
    }
    answers.events = events(visitor).await;
    answers
}

async fn explain(
    visitor: &Visitor,
    run: &RunRef,
) -> Result<(v1::ExplainRunResponse, Vec<v1::ExplainedTask>), String> {
    let mut tasks = Vec::new();
    let mut token = String::new();
    loop {
        let request = v1::ExplainRunRequest {
            run: Some(run_to_proto(run)),
            page: Some(v1::Page { size: 1000, token }),
            ..v1::ExplainRunRequest::default()
        };
        let told = visitor.client.explain_run(request).await.map_err(|error| error.to_string())?;
        tasks.extend(told.tasks.iter().cloned());
        token = told.next_page_token.clone();
        if token.is_empty() {
            return Ok((told, tasks));
        }
    }
}

async fn events(visitor: &Visitor) -> Vec<u64> {
    let mut seqs = Vec::new();
    let mut token = String::new();
    loop {
        let request = v1::ListEventsRequest {
            page: Some(v1::Page { size: 1000, token }),
            ..v1::ListEventsRequest::default()
        };
        let Ok(page) = visitor.client.list_events(request).await else { return seqs };
        seqs.extend(page.events.iter().map(|event| event.seq));
        token = page.next_page_token;
        if token.is_empty() {
            return seqs;
        }
    }
}
