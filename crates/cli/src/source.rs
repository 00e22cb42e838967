//! Pipeline files on disk: which one a path means, and reading it with all its problems.

use std::path::{Path, PathBuf};

use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_pipeline::{Limits, Severity, Source, parse, render};
use gofer_types::Pipeline;

use crate::views::Problem;

/// What a directory stands for, the first that is there.
const NAMES: [&str; 2] = ["pipeline.hcl", "pipeline.json"];

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// Its text.
    pub(crate) source: Source,
    /// The pipeline, if it is one.
    pub(crate) pipeline: Option<Pipeline>,
    /// Its problems, rendered.
    pub(crate) rendered: Vec<String>,
    /// Its problems, for programs.
    pub(crate) problems: Vec<Problem>,
}

/// The file that a path means: itself, or the pipeline of a directory.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, Failure> {
    let meta = std::fs::metadata(path).map_err(|cause| Failure::file("read", path, &cause))?;
    if !meta.is_dir() {
        return Ok(path.to_owned());
    }
    let found = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        Failure::new(
            "E0006",
            Exit::NotFound,
            format!("there is no pipeline.hcl or pipeline.json in {}", path.display()),
        )
        .hint("name the file, or write one with `gofer init`")
        .next("gofer init")
    })
}

/// Reads a file, valid or not.
pub(crate) fn read(path: &Path) -> Result<File, Failure> {
    let path = locate(path)?;
    let limits = Limits::default();
    let bytes = read_bounded(&path, limits.file_bytes)?;
    let name = path.display().to_string();
    let source = match Source::from_bytes(name.trim_start_matches("./"), &bytes, &limits) {
        Ok(source) => source,
        Err(problem) => {
            let source = Source::new(name, "");
            let rendered = vec![render(&problem, &source)];
            return Ok(File { source, pipeline: None, rendered, problems: vec![view(&problem)] });
        }
    };
    let parsed = parse(&source, &limits);
    let mut rendered: Vec<String> = parsed.problems.iter().map(|problem| render(problem, &source)).collect();
    if parsed.omitted > 0 {
        rendered.push(format!("and {} more problems\n", parsed.omitted));
    }
    let problems = parsed.problems.iter().map(view).collect();
    Ok(File { source, pipeline: parsed.pipeline, rendered, problems })
}

/// One byte more than allowed is enough to be refused for its size.
fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let fail = |cause: std::io::Error| Failure::file("read", path, &cause);
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(fail)?.take(most).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

fn view(problem: &gofer_pipeline::Diagnostic) -> Problem {
    let number = |n: usize| u32::try_from(n).ok();
    Problem {
        code: problem.code.to_string(),
        severity: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: problem.message.clone(),
        file: problem.file.clone(),
        help: problem.help.clone(),
        line: problem.span.and_then(|span| number(span.line)),
        column: problem.span.and_then(|span| number(span.column)),
        label: (!problem.label.is_empty()).then(|| problem.label.clone()),
    }
}

impl File {
    /// The pipeline, or everything that is wrong.
    pub(crate) fn valid(self) -> Result<Valid, Failure> {
        let Self { source, pipeline, rendered, problems } = self;
        match pipeline {
            Some(pipeline) => Ok(Valid { source, pipeline, warnings: rendered }),
            None => Err(invalid(source.name(), rendered, &problems)),
        }
    }
}

/// A file that is a pipeline.
#[derive(Debug)]
pub(crate) struct Valid {
    /// Its text.
    pub(crate) source: Source,
    /// The pipeline.
    pub(crate) pipeline: Pipeline,
    /// What is to be noticed.
    pub(crate) warnings: Vec<String>,
}

fn invalid(name: &str, rendered: Vec<String>, problems: &[Problem]) -> Failure {
    let errors = problems.iter().filter(|problem| problem.severity == "error");
    let code = errors.clone().next().map_or("E0401", |problem| problem.code.as_str());
    let count = errors.count();
    let noun = if count == 1 { "error" } else { "errors" };
    let mut failure =
        Failure::new(code, Exit::Invalid, format!("{name} is not a valid pipeline: {count} {noun}"));
    failure.problems = rendered;
    failure
}

/// How many there are of something.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// What a pipeline consists of, in a few words.
pub(crate) fn describe(pipeline: &Pipeline) -> String {
    let parts = [
        (pipeline.tasks.len(), "task"),
        (pipeline.triggers.len(), "trigger"),
        (pipeline.notifiers.len(), "notifier"),
    ];
    let parts = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| count(n, noun));
    parts.collect::<Vec<_>>().join(", ")
}
