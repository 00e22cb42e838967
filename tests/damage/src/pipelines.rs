//! The pipelines whose ends and lines the suite knows by itself.

use std::fmt::Write;

use gofer_proto::v1::RunState;
use gofer_tests_e2e::witness::say;

/// How a task ends that is held: when the file is there it goes on, else it stays until its host goes down.
const HELD: &str = "[ -e \"$gate\" ] || sleep 600";

/// A task: its name, how many lines it prints, how long each is at least, and its exit code.
#[derive(Debug)]
pub struct TaskPlan {
    /// Its name.
    pub id: &'static str,
    /// How many lines it prints.
    pub lines: u32,
    /// How many letters stand behind what is told in a line.
    pub letters: usize,
    /// Its exit code.
    pub code: i32,
    /// What it needs of the task before it.
    after: Option<&'static str>,
    /// Whether it stays until a file is there, after half of its lines.
    held: bool,
}

/// A pipeline.
#[derive(Debug)]
pub struct Kind {
    /// Its id.
    pub id: &'static str,
    /// Its tasks, in the order in which they run.
    pub tasks: &'static [TaskPlan],
    /// How a run of it ends that nothing disturbs.
    pub end: RunState,
}

const fn task(id: &'static str, lines: u32, letters: usize, code: i32) -> TaskPlan {
    TaskPlan { id, lines, letters, code, after: None, held: false }
}

/// Two tasks, one behind the other.
pub const GOOD: Kind = Kind {
    id: "good",
    tasks: &[task("first", 6, 0, 0), TaskPlan { after: Some("first"), ..task("second", 6, 20, 0) }],
    end: RunState::Succeeded,
};

/// A task that fails.
pub const BAD: Kind = Kind { id: "bad", tasks: &[task("breaks", 4, 10, 3)], end: RunState::Failed };

/// A task whose output takes several segments of 64 KiB.
pub const CHATTY: Kind =
    Kind { id: "chatty", tasks: &[task("talks", 500, 250, 0)], end: RunState::Succeeded };

/// A task that stays until a file is there.
pub const HOLD: Kind = Kind {
    id: "held",
    tasks: &[TaskPlan { held: true, ..task("stays", 8, 0, 0) }],
    end: RunState::Succeeded,
};

/// All of them.
pub const KINDS: [&Kind; 4] = [&GOOD, &BAD, &CHATTY, &HOLD];

impl Kind {
    /// The pipeline file. `parallelism` is how many of its runs may run at once; 0: as many as there are.
    #[must_use]
    pub fn file(&self, parallelism: u64) -> String {
        let mut text = format!(
            "id = \"{}\"\nparallelism = {parallelism}\nvariable \"witness\" {{\ntype = \"string\"\n}}\n\
             variable \"gate\" {{\ntype = \"string\"\n}}\n",
            self.id
        );
        for task in self.tasks {
            let after = task.after.map(|id| format!("depends_on = {{ {id} = \"successful\" }}\n"));
            write!(
                text,
                "task \"{}\" {{\n{}script = <<EOT\n{}\nEOT\n}}\n",
                task.id,
                after.unwrap_or_default(),
                self.script(task)
            )
            .expect("a string grows");
        }
        text
    }

    fn script(&self, task: &TaskPlan) -> String {
        let letters = "x".repeat(task.letters);
        let held =
            if task.held { format!("[ $i -ne {} ] || {HELD}", task.lines / 2) } else { ":".to_owned() };
        format!(
            "{}\ni=1\nwhile [ $i -le {} ]; do echo \"{}/$GOFER_RUN_ID/{} $i {letters}\"; {held}; i=$((i+1)); done\n{}\n\
             exit {}",
            say("start"),
            task.lines,
            self.id,
            task.id,
            say("end"),
            task.code
        )
    }

    /// Every line that this task of this run prints.
    #[must_use]
    pub fn lines(&self, number: u64, task: &TaskPlan) -> Vec<String> {
        let letters = "x".repeat(task.letters);
        (1..=task.lines).map(|line| format!("{}/{number}/{} {line} {letters}", self.id, task.id)).collect()
    }

    /// The task with this name.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&'static TaskPlan> {
        self.tasks.iter().find(|task| task.id == id)
    }
}
