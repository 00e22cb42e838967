//! What the driver would have written: the records that a restart begins with, and the witness of every step.

use std::collections::BTreeMap;

use gofer_types::{
    AttemptId, Cause, Namespace, PipelineId, PipelineRef, RetryOf, RunNumber, RunRecord, TaskId,
    TaskRunRecord, TaskSet, TaskState, Timestamp,
};

use super::graphs::{Wanted, task_id};
use crate::Decision;

/// The records of one run.
pub(super) struct Records {
    pub(super) run: RunRecord,
    pub(super) tasks: BTreeMap<u32, TaskRunRecord>,
    pub(super) ids: Vec<TaskId>,
}

impl Records {
    pub(super) fn new(tasks: usize, wanted: &Wanted) -> Self {
        let place = |place: &usize| u32::try_from(*place).unwrap();
        let set = |places: &[usize]| places.iter().map(place).collect::<TaskSet>();
        let pipeline =
            PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("p").unwrap() };
        let run = RunRecord {
            tasks: u32::try_from(tasks).unwrap(),
            chosen: (!wanted.chosen.is_empty()).then(|| set(&wanted.chosen)),
            retry: (!wanted.reused.is_empty()).then(|| RetryOf {
                run: RunNumber(7),
                reused: set(&wanted.reused),
                answers: BTreeMap::new(),
            }),
            ..RunRecord::new(pipeline.run(RunNumber(1)), Timestamp::default())
        };
        Self { run, tasks: BTreeMap::new(), ids: Vec::new() }
    }

    fn task(&mut self, task: u32) -> &mut TaskRunRecord {
        let id =
            self.run.id.task(self.ids.get(task as usize).cloned().unwrap_or_else(|| task_id(task as usize)));
        self.tasks.entry(task).or_insert_with(|| TaskRunRecord {
            id,
            state: TaskState::Waiting,
            cause: Cause::Completed,
            attempts: Vec::new(),
            changed: Timestamp::default(),
            started: None,
            ended: None,
            exit_code: None,
            fan_out: None,
            due: None,
        })
    }

    pub(super) fn write(&mut self, decision: &Decision) {
        match decision {
            Decision::Run(state, cause) => (self.run.state, self.run.cause) = (*state, cause.clone()),
            Decision::Cancel(request) => self.run.cancel = Some(request.clone()),
            Decision::Task { task, state, cause, exit_code } => {
                let record = self.task(*task);
                (record.state, record.cause, record.exit_code) = (*state, cause.clone(), *exit_code);
            }
            Decision::Start(task, attempt) => {
                self.task(*task).attempts.push(AttemptId::from_u128(u128::from(*attempt)));
            }
            Decision::Want(_)
            | Decision::Unwant(_)
            | Decision::Free(_)
            | Decision::Stop(..)
            | Decision::Rest(..) => {}
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<&TaskRunRecord> {
        self.tasks.get(&u32::try_from(place).unwrap())
    }

    pub(super) fn state(&self, place: usize) -> TaskState {
        self.get(place).map_or(TaskState::Waiting, |record| record.state)
    }

    /// The number of the newest attempt; 0 before the first.
    pub(super) fn attempt(&self, place: usize) -> u32 {
        self.get(place).map_or(0, |record| u32::try_from(record.attempts.len()).unwrap())
    }
}
