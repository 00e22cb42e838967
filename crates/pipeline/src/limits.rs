//! How large a pipeline may be. Every bound is the operator's to change.

use gofer_syntax::ReadLimits;
use gofer_types::Span;

/// The bounds that a file is held to, before and while it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The size of one file in bytes.
    pub file_bytes: usize,
    /// How many words, texts and signs the file may consist of; it bounds the time and the memory of the parser.
    pub elements: usize,
    /// How deep blocks, lists and maps may be nested; the HCL parser itself allows no more than 64.
    pub depth: usize,
    /// How many problems are told at once.
    pub problems: usize,
    /// How many tasks a pipeline may have.
    pub tasks: usize,
    /// How many dependencies its tasks may have in all.
    pub edges: usize,
    /// How many tasks there may be with all combinations of their matrices.
    pub run_tasks: usize,
    /// How many combinations the matrix of one task may have.
    pub matrix_combinations: usize,
    /// How many entries the environment of one task may have.
    pub env_vars: usize,
    /// How many bytes the environment of one task may have.
    pub env_bytes: usize,
    /// The longest id of a pipeline, up to 70.
    pub pipeline_id_length: usize,
    /// The longest name of a pipeline.
    pub name_length: usize,
    /// The longest id of a task or label of a plug-in's use, up to 80.
    pub task_id_length: usize,
    /// The longest description.
    pub description_length: usize,
    /// How often one task may be tried.
    pub retry_attempts: u32,
    /// The shortest time limit of a task.
    pub timeout_min: Span,
    /// The longest time limit of a task. The limit of a run is capped where it runs, not here.
    pub timeout_max: Span,
}

impl Default for Limits {
    fn default() -> Self {
        let form = ReadLimits::default();
        Self {
            file_bytes: form.file_bytes,
            elements: form.elements,
            depth: form.depth,
            problems: form.problems,
            tasks: 1_000,
            edges: 10_000,
            run_tasks: 10_000,
            matrix_combinations: 256,
            env_vars: 1_000,
            env_bytes: 256 << 10,
            pipeline_id_length: 70,
            name_length: 70,
            task_id_length: 80,
            description_length: 3_000,
            retry_attempts: 100,
            timeout_min: Span::from_secs(5 * 60),
            timeout_max: Span::from_secs(8 * 3600),
        }
    }
}

impl Limits {
    /// Bounds for a file that a server checks by its own: what an operator may widen is not held against it here.
    #[must_use]
    pub fn of_any_server() -> Self {
        Self {
            tasks: usize::MAX,
            run_tasks: usize::MAX,
            matrix_combinations: usize::MAX,
            timeout_min: Span::from_millis(0),
            timeout_max: Span::from_secs(u64::MAX),
            ..Self::default()
        }
    }
}

impl From<&Limits> for ReadLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            file_bytes: limits.file_bytes,
            elements: limits.elements,
            depth: limits.depth,
            problems: limits.problems,
        }
    }
}
