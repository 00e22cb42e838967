//! Which objects of its run a task takes and leaves.

use gofer_types::pipeline::{Artefact, Output};
use gofer_types::{TaskId, TaskState};

use crate::digest::Digest;
use crate::version::Version;

/// Below which the archives of tasks are kept.
const FOLDER: &str = "artefacts";

/// The longest segment of a key.
const SEGMENT: usize = 128;

impl Version {
    /// What the task at that place is given by its parents, of which those count that have succeeded. The text says what is
    /// missing.
    pub fn inputs(&self, place: u32, state: impl Fn(u32) -> TaskState) -> Result<Vec<Artefact>, String> {
        let Some(task) = self.task(place).filter(|_| !self.reads_values(place)) else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for name in &task.inputs {
            let before = all.len();
            for (parent, _) in &self.plan.group_of(place).parents {
                let leaves = self.record.config.tasks.get(*parent as usize);
                let Some(output) = leaves.and_then(|parent| parent.outputs.get(name)) else { continue };
                let group = &self.plan.groups[*parent as usize];
                let left = group.answering().filter(|place| state(*place) == TaskState::Succeeded);
                all.extend(left.map(|place| artefact(&self.plan.task(place).id, name, output)));
            }
            if all.len() == before {
                return Err(format!("nobody has left its input `{name}`: no task that leaves it succeeded"));
            }
        }
        Ok(all)
    }

    /// What the task at that place leaves if it succeeds.
    #[must_use]
    pub fn outputs(&self, place: u32) -> Vec<Artefact> {
        let id = &self.plan.task(place).id;
        let task = self.task(place).filter(|_| !self.reads_values(place));
        let outputs = task.into_iter().flat_map(|task| &task.outputs);
        outputs.map(|(name, output)| artefact(id, name, output)).collect()
    }
}

/// An artefact of a task. A file that is left as it is has its name as its key; archives are kept apart for each task.
fn artefact(task: &TaskId, name: &str, output: &Output) -> Artefact {
    let key = match output {
        Output::File(_) => name.to_owned(),
        Output::Archive(_) => format!("{FOLDER}/{}/{name}", segment(task)),
    };
    Artefact { name: name.to_owned(), key, output: output.clone() }
}

/// The id of a task as a part of a key: a long one by its digest, with a sign before it that no id begins with.
fn segment(task: &TaskId) -> String {
    if task.as_str().len() <= SEGMENT {
        return task.to_string();
    }
    let mut digest = Digest::new();
    digest.text(task.as_str());
    format!("~{}", digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_has_a_key_of_its_own_however_long_its_values_are() {
        let build = TaskId::new("build").unwrap();
        let archive = Output::Archive(vec!["dist".to_owned()]);
        let key = |task: &TaskId| artefact(task, "dist", &archive).key;
        assert_eq!(key(&build), "artefacts/build/dist");
        assert_eq!(key(&build.instance(["a b", "1"]).unwrap()), "artefacts/build[a%20b,1]/dist");
        let (long, other) = ("x".repeat(200), "x".repeat(199));
        let (long, other) =
            (build.instance([long.as_str()]).unwrap(), build.instance([other.as_str()]).unwrap());
        assert!(key(&long).starts_with("artefacts/~") && key(&long).len() < 100);
        assert_ne!(key(&long), key(&other));
        assert_eq!(artefact(&build, "list", &Output::File("a/b".to_owned())).key, "list");
    }
}
