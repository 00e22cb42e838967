//! A version: the configuration with its graph, and what follows from both without anything that happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_run_machine::Plan;
use gofer_types::pipeline::Action;
use gofer_types::record::FanOut;
use gofer_types::{Cause, RunRecord, Task, TaskRunRecord, TaskState, VersionRecord};

/// How many parents a cause names at most.
const NAMED: usize = 20;

/// How many tasks late matrices may make.
#[derive(Debug, Clone, Copy)]
pub struct FanLimits {
    /// How many combinations one matrix may have.
    pub combinations: usize,
    /// How many tasks a run may have.
    pub tasks: usize,
}

/// A version and its graph: the one that every run of it begins with, or the one that a run has come to.
#[derive(Debug)]
pub struct Version {
    /// The version.
    pub record: Arc<VersionRecord>,
    /// Its graph.
    pub plan: Arc<Plan>,
}

impl Version {
    /// A version with its graph; the text says why it has none.
    pub fn new(record: VersionRecord, default_timeout: Duration) -> Result<Arc<Self>, String> {
        let plan = Arc::new(Plan::new(&record.config, default_timeout)?);
        Ok(Arc::new(Self { record: Arc::new(record), plan }))
    }

    /// The same version with another graph of it.
    #[must_use]
    pub fn with_plan(&self, plan: Plan) -> Arc<Self> {
        Arc::new(Self { record: Arc::clone(&self.record), plan: Arc::new(plan) })
    }

    /// With the tasks that a late matrix becomes by these values; the text says why it cannot.
    pub fn fan_out(
        &self,
        place: u32,
        values: &BTreeMap<String, Vec<String>>,
        limits: FanLimits,
    ) -> Result<Arc<Self>, String> {
        let Some(task) = self.task(place) else { return Err("its version has no such task".to_owned()) };
        let counts = task.matrix.iter().map(|(key, axis)| {
            axis.values().or_else(|| values.get(key).map(Vec::as_slice)).unwrap_or_default().len()
        });
        let many = counts.fold(1_usize, usize::saturating_mul);
        let (most, left) = (limits.combinations, limits.tasks.saturating_sub(self.plan.count()));
        if many > most {
            return Err(format!("its lists make {many} combinations; at most {most} are accepted"));
        }
        if many > left {
            return Err(format!("its lists make {many} combinations; the run may have {left} tasks more"));
        }
        let group = self.plan.task(place).group;
        Ok(self.with_plan(self.plan.fan_out(&self.record.config, group, values)?))
    }

    /// With all tasks that the late matrices of a run have become; each is told with the place of the task that read it. Refused
    /// if they do not stand where the run has them: then something of it is missing here.
    pub fn fanned_out<'a>(
        self: &Arc<Self>,
        known: impl Iterator<Item = (u32, &'a FanOut)>,
    ) -> Result<Arc<Self>, String> {
        let mut known: Vec<_> = known.collect();
        if known.is_empty() {
            return Ok(Arc::clone(self));
        }
        known.sort_by_key(|(_, fan_out)| fan_out.first);
        let mut plan = Plan::clone(&self.plan);
        for (place, fan_out) in known {
            if place as usize >= plan.count() {
                return Err("its version has no such task".to_owned());
            }
            let (before, group) = (plan.count(), plan.task(place).group);
            plan.add_fan_out(&self.record.config, group, &fan_out.values)?;
            if plan.count() > before && fan_out.first as usize != before {
                let id = &plan.groups[group as usize].id;
                return Err(format!("the tasks that `{id}` became do not follow those before them"));
            }
        }
        Ok(self.with_plan(plan))
    }

    /// Whether the task at that place reads the values of a late matrix.
    #[must_use]
    pub fn reads_values(&self, place: u32) -> bool {
        (place as usize) < self.plan.count() && self.plan.reads_values(place)
    }

    /// The places of the tasks that read the values of late matrices.
    pub fn readers(&self) -> impl Iterator<Item = u32> + '_ {
        self.plan.groups.iter().filter(|group| group.late).map(|group| group.own.start)
    }

    /// The task of the pipeline file that the one at that place of the graph stands for.
    #[must_use]
    pub fn task(&self, place: u32) -> Option<&Task> {
        let planned = self.plan.tasks.get(place as usize)?;
        self.record.config.tasks.get(planned.group as usize)
    }

    /// Whether the task at that place is an approval.
    #[must_use]
    pub fn asks(&self, place: u32) -> bool {
        let is_approval = |task: &Task| matches!(task.action, Action::Approval(_));
        !self.reads_values(place) && self.task(place).is_some_and(is_approval)
    }

    /// Whether a scheduler runs the task at that place, so that it takes a slot.
    #[must_use]
    pub fn takes_slot(&self, place: u32) -> bool {
        !self.reads_values(place) && self.task(place).is_none_or(|task| task.action.is_run_by_a_scheduler())
    }

    /// Whether the output of the task at that place is kept.
    #[must_use]
    pub fn keeps_output(&self, place: u32) -> bool {
        self.task(place).and_then(|task| task.logging).unwrap_or(self.record.config.logging)
    }

    /// What is told of the task at that place while it has no record: it waits for its parents, of which some may have ended.
    pub fn waiting(&self, run: &RunRecord, place: u32, ended: impl Fn(u32) -> bool) -> TaskRunRecord {
        let open = self.plan.parents_of(place).filter(|(parent, _)| !ended(*parent));
        let names: Vec<_> = open.take(NAMED).map(|(parent, _)| self.plan.task(parent).id.clone()).collect();
        let cause = match &run.cause {
            // a task without parents waits for the run
            cause if names.is_empty() => cause.clone(),
            _ => Cause::WaitingForParents(names),
        };
        TaskRunRecord {
            id: run.id.task(self.plan.task(place).id.clone()),
            state: TaskState::Waiting,
            cause,
            attempts: Vec::new(),
            changed: run.created,
            started: None,
            ended: None,
            exit_code: None,
            fan_out: None,
            due: None,
        }
    }
}
