//! A version's graph as the machine walks it: tasks by number, parents and children as numbers.

use std::collections::HashMap;
use std::time::Duration;

use gofer_types::{Condition, Pipeline, Task, TaskId};

/// The graph of one version.
#[derive(Debug)]
pub struct Plan {
    /// The tasks, in the order of the pipeline file.
    pub tasks: Vec<PlanTask>,
    index: HashMap<TaskId, u32>,
}

/// A node of the graph.
#[derive(Debug)]
pub struct PlanTask {
    /// Its id.
    pub id: TaskId,
    /// Its parents, and what it asks of them.
    pub parents: Vec<(u32, Condition)>,
    /// The tasks that ask something of it, and what.
    pub children: Vec<(u32, Condition)>,
    /// Whether its failure does not fail the run.
    pub allow_failure: bool,
    /// Whether it also runs when the run was cancelled or ran out of time.
    pub cleanup: bool,
    /// The time limit of an attempt.
    pub timeout: Duration,
}

impl Plan {
    /// The graph of a configuration; the text says why it is none.
    pub fn new(config: &Pipeline, default_timeout: Duration) -> Result<Self, String> {
        if config.tasks.is_empty() {
            return Err("it has no task".to_owned());
        }
        let mut index = HashMap::with_capacity(config.tasks.len());
        for (number, task) in (0_u32..).zip(&config.tasks) {
            if index.insert(task.id.clone(), number).is_some() {
                return Err(format!("task `{}` is there twice", task.id));
            }
        }
        let mut tasks: Vec<PlanTask> =
            config.tasks.iter().map(|task| PlanTask::new(task, default_timeout)).collect();
        for (number, task) in (0_u32..).zip(&config.tasks) {
            for (parent, condition) in &task.depends_on {
                let Some(&at) = index.get(parent) else {
                    return Err(format!("task `{}` depends on `{parent}`, which is not there", task.id));
                };
                tasks[at as usize].children.push((number, *condition));
                tasks[number as usize].parents.push((at, *condition));
            }
        }
        let plan = Self { tasks, index };
        plan.check_order()?;
        Ok(plan)
    }

    /// How many tasks there are.
    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    /// The task with that number.
    pub fn task(&self, number: u32) -> &PlanTask {
        &self.tasks[number as usize]
    }

    /// The number of a task.
    pub fn number(&self, id: &TaskId) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// Fails if the tasks cannot be put into an order.
    fn check_order(&self) -> Result<(), String> {
        let mut waits: Vec<usize> = self.tasks.iter().map(|task| task.parents.len()).collect();
        let mut ready: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
        let mut done = 0;
        while let Some(at) = ready.pop() {
            done += 1;
            for (child, _) in &self.tasks[at].children {
                waits[*child as usize] -= 1;
                if waits[*child as usize] == 0 {
                    ready.push(*child as usize);
                }
            }
        }
        match waits.iter().position(|left| *left > 0) {
            Some(at) if done < waits.len() => {
                Err(format!("task `{}` is part of a cycle or behind one", self.tasks[at].id))
            }
            _ => Ok(()),
        }
    }
}

impl PlanTask {
    fn new(task: &Task, default_timeout: Duration) -> Self {
        Self {
            id: task.id.clone(),
            parents: Vec::new(),
            children: Vec::new(),
            allow_failure: task.allow_failure,
            cleanup: task.cleanup,
            timeout: task.timeout.map_or(default_timeout, gofer_types::Span::get),
        }
    }
}
