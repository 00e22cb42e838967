//! Graphs as the tests make them: tasks of a pipeline file in a plain form, and the shapes that they are put into.

use std::collections::BTreeMap;

use gofer_types::pipeline::{Action, Axis, QueuePolicy, Retry};
use gofer_types::{Condition, Pipeline, PipelineId, Span, Task, TaskId, TaskState};
use proptest::prelude::*;

/// A task of the pipeline file, as the models know it.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelTask {
    pub(super) parents: Vec<(usize, Condition)>,
    pub(super) allow_failure: bool,
    pub(super) cleanup: bool,
    /// How many tasks it stands for.
    pub(super) instances: usize,
    /// How many tasks it becomes once its values are read, if they are read late.
    pub(super) becomes: Option<usize>,
    /// How many attempts there may be.
    pub(super) attempts: u32,
    /// The ends that are tried again.
    pub(super) on: Vec<TaskState>,
    /// Whether of the failures only the one of a busy resource is tried again.
    pub(super) only_busy: bool,
    /// The seconds of the first wait, by what each later one is longer, and the seconds of the longest.
    pub(super) backoff: (u64, u32, u64),
    /// The seconds of its time limit, if it has one of its own.
    pub(super) timeout: Option<u64>,
}

/// What a run was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The places that it is for; empty means all.
    pub(super) chosen: Vec<usize>,
    /// The places whose results it takes over.
    pub(super) reused: Vec<usize>,
}

/// Which places there are, and of which task each is one.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) tasks: Vec<ModelTask>,
    /// The task of the file that each place belongs to.
    pub(super) of: Vec<usize>,
    /// The place that read the values that each place is one of, if they were read late.
    pub(super) read_by: Vec<Option<usize>>,
    /// The places of each task of the file.
    pub(super) places_of: Vec<Vec<usize>>,
    /// Whether each place has become others.
    pub(super) became: Vec<bool>,
}

/// The seconds of the time limit of tasks that have none.
pub(super) const TIMEOUT: u64 = 60;
/// The exit code of a busy resource.
pub(super) const BUSY: i32 = 75;

impl ModelTask {
    /// The seconds of the wait behind an attempt.
    pub(super) fn wait(&self, attempt: u32) -> u64 {
        let (mut wait, factor, longest) = self.backoff;
        for _ in 1..attempt {
            wait = (wait * u64::from(factor)).min(longest);
        }
        wait.min(longest)
    }
}

impl Wanted {
    pub(super) fn leaves_out(&self, place: usize) -> bool {
        !self.chosen.is_empty() && !self.chosen.contains(&place)
    }
}

impl Layout {
    pub(super) fn new(tasks: &[ModelTask]) -> Self {
        let (of, read_by, became) = (Vec::new(), Vec::new(), Vec::new());
        let places_of = vec![Vec::new(); tasks.len()];
        let mut layout = Self { tasks: tasks.to_vec(), of, read_by, places_of, became };
        for (number, task) in tasks.iter().enumerate() {
            (0..task.instances).for_each(|_| layout.add(number, None));
        }
        layout
    }

    fn add(&mut self, task: usize, read_by: Option<usize>) {
        self.places_of[task].push(self.of.len());
        self.of.push(task);
        self.read_by.push(read_by);
        self.became.push(false);
    }

    pub(super) fn task(&self, place: usize) -> &ModelTask {
        &self.tasks[self.of[place]]
    }

    /// The place becomes that many more.
    pub(super) fn fan_out(&mut self, place: usize) -> usize {
        let more = self.task(place).becomes.unwrap_or(0);
        self.became[place] = more > 0;
        (0..more).for_each(|_| self.add(self.of[place], Some(place)));
        more
    }

    /// Whether the place reads values late, and is none of what they become.
    pub(super) fn reads_values(&self, place: usize) -> bool {
        self.task(place).becomes.is_some() && self.read_by[place].is_none()
    }
}

pub(super) fn task_id(number: usize) -> TaskId {
    TaskId::new(format!("t{number}")).unwrap()
}

pub(super) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|value| value.to_string()).collect()
}

/// The pipeline file that the tasks stand in.
pub(super) fn pipeline(tasks: &[ModelTask]) -> Pipeline {
    Pipeline {
        id: PipelineId::new("p").unwrap(),
        name: "p".to_owned(),
        description: String::new(),
        namespace: None,
        labels: BTreeMap::new(),
        parallelism: 0,
        queue: QueuePolicy::Wait,
        timeout: None,
        logging: true,
        exec: false,
        variables: BTreeMap::new(),
        triggers: Vec::new(),
        notifiers: Vec::new(),
        tasks: tasks.iter().enumerate().map(|(number, task)| in_file(number, task)).collect(),
    }
}

fn in_file(number: usize, model: &ModelTask) -> Task {
    let mut task = Task::new(task_id(number), Action::Image);
    task.allow_failure = model.allow_failure;
    task.cleanup = model.cleanup;
    task.timeout = model.timeout.map(Span::from_secs);
    task.depends_on =
        model.parents.iter().map(|(parent, condition)| (task_id(*parent), *condition)).collect();
    if model.becomes.is_some() {
        task.matrix = BTreeMap::from([("n".to_owned(), Axis::Object("list".to_owned()))]);
    } else if model.instances > 1 {
        task.matrix = BTreeMap::from([("n".to_owned(), numbers(model.instances).into())]);
    }
    task.retry = (model.attempts > 1).then(|| Retry {
        attempts: model.attempts,
        backoff: Span::from_secs(model.backoff.0),
        factor: f64::from(model.backoff.1),
        max_backoff: Span::from_secs(model.backoff.2),
        on: model.on.iter().map(ToString::to_string).collect(),
        exit_codes: if model.only_busy { vec![BUSY] } else { Vec::new() },
    });
    task
}

