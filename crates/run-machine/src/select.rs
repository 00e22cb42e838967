//! Which tasks of a graph a run is for, and which results of an earlier run it takes over.

use gofer_types::{Condition, TaskId, TaskSet, TaskState};

use crate::plan::Plan;

/// The wish to run a part of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// These tasks.
    pub only: Vec<TaskId>,
    /// These tasks, and all that depend on them, directly or not.
    pub from: Vec<TaskId>,
    /// Whether what the chosen tasks need is chosen, too.
    pub with_parents: bool,
}

/// Why a part of a pipeline cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// There is no such task.
    #[error("there is no task `{task}`")]
    Unknown {
        /// The task that was named.
        task: TaskId,
    },
    /// A chosen task needs one that is not chosen.
    #[error("task `{task}` needs `{parent}`, which is not chosen")]
    NeedsParent {
        /// The chosen task.
        task: TaskId,
        /// The task that it needs.
        parent: TaskId,
    },
}

impl Selection {
    /// Whether the whole pipeline is meant.
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.from.is_empty()
    }
}

impl Plan {
    /// The tasks that are chosen; `None` for all of them. Refused if one of them needs one that is not among them.
    pub fn choose(&self, wish: &Selection) -> Result<Option<TaskSet>, SelectError> {
        if wish.is_all() {
            return Ok(None);
        }
        let only = self.groups_named(&wish.only)?;
        let from = self.groups_named(&wish.from)?;
        let mut chosen = self.reach(&from, |group| &self.groups[group].children);
        only.into_iter().for_each(|group| chosen[group as usize] = true);
        if wish.with_parents {
            let all: Vec<u32> =
                (0_u32..).zip(&chosen).filter(|(_, chosen)| **chosen).map(|(at, _)| at).collect();
            chosen = self.reach(&all, |group| &self.groups[group].parents);
        }
        self.check_parents(&chosen)?;
        let places = (0_u32..).zip(&self.tasks).filter(|(_, task)| chosen[task.group as usize]);
        Ok(Some(places.map(|(place, _)| place).collect()))
    }

    fn groups_named(&self, ids: &[TaskId]) -> Result<Vec<u32>, SelectError> {
        let find = |id: &TaskId| {
            let group = self.group_number(id);
            group.ok_or_else(|| SelectError::Unknown { task: id.clone() })
        };
        ids.iter().map(find).collect()
    }

    fn check_parents(&self, chosen: &[bool]) -> Result<(), SelectError> {
        for (group, _) in self.groups.iter().zip(chosen).filter(|(_, chosen)| **chosen) {
            if let Some((parent, _)) = group.parents.iter().find(|(parent, _)| !chosen[*parent as usize]) {
                let parent = self.groups[*parent as usize].id.clone();
                return Err(SelectError::NeedsParent { task: group.id.clone(), parent });
            }
        }
        Ok(())
    }

    /// Whether tasks are among those that the one at that place depends on, directly or not.
    pub fn ancestors(&self, place: u32) -> impl Fn(u32) -> bool + '_ {
        let own = self.task(place).group;
        let reached = self.reach(&[own], |group| &self.groups[group].parents);
        move |other| self.task(other).group != own && reached[self.task(other).group as usize]
    }

    /// The graph of a run that takes over the results of these tasks of another: what late matrices had become there stays
    /// where the reading is taken over, and is read anew elsewhere.
    #[must_use]
    pub fn kept(&self, reused: &TaskSet) -> Self {
        let mut plan = self.clone();
        plan.tasks.clear();
        plan.index.clear();
        let stays = |place: &u32| {
            let group = self.group_of(*place);
            !group.fanned.contains(place) || reused.contains(group.own.start)
        };
        for place in (0_u32..).take(self.count()).filter(stays) {
            let at = plan.places();
            plan.index.insert(self.task(place).id.clone(), at);
            plan.tasks.push(self.task(place).clone());
        }
        for group in &mut plan.groups {
            let first = self.tasks.get(group.fanned.start as usize).filter(|_| !group.fanned.is_empty());
            let from = first.and_then(|first| plan.index.get(&first.id).copied());
            let length = u32::try_from(group.fanned.len()).unwrap_or(u32::MAX);
            group.fanned = from.map_or(0..0, |from| from..from.saturating_add(length));
        }
        plan
    }

    /// The same tasks at their places in another graph, as far as they are there.
    #[must_use]
    pub fn places_in(&self, other: &Self, tasks: &TaskSet) -> TaskSet {
        let all = (0_u32..).take(self.count()).filter(|place| tasks.contains(*place));
        all.filter_map(|place| other.number(&self.task(place).id)).collect()
    }

    /// Some groups and all that can be reached from them.
    fn reach<'a>(&'a self, from: &[u32], next: impl Fn(usize) -> &'a [(u32, Condition)]) -> Vec<bool> {
        let mut reached = vec![false; self.groups.len()];
        let mut open = from.to_vec();
        while let Some(group) = open.pop() {
            if !std::mem::replace(&mut reached[group as usize], true) {
                open.extend(next(group as usize).iter().map(|(group, _)| *group));
            }
        }
        reached
    }

    /// The tasks that a retry need not execute again: they succeeded, and so did, or were skipped, all that they depend on. None
    /// of `again`, and nothing that depends on one of them.
    pub fn reusable(
        &self,
        again: &[TaskId],
        state: impl Fn(u32) -> TaskState,
    ) -> Result<TaskSet, SelectError> {
        let again = self.groups_named(again)?;
        let mut settled = vec![false; self.groups.len()];
        let mut reused = TaskSet::default();
        for at in self.order() {
            let group = &self.groups[at as usize];
            let fresh =
                again.contains(&at) || group.parents.iter().any(|(parent, _)| !settled[*parent as usize]);
            if fresh {
                continue;
            }
            group
                .places()
                .filter(|task| state(*task) == TaskState::Succeeded)
                .for_each(|task| reused.insert(task));
            let is_settled = |task| matches!(state(task), TaskState::Succeeded | TaskState::Skipped);
            settled[at as usize] = group.places().all(is_settled);
        }
        Ok(reused)
    }
}
