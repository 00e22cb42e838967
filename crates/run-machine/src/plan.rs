//! A version's graph as the machine walks it.
//!
//! The tasks of the pipeline file are *groups*: each stands for one task, or for one task per combination of its `matrix`. What
//! tasks ask of each other is said between groups, so that two groups of 256 tasks have one edge and not 65,536. The tasks
//! themselves have places: numbers in the order of the file and of the combinations.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use gofer_types::pipeline::Action;
use gofer_types::{Condition, Pipeline, Span, Task, TaskId};

use crate::retry::RetryRule;

/// The graph of one version, or of one run of it: with the tasks that its late matrices have become so far.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tasks, by their places.
    pub tasks: Vec<PlanTask>,
    /// The groups, in the order of the pipeline file.
    pub groups: Vec<Group>,
    pub(crate) index: HashMap<TaskId, u32>,
    by_base: HashMap<TaskId, u32>,
}

/// One task.
#[derive(Debug, Clone)]
pub struct PlanTask {
    /// Its id, with the values of its combination if it is one of several.
    pub id: TaskId,
    /// The number of its group: its place in the pipeline file.
    pub group: u32,
    /// The values of its combination, by their keys.
    pub values: Vec<(String, String)>,
}

/// A task of the pipeline file.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its id in the file.
    pub id: TaskId,
    /// The places of the tasks that the file alone tells of; at least one. With a late matrix it is one, which reads the values.
    pub own: Range<u32>,
    /// The places of the tasks that a late matrix has become; none before that.
    pub fanned: Range<u32>,
    /// Whether its matrix is a late one.
    pub late: bool,
    /// The groups whose tasks it asks something of, and what.
    pub parents: Vec<(u32, Condition)>,
    /// The groups that ask something of its tasks, and what.
    pub children: Vec<(u32, Condition)>,
    /// Whether a scheduler runs it: it is neither an approval nor a run of another pipeline.
    pub executes: bool,
    /// Whether its failure does not fail the run.
    pub allow_failure: bool,
    /// Whether it also runs when the run was cancelled or ran out of time.
    pub cleanup: bool,
    /// The time limit of an attempt.
    pub timeout: Duration,
    /// When and how often an attempt is followed by another.
    pub retry: Option<RetryRule>,
}

