//! The graph of a pipeline's tasks: parents, children, an order, cycles.
//!
//! Tasks are numbered by their position in the pipeline. Nothing recurses and everything is linear in tasks and
//! dependencies.

use std::collections::{BTreeMap, VecDeque};

use gofer_types::{Condition, Task, TaskId};

/// The graph of a pipeline's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    ids: Vec<TaskId>,
    index: BTreeMap<TaskId, usize>,
    parents: Vec<Vec<(usize, Condition)>>,
    children: Vec<Vec<usize>>,
    order: Vec<usize>,
}

/// Why tasks are no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two tasks have the same id.
    #[error("there are two tasks named `{id}`")]
    Duplicate {
        /// The id.
        id: TaskId,
    },
    /// A parent is not there.
    #[error("task `{task}` depends on `{parent}`, which does not exist")]
    Missing {
        /// The task.
        task: TaskId,
        /// The parent that it names.
        parent: TaskId,
    },
    /// Tasks wait for each other.
    #[error("tasks depend on each other in a cycle: {}", chain(members))]
    Cycle {
        /// The members, each depending on the next and the last on the first.
        members: Vec<TaskId>,
    },
}

fn chain(members: &[TaskId]) -> String {
    let names: Vec<String> = members.iter().chain(members.first()).map(|id| format!("`{id}`")).collect();
    names.join(" -> ")
}

impl Graph {
    /// The graph of some tasks. Those of a validated pipeline always are one.
    pub fn new(tasks: &[Task]) -> Result<Self, GraphError> {
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
        let mut index = BTreeMap::new();
        for (position, id) in ids.iter().enumerate() {
            if index.insert(id.clone(), position).is_some() {
                return Err(GraphError::Duplicate { id: id.clone() });
            }
        }
        let parents = tasks.iter().map(|task| parents_of(task, &index)).collect::<Result<Vec<_>, _>>()?;
        let plain: Vec<Vec<usize>> = parents
            .iter()
            .map(|edges: &Vec<(usize, Condition)>| edges.iter().map(|(parent, _)| *parent).collect())
            .collect();
        match order(&plain) {
            Ok(order) => Ok(Self { children: children(&plain), ids, index, parents, order }),
            Err(members) => {
                let members = members.into_iter().map(|member| ids[member].clone()).collect();
                Err(GraphError::Cycle { members })
            }
        }
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The position of a task.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The task at a position.
    #[must_use]
    pub fn id(&self, position: usize) -> Option<&TaskId> {
        self.ids.get(position)
    }

    /// The parents of the task at a position, with what it asks of them.
    #[must_use]
    pub fn parents(&self, position: usize) -> &[(usize, Condition)] {
        self.parents.get(position).map_or(&[], Vec::as_slice)
    }

    /// The tasks that depend on the one at a position.
    #[must_use]
    pub fn children(&self, position: usize) -> &[usize] {
        self.children.get(position).map_or(&[], Vec::as_slice)
    }

    /// All tasks, parents before children; where that leaves a choice, in the order of the pipeline by levels.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Some tasks and all that they depend on, directly or not, by position.
    #[must_use]
    pub fn with_ancestors(&self, of: &[usize]) -> Vec<bool> {
        reach(self.len(), of, |task| self.parents(task).iter().map(|(parent, _)| *parent))
    }

    /// Some tasks and all that depend on them, directly or not, by position.
    #[must_use]
    pub fn with_descendants(&self, of: &[usize]) -> Vec<bool> {
        reach(self.len(), of, |task| self.children(task).iter().copied())
    }
}

fn parents_of(task: &Task, index: &BTreeMap<TaskId, usize>) -> Result<Vec<(usize, Condition)>, GraphError> {
    let edge = |(parent, condition): (&TaskId, &Condition)| {
        let position = index.get(parent).copied();
        let missing = || GraphError::Missing { task: task.id.clone(), parent: parent.clone() };
        Ok((position.ok_or_else(missing)?, *condition))
    };
    task.depends_on.iter().map(edge).collect()
}

fn reach<I: Iterator<Item = usize>>(count: usize, from: &[usize], next: impl Fn(usize) -> I) -> Vec<bool> {
    let mut reached = vec![false; count];
    let mut open: Vec<usize> = from.iter().copied().filter(|task| *task < count).collect();
    while let Some(task) = open.pop() {
        if !std::mem::replace(&mut reached[task], true) {
            open.extend(next(task).filter(|task| !reached[*task]));
        }
    }
    reached
}

/// The reverse of parents. Parents that are no positions are left out.
fn children(parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); parents.len()];
    for (task, parents) in parents.iter().enumerate() {
        for parent in parents {
            if let Some(children) = children.get_mut(*parent) {
                children.push(task);
            }
        }
    }
    children
}