/// How the edges of a graph lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every edge is drawn.
    Drawn,
    Chain,
    /// One, two behind it, one behind both, and so on.
    Diamonds,
    FanOut,
    FanIn,
    /// Layers of tasks, each task behind some of the layer before.
    Layers,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        6 => Just(Shape::Drawn),
        1 => Just(Shape::Chain),
        1 => Just(Shape::Diamonds),
        1 => Just(Shape::FanOut),
        1 => Just(Shape::FanIn),
        1 => Just(Shape::Layers),
    ]
}

impl Shape {
    /// The parents of a task of a graph of that many; the seed is the task's own.
    pub(super) fn parents(self, task: usize, count: usize, seed: u64) -> Vec<usize> {
        let before = |back: usize| task.checked_sub(back);
        match self {
            Self::Drawn => {
                let density = seed % 4;
                // the newest may be parents, so that large graphs do not become dense
                (task.saturating_sub(12)..task)
                    .filter(|parent| (seed >> (2 + (parent % 12) * 3)) % 5 < density)
                    .collect()
            }
            Self::Chain => before(1).into_iter().collect(),
            Self::Diamonds => match task % 3 {
                0 => before(1).into_iter().chain(before(2)).collect(),
                by => before(by).into_iter().collect(),
            },
            Self::FanOut => (task > 0).then_some(0).into_iter().collect(),
            Self::FanIn => {
                if task + 1 == count {
                    (0..task).collect()
                } else {
                    Vec::new()
                }
            }
            Self::Layers => {
                let width = 8;
                let from = (task / width).checked_sub(1).map(|layer| layer * width);
                from.map_or_else(Vec::new, |from| {
                    (from..from + width).filter(|parent| seed >> (parent % width * 4) & 3 == 0).collect()
                })
            }
        }
    }
}

/// What a task is made of, but for its number and the shape: everything that is drawn, as bits.
fn made(seed: (u64, u64), parents: Vec<usize>, (calm, grows): (bool, bool)) -> ModelTask {
    let (edges, rest) = seed;
    let bits = |at: u32, of: u64| (rest >> at) % of;
    let condition = |parent: usize| match (edges >> (parent % 16 * 4)) % if calm { 64 } else { 10 } {
        0 => Condition::Failure,
        1 => Condition::Any,
        2 | 3 => Condition::Always,
        _ => Condition::Successful,
    };
    let ends = [TaskState::Failed, TaskState::Errored, TaskState::Lost, TaskState::TimedOut];
    let becomes = (grows && bits(16, 4) == 0).then(|| usize::try_from(bits(18, 4)).unwrap());
    let many = if grows { usize::try_from(bits(20, 8)).unwrap().saturating_sub(4).max(1) } else { 1 };
    ModelTask {
        parents: parents.into_iter().map(|parent| (parent, condition(parent))).collect(),
        allow_failure: bits(0, 8) == 0,
        cleanup: bits(3, 5) == 0,
        instances: if becomes.is_some() { 1 } else { many },
        becomes,
        attempts: u32::try_from(bits(6, 6)).unwrap().saturating_sub(2).max(1),
        on: (0..4).filter(|bit| bits(10, 16) & (1 << bit) != 0).map(|bit| ends[bit]).collect(),
        only_busy: bits(14, 4) == 0,
        backoff: (bits(24, 5), u32::try_from(1 + bits(27, 3)).unwrap(), 1 + bits(30, 12)),
        timeout: (bits(34, 2) == 0).then(|| 1 + bits(35, 100)),
    }
}

/// A small graph of any shape; each of its tasks shrinks away by itself.
pub(super) fn small_graph() -> impl Strategy<Value = Vec<ModelTask>> {
    let tasks = proptest::collection::vec(any::<(u64, u64)>(), 1..16);
    (shape(), tasks).prop_map(|(shape, seeds)| {
        let one = |(task, seed): (usize, &(u64, u64))| {
            made(*seed, shape.parents(task, seeds.len(), seed.0.rotate_left(17)), (false, true))
        };
        seeds.iter().enumerate().map(one).collect()
    })
}

/// A graph of that many tasks. In a calm one most of what is drawn succeeds, so that it is gone through to its end.
pub(super) fn large_graph(shape: Shape, count: usize, seed: u64, calm: bool) -> Vec<ModelTask> {
    let mut random = Random(seed);
    let one = |task: usize| {
        let seed = (random.next(), random.next());
        made(seed, shape.parents(task, count, seed.0.rotate_left(17)), (calm, false))
    };
    (0..count).map(one).collect()
}

/// A chain of tasks, each of which needs the success of the one before.
pub(super) fn chain(length: usize) -> Vec<ModelTask> {
    let parents = |number: usize| {
        number.checked_sub(1).map(|parent| (parent, Condition::Successful)).into_iter().collect()
    };
    (0..length)
        .map(|n| ModelTask { parents: parents(n), instances: 1, attempts: 1, ..ModelTask::default() })
        .collect()
}

/// Numbers from a seed: always the same ones.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}
