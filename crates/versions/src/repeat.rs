//! What a run that repeats another takes over from it, at the places that it has in the graph of the new run.

use std::collections::BTreeMap;

use gofer_types::record::FanOut;
use gofer_types::{Answer, TaskRunRecord, TaskSet};

use crate::version::Version;

impl Version {
    /// What the late matrices that are not read again have become.
    #[must_use]
    pub fn kept_fan_outs(&self, tasks: Vec<(u32, TaskRunRecord)>) -> Vec<(u32, FanOut)> {
        let known = tasks.into_iter().filter_map(|(place, task)| {
            let fan_out = task.fan_out?;
            let fanned = &self.plan.group_of(place).fanned;
            (!fanned.is_empty()).then_some((place, FanOut { first: fanned.start, ..fan_out }))
        });
        known.collect()
    }

    /// What was answered to the approvals that are not asked again; `reused` are places in the graph of the former run.
    #[must_use]
    pub fn kept_answers(
        &self,
        (former, tasks): (&Self, &[(u32, TaskRunRecord)]),
        reused: &TaskSet,
    ) -> BTreeMap<u32, Answer> {
        let stays = tasks.iter().filter(|(place, _)| reused.contains(*place));
        let answered = stays.filter_map(|(place, task)| {
            let place = self.plan.number(&former.plan.task(*place).id)?;
            Some((place, task.cause.approval()?.clone()))
        });
        answered.collect()
    }
}
