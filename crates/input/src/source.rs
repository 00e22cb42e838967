//! Pipeline files on disk: which one a path means, and reading it with all its problems.

use std::path::{Path, PathBuf};

use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_pipeline::{Limits, Severity, Source, Spans, Supported, parse, render, unsupported};
use gofer_types::Pipeline;
use gofer_views::{Problem, human};

/// What a directory stands for, the first that is there.
const NAMES: [&str; 2] = ["pipeline.hcl", "pipeline.json"];

/// The code of a part that cannot be run yet.
const UNSUPPORTED: &str = "E0431";

/// A file that was read.
#[derive(Debug)]
pub struct File {
    /// Its text.
    pub source: Source,
    /// The pipeline, if it is one.
    pub pipeline: Option<Pipeline>,
    /// Its problems, rendered.
    pub rendered: Vec<String>,
    /// Its problems, for programs.
    pub problems: Vec<Problem>,
    /// Where its parts stand.
    spans: Spans,
}

/// The file that a path means: itself, or the pipeline of a directory.
pub fn locate(path: &Path) -> Result<PathBuf, Failure> {
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

/// Reads a file that this program checks, valid or not.
pub fn read(path: &Path) -> Result<File, Failure> {
    read_within(path, &Limits::default())
}

/// Reads a file that a server checks by the limits of its operator, valid or not.
pub fn read_for_server(path: &Path) -> Result<File, Failure> {
    read_within(path, &Limits::of_any_server())
}

fn read_within(path: &Path, limits: &Limits) -> Result<File, Failure> {
    let path = locate(path)?;
    let bytes = read_bounded(&path, limits.file_bytes)?;
    let name = path.display().to_string();
    let source = match Source::from_bytes(name.trim_start_matches("./"), &bytes, limits) {
        Ok(source) => source,
        Err(problem) => {
            let source = Source::new(name, "");
            let (rendered, problems) = (vec![render(&problem, &source)], vec![view(&problem)]);
            return Ok(File { source, pipeline: None, rendered, problems, spans: Spans::default() });
        }
    };
    let parsed = parse(&source, limits);
    let mut rendered: Vec<String> = parsed.problems.iter().map(|problem| render(problem, &source)).collect();
    if parsed.omitted > 0 {
        rendered.push(format!("and {} more problems\n", parsed.omitted));
    }
    let problems = parsed.problems.iter().map(view).collect();
    Ok(File { source, pipeline: parsed.pipeline, rendered, problems, spans: parsed.spans })
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
    /// The same, where each part that cannot be run with these abilities is a problem.
    #[must_use]
    pub fn runnable(mut self, supported: &Supported) -> Self {
        let parts = self.pipeline.as_ref().map(|pipeline| unsupported(pipeline, supported));
        for part in parts.unwrap_or_default() {
            let problem = part.diagnostic(Severity::Error, &self.spans, &self.source);
            self.rendered.push(render(&problem, &self.source));
            self.problems.push(view(&problem));
            self.pipeline = None;
        }
        self
    }

    /// The pipeline, or everything that is wrong.
    pub fn valid(self) -> Result<Valid, Failure> {
        let Self { source, pipeline, rendered, problems, .. } = self;
        match pipeline {
            Some(pipeline) => Ok(Valid { source, pipeline, warnings: rendered }),
            None => Err(invalid(source.name(), rendered, &errors(&problems))),
        }
    }
}

/// A file that is a pipeline.
#[derive(Debug)]
pub struct Valid {
    /// Its text.
    pub source: Source,
    /// The pipeline.
    pub pipeline: Pipeline,
    /// What is to be noticed.
    pub warnings: Vec<String>,
}

fn errors(problems: &[Problem]) -> Vec<&str> {
    problems
        .iter()
        .filter(|problem| problem.severity == "error")
        .map(|problem| problem.code.as_str())
        .collect()
}

/// A file that is refused, with its problems rendered and the codes of those that are errors.
pub fn invalid(name: &str, rendered: Vec<String>, errors: &[&str]) -> Failure {
    let code = errors.first().copied().unwrap_or("E0401");
    let count = human::count(errors.len(), "error");
    let verdict = if errors.iter().all(|code| *code == UNSUPPORTED) {
        "is valid, but cannot be run yet"
    } else {
        "is not a valid pipeline"
    };
    let mut failure = Failure::new(code, Exit::Invalid, format!("{name} {verdict}: {count}"));
    failure.problems = rendered;
    failure
}

/// What a pipeline consists of, in a few words.
pub fn describe(pipeline: &Pipeline) -> String {
    let parts = [
        (pipeline.tasks.len(), "task"),
        (pipeline.triggers.len(), "trigger"),
        (pipeline.notifiers.len(), "notifier"),
    ];
    let parts = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| human::count(n, noun));
    parts.collect::<Vec<_>>().join(", ")
}