impl Plan {
    /// The graph of a configuration; the text says why it is none.
    pub fn new(config: &Pipeline, default_timeout: Duration) -> Result<Self, String> {
        if config.tasks.is_empty() {
            return Err("it has no task".to_owned());
        }
        let mut by_base = HashMap::with_capacity(config.tasks.len());
        for (number, task) in (0_u32..).zip(&config.tasks) {
            if by_base.insert(task.id.clone(), number).is_some() {
                return Err(format!("task `{}` is there twice", task.id));
            }
        }
        let mut plan = Self {
            tasks: Vec::new(),
            groups: Vec::with_capacity(by_base.len()),
            index: HashMap::new(),
            by_base,
        };
        for (number, task) in (0_u32..).zip(&config.tasks) {
            let from = plan.places();
            plan.add_tasks(number, task, &BTreeMap::new())?;
            plan.groups.push(Group::new(task, from..plan.places(), default_timeout));
        }
        plan.connect(config)?;
        plan.check_order()?;
        Ok(plan)
    }

    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)
    }

    /// The tasks of a group, for the values that are known of its late matrix.
    fn add_tasks(
        &mut self,
        group: u32,
        task: &Task,
        late: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), String> {
        let mut ids = Vec::new();
        for values in combinations(task, late) {
            let id = if values.is_empty() {
                task.id.clone()
            } else {
                let texts = values.iter().map(|(_, value)| value.as_str());
                task.id
                    .instance(texts)
                    .map_err(|error| format!("a combination of task `{}`: {error}", task.id))?
            };
            ids.push((id, values));
        }
        for (id, values) in ids {
            let place = self.places();
            if self.index.insert(id.clone(), place).is_some() {
                return Err(format!("task `{id}` is there twice"));
            }
            self.tasks.push(PlanTask { id, group, values });
        }
        Ok(())
    }

    /// The graph with the tasks that a late matrix becomes with these values; none, if one of its lists is empty. The text says
    /// why there is none.
    pub fn fan_out(
        &self,
        config: &Pipeline,
        group: u32,
        values: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, String> {
        let mut plan = self.clone();
        plan.add_fan_out(config, group, values)?;
        Ok(plan)
    }

    /// The same in place, where the graph is nobody else's. With an error it is of no use any more.
    pub fn add_fan_out(
        &mut self,
        config: &Pipeline,
        group: u32,
        values: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), String> {
        let task = config.tasks.get(group as usize).filter(|task| task.fans_out_late());
        let Some(task) = task else { return Err("its matrix is not a late one".to_owned()) };
        let from = self.places();
        self.add_tasks(group, task, values)?;
        self.groups[group as usize].fanned = from..self.places();
        Ok(())
    }

    /// Whether the task at that place reads the values of a late matrix, and is itself none of its combinations.
    pub fn reads_values(&self, place: u32) -> bool {
        let group = self.group_of(place);
        group.late && group.own.contains(&place)
    }

    fn connect(&mut self, config: &Pipeline) -> Result<(), String> {
        for (number, task) in (0_u32..).zip(&config.tasks) {
            for (parent, condition) in &task.depends_on {
                let Some(&at) = self.by_base.get(parent) else {
                    return Err(format!("task `{}` depends on `{parent}`, which is not there", task.id));
                };
                self.groups[at as usize].children.push((number, *condition));
                self.groups[number as usize].parents.push((at, *condition));
            }
        }
        Ok(())
    }

    /// How many tasks there are.
    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    /// The task at that place.
    pub fn task(&self, place: u32) -> &PlanTask {
        &self.tasks[place as usize]
    }

    /// The group of the task at that place.
    pub fn group_of(&self, place: u32) -> &Group {
        &self.groups[self.task(place).group as usize]
    }

    /// The place of a task.
    pub fn number(&self, id: &TaskId) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The number of the group with that id.
    pub fn group_number(&self, id: &TaskId) -> Option<u32> {
        self.by_base.get(id).copied()
    }

    /// The places of all tasks that the one at that place asks something of, with what it asks.
    pub fn parents_of(&self, place: u32) -> impl Iterator<Item = (u32, Condition)> + '_ {
        let parents = self.group_of(place).parents.iter();
        parents.flat_map(|(parent, condition)| {
            self.groups[*parent as usize].answering().map(move |place| (place, *condition))
        })
    }

    /// Fails if the groups cannot be put into an order.
    fn check_order(&self) -> Result<(), String> {
        let order = self.order();
        if order.len() == self.groups.len() {
            return Ok(());
        }
        let mut left = vec![true; self.groups.len()];
        order.into_iter().for_each(|at| left[at as usize] = false);
        let at = left.iter().position(|left| *left).unwrap_or_default();
        Err(format!("task `{}` is part of a cycle or behind one", self.groups[at].id))
    }

    /// The groups, parents before children; those of a cycle, and behind one, are left out.
    pub(crate) fn order(&self) -> Vec<u32> {
        let mut waits: Vec<usize> = self.groups.iter().map(|group| group.parents.len()).collect();
        let mut order: Vec<u32> =
            (0_u32..).zip(&waits).filter(|(_, waits)| **waits == 0).map(|(at, _)| at).collect();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for (child, _) in &self.groups[at as usize].children {
                waits[*child as usize] -= 1;
                if waits[*child as usize] == 0 {
                    order.push(*child);
                }
            }
        }
        order
    }
}

impl Group {
    /// The places of all its tasks.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        self.own.clone().chain(self.fanned.clone())
    }

    /// The places of the tasks whose ends other tasks ask for: those of the combinations, once a late matrix has become some.
    pub fn answering(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        if self.fanned.is_empty() { self.own.clone() } else { self.fanned.clone() }
    }

    fn new(task: &Task, tasks: Range<u32>, default_timeout: Duration) -> Self {
        Self {
            id: task.id.clone(),
            own: tasks,
            fanned: 0..0,
            late: task.fans_out_late(),
            parents: Vec::new(),
            children: Vec::new(),
            executes: !matches!(task.action, Action::Approval(_) | Action::Pipeline(_)),
            allow_failure: task.allow_failure,
            cleanup: task.cleanup,
            timeout: match &task.action {
                Action::Approval(approval) => approval.expires.or(task.timeout),
                _ => task.timeout,
            }
            .map_or(default_timeout, Span::get),
            retry: task.retry.as_ref().map(RetryRule::new),
        }
    }
}

/// The combinations of a task's matrix: keys in their order, the values of the last key changing fastest. One empty combination
/// for a task without a matrix, and for one whose late matrix has no values yet.
fn combinations(task: &Task, late: &BTreeMap<String, Vec<String>>) -> Vec<Vec<(String, String)>> {
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    if task.fans_out_late() && late.is_empty() {
        return all;
    }
    for (key, axis) in &task.matrix {
        let values = axis.values().or_else(|| late.get(key).map(Vec::as_slice)).unwrap_or_default();
        let longer = |known: &Vec<(String, String)>| {
            values
                .iter()
                .map(|value| known.iter().cloned().chain([(key.clone(), value.clone())]).collect())
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}