/// An order in which parents come before children, or the members of a cycle.
pub fn order(parents: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let children = children(parents);
    let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut ready: VecDeque<usize> = (0..parents.len()).filter(|task| waiting[*task] == 0).collect();
    let mut order = Vec::with_capacity(parents.len());
    while let Some(task) = ready.pop_front() {
        order.push(task);
        for child in &children[task] {
            waiting[*child] -= 1;
            if waiting[*child] == 0 {
                ready.push_back(*child);
            }
        }
    }
    if order.len() == parents.len() {
        return Ok(order);
    }
    Err(cycles(parents).into_iter().next().unwrap_or_default())
}

/// What is known of a task while cycles are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the path that is being followed, at this place of it.
    On(usize),
    Done,
}

/// Cycles, none sharing a task with another: each member depends on the next and the last on the first. Empty exactly
/// if there is no cycle.
#[must_use]
pub fn cycles(parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut marks = vec![Mark::New; parents.len()];
    let mut taken = vec![false; parents.len()];
    let mut cycles = Vec::new();
    for start in 0..parents.len() {
        // the path, with the number of parents of each member that were followed
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::On(0);
            path.push((start, 0));
        }
        while let Some((task, followed)) = path.last_mut() {
            let task = *task;
            let next = parents[task].get(*followed).copied();
            *followed += 1;
            match next.map(|parent| (parent, marks.get(parent))) {
                None => {
                    marks[task] = Mark::Done;
                    path.pop();
                }
                Some((parent, Some(Mark::New))) => {
                    marks[parent] = Mark::On(path.len());
                    path.push((parent, 0));
                }
                Some((_, Some(Mark::On(place)))) => note_cycle(&path[*place..], &mut taken, &mut cycles),
                Some(_) => {}
            }
        }
    }
    cycles
}

fn note_cycle(path: &[(usize, usize)], taken: &mut [bool], cycles: &mut Vec<Vec<usize>>) {
    // the ends are looked at first, so that overlapping cycles cost little
    let ends = path.first().into_iter().chain(path.last());
    if ends.chain(path).any(|(task, _)| taken[*task]) {
        return;
    }
    let members: Vec<usize> = path.iter().map(|(task, _)| *task).collect();
    for member in &members {
        taken[*member] = true;
    }
    cycles.push(members);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first() {
        assert_eq!(order(&[vec![1], vec![2], vec![]]), Ok(vec![2, 1, 0]));
    }

    #[test]
    fn a_cycle_is_named_with_all_members() {
        assert_eq!(order(&[vec![], vec![0, 2], vec![3], vec![1]]), Err(vec![1, 2, 3]));
    }

    #[test]
    fn separate_cycles_are_all_found() {
        assert_eq!(
            cycles(&[vec![1], vec![0], vec![3], vec![2], vec![4]]),
            vec![vec![0, 1], vec![2, 3], vec![4]]
        );
    }

    #[test]
    fn a_long_chain_does_not_recurse() {
        let chain: Vec<Vec<usize>> =
            (0..10_000_usize).map(|n| n.checked_sub(1).into_iter().collect()).collect();
        assert_eq!(order(&chain).map(|order| order.len()), Ok(10_000));
        let mut ring = chain;
        ring[0].push(9_999);
        assert_eq!(order(&ring).map_err(|members| members.len()), Err(10_000));
    }

    #[test]
    fn descendants_and_ancestors_are_reached_through_others() {
        let task = |name: &str, parents: &[&str]| Task {
            depends_on: parents.iter().map(|p| (TaskId::new(*p).unwrap(), Condition::Any)).collect(),
            ..Task::new(TaskId::new(name).unwrap(), gofer_types::pipeline::Action::Image)
        };
        let graph =
            Graph::new(&[task("a", &[]), task("b", &["a"]), task("c", &["b"]), task("d", &[])]).unwrap();
        assert_eq!(graph.with_ancestors(&[1]), [true, true, false, false]);
        assert_eq!(graph.with_descendants(&[1]), [false, true, true, false]);
        assert_eq!(graph.children(0), [1]);
        assert_eq!(graph.parents(2), [(1, Condition::Any)]);
        let missing = Graph::new(&[task("a", &["x"])]).unwrap_err();
        assert_eq!(missing.to_string(), "task `a` depends on `x`, which does not exist");
    }
}
