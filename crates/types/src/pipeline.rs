//! One pipeline configuration, validated: what `gofer-pipeline` makes of a file and what a version keeps.
//!
//! Values are what the author wrote. A text that refers to run variables is a [`Template`]; it is evaluated when a run
//! is planned, never stored evaluated.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::gate::{Approval, SubPipeline};
pub use crate::handed::{Artefact, Axis, LONGEST_MATRIX_VALUE, Output, matrix_value_problem};
use crate::names::{LabelKey, Namespace, PipelineId, SchedulerName, TaskId, VariableName};
use crate::size::ByteSize;
use crate::state::Condition;
use crate::time::Span;

/// A whole pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its id in its namespace.
    pub id: PipelineId,
    /// Its name for people; the id where the author gave none.
    pub name: String,
    /// Markdown; empty where the author gave none.
    pub description: String,
    /// The namespace that the file names, if it names one.
    pub namespace: Option<Namespace>,
    /// Labels, for filters.
    pub labels: BTreeMap<LabelKey, String>,
    /// How many of its runs may run at once; 0 means no limit of its own.
    pub parallelism: u32,
    /// What happens to a run when that many run already.
    pub queue: QueuePolicy,
    /// The time limit of a whole run.
    pub timeout: Option<Span>,
    /// Whether the output of its tasks is kept.
    pub logging: bool,
    /// Whether people may enter its containers.
    pub exec: bool,
    /// What a run may be given.
    pub variables: BTreeMap<VariableName, Variable>,
    /// The uses of triggers, in the order of the file.
    pub triggers: Vec<PluginUse>,
    /// The uses of notifiers, in the order of the file.
    pub notifiers: Vec<NotifierUse>,
    /// The tasks, in the order of the file: at least one, ids distinct, without a cycle, every parent present.
    pub tasks: Vec<Task>,
}

/// What happens to a new run when the pipeline's parallelism is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuePolicy {
    /// It waits its turn.
    #[default]
    Wait,
    /// The older run is cancelled.
    Replace,
    /// It is refused.
    Refuse,
}

/// The type of a run variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableType {
    /// Any text.
    #[default]
    String,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Bool,
}

/// What a run may be given under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The type that a given value must have.
    pub kind: VariableType,
    /// The value of a run that is given none; a variable without a default is required.
    pub default: Option<String>,
    /// The values that are accepted; empty means all of the type.
    pub allowed: Vec<String>,
    /// For people.
    pub description: String,
    /// Whether its value is shown to nobody once it is given.
    pub sensitive: bool,
}

/// A use of a trigger or a notifier: its kind, its label and its own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginUse {
    /// The kind of plug-in, such as `cron`.
    pub kind: String,
    /// The label within the pipeline.
    pub label: String,
    /// The plug-in's own settings, for its own validation.
    pub settings: BTreeMap<String, Value>,
    /// What the runs that it starts are given.
    pub variables: BTreeMap<VariableName, String>,
}

/// A use of a notifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifierUse {
    /// The kind, the label and the settings.
    pub plugin: PluginUse,
    /// The ends that it tells of, as the file names them.
    pub on: Vec<String>,
}

/// A plain value of a plug-in's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// The absence of a value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text; it may stand for a store's value.
    String(Text),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}

/// A text of the file: plain, with references to run facts, or standing for a store's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    /// Text without references.
    Plain(String),
    /// Text with references to run variables and facts.
    Template(Template),
    /// `secret{{ key }}` and its like: the whole value comes from a store when the attempt starts.
    Store(StoreRef),
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

/// A text that is put together from literal parts and references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The parts, in order.
    pub parts: Vec<TemplatePart>,
}

/// One part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplatePart {
    /// Text that stands for itself.
    Literal(String),
    /// A reference such as `var.rev`: the root (`var`, `matrix`, `run`, `pipeline`) and the name below it.
    Reference {
        /// What kind of fact is meant.
        root: ReferenceRoot,
        /// Its name.
        name: String,
    },
}

/// Where a reference looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceRoot {
    /// The variables of the run.
    Var,
    /// The values of the combination that the task stands for.
    Matrix,
    /// Facts of the run: `id`, `trigger`.
    Run,
    /// Facts of the pipeline: `id`, `name`, `namespace`, `version`.
    Pipeline,
}

/// A whole value that comes from a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRef {
    /// Which store.
    pub store: Store,
    /// The key there.
    pub key: String,
}

/// The stores that a value may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The pipeline's secrets.
    Secret,
    /// Secrets that an administrator shared with the namespace.
    Global,
    /// The pipeline's objects.
    Pipeline,
    /// The run's objects.
    Run,
}

/// A node of the graph: one container, or one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id in the pipeline.
    pub id: TaskId,
    /// The image; schedulers that run no containers ignore it and say so. Empty where the file names none.
    pub image: String,
    /// For people.
    pub description: String,
    /// What it runs.
    pub action: Action,
    /// Replaces the image's entry point; `None` keeps it.
    pub entrypoint: Option<Vec<Text>>,
    /// The directory that it starts in.
    pub workdir: Option<String>,
    /// The user that it runs as.
    pub user: Option<String>,
    /// Its environment.
    pub env_vars: BTreeMap<String, Text>,
    /// What it asks of its parents.
    pub depends_on: BTreeMap<TaskId, Condition>,
    /// The time limit of one attempt; the operator's default where the file names none.
    pub timeout: Option<Span>,
    /// When and how often it is tried again.
    pub retry: Option<Retry>,
    /// What it may use.
    pub resources: Resources,
    /// Who it is towards the registry of its image.
    pub registry_auth: Option<RegistryAuth>,
    /// Whether its image is fetched even if it is there.
    pub always_pull: bool,
    /// Whether its output is kept; the pipeline's word where the file says nothing.
    pub logging: Option<bool>,
    /// Whether the run may succeed although this task failed.
    pub allow_failure: bool,
    /// Whether it also runs when the run was cancelled or ran out of time.
    pub cleanup: bool,
    /// Whether it gets a token for its own run.
    pub inject_token: bool,
    /// The scheduler that runs it; the operator's default where the file names none.
    pub scheduler: Option<SchedulerName>,
    /// One task per combination of these values.
    pub matrix: BTreeMap<String, Axis>,
    /// A repository that is checked out before it starts.
    pub checkout: Option<Checkout>,
    /// Named artefacts of its parents, unpacked into its work directory.
    pub inputs: Vec<String>,
    /// Named artefacts that it leaves.
    pub outputs: BTreeMap<String, Output>,
}

impl Task {
    /// Whether its combinations are known only once its parents have ended.
    #[must_use]
    pub fn fans_out_late(&self) -> bool {
        self.matrix.values().any(|axis| axis.values().is_none())
    }

    /// A task with an id and an action, and everything else as a file that says no more would have it.
    #[must_use]
    pub fn new(id: TaskId, action: Action) -> Self {
        Self {
            id,
            action,
            image: String::new(),
            description: String::new(),
            entrypoint: None,
            workdir: None,
            user: None,
            env_vars: BTreeMap::new(),
            depends_on: BTreeMap::new(),
            timeout: None,
            retry: None,
            resources: Resources::default(),
            registry_auth: None,
            always_pull: false,
            logging: None,
            allow_failure: false,
            cleanup: false,
            inject_token: false,
            scheduler: None,
            matrix: BTreeMap::new(),
            checkout: None,
            inputs: Vec::new(),
            outputs: BTreeMap::new(),
        }
    }
}

/// What a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// What the image runs by itself.
    Image,
    /// An argument vector; no shell is involved.
    Command(Vec<Text>),
    /// A script that a shell runs.
    Script {
        /// The shell and its flags; the script is appended as the last argument.
        shell: Vec<String>,
        /// The script.
        script: Text,
    },
    /// Nothing: somebody decides whether the run goes on.
    Approval(Approval),
    /// A run of another pipeline, whose end is its own.
    Pipeline(SubPipeline),
}

impl Action {
    /// Whether a scheduler runs it, so that it takes a slot.
    #[must_use]
    pub const fn is_run_by_a_scheduler(&self) -> bool {
        !matches!(self, Self::Approval(_) | Self::Pipeline(_))
    }
}

/// The shell that runs a script where the file names none.
pub const DEFAULT_SHELL: [&str; 3] = ["sh", "-eu", "-c"];

/// When and how often a task run is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// How many attempts there may be in all.
    pub attempts: u32,
    /// The wait before the second attempt.
    pub backoff: Span,
    /// By what each later wait is longer.
    pub factor: f64,
    /// The longest wait.
    pub max_backoff: Span,
    /// The ends that are tried again, as the file names them.
    pub on: Vec<String>,
    /// The exit codes that are tried again; empty means all.
    pub exit_codes: Vec<i32>,
}

/// What a task may use. `None` is no limit of the task's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Processor time, in cores.
    pub cpu: Option<f64>,
    /// Memory.
    pub memory: Option<ByteSize>,
}

/// Who a task is towards the registry of its image.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryAuth {
    /// The user.
    pub user: Text,
    /// The password.
    pub pass: Text,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = &"<redacted>";
        let pass: &dyn fmt::Debug = if matches!(self.pass, Text::Store(_)) { &self.pass } else { hidden };
        f.debug_struct("RegistryAuth").field("user", &self.user).field("pass", pass).finish()
    }
}

/// A repository that is checked out before a task starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The address of the repository.
    pub url: Text,
    /// The branch, tag or commit.
    pub reference: Text,
    /// The paths to check out; empty means all.
    pub sparse: Vec<String>,
    /// How much history.
    pub depth: Option<u32>,
    /// The credentials.
    pub auth: Option<Text>,
}
