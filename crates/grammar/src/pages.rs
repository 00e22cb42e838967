//! What `explain` knows: the pages of the error codes and of the states, inside the program.

use gofer_output::error::nearest;
use gofer_types::{RunState, TaskState};

// `PAGES`: each page of docs/errors with its code, in order.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The code or the state that it explains.
    pub topic: String,
    /// Its text, in Markdown.
    pub text: String,
}

/// The page of a code or of a state, however it was typed: `e0101`, `timed-out`.
#[must_use]
pub fn page(topic: &str) -> Option<Page> {
    let (code, word) = (as_code(topic), as_word(topic));
    let found = PAGES.iter().find(|(known, _)| *known == code);
    let page = found.map(|(code, text)| Page { topic: (*code).to_owned(), text: (*text).to_owned() });
    page.or_else(|| state(&word).map(|text| Page { topic: word, text }))
}

/// The topic that was probably meant where there is no page.
#[must_use]
pub fn near(topic: &str) -> Option<&'static str> {
    let codes = PAGES.iter().map(|(code, _)| *code);
    nearest(&as_code(topic), codes).or_else(|| nearest(&as_word(topic), words()))
}

/// Every code and state with what it says first, one a line.
#[must_use]
pub fn index() -> String {
    let mut text: String = PAGES
        .iter()
        .map(|(code, page)| {
            format!(
                "{code}  {}\n",
                page.lines()
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches("# ")
                    .trim_start_matches(code)
                    .trim_start_matches(": ")
            )
        })
        .collect();
    for word in words() {
        let first = state(word).unwrap_or_default();
        text.push_str(&format!("{word}  {}\n", first.lines().nth(2).unwrap_or_default()));
    }
    text
}

fn as_code(topic: &str) -> String {
    topic.to_ascii_uppercase()
}

fn as_word(topic: &str) -> String {
    topic.to_ascii_lowercase().replace('-', "_")
}

fn words() -> impl Iterator<Item = &'static str> {
    let runs = RunState::ALL.into_iter().map(RunState::as_str);
    let tasks = TaskState::ALL.into_iter().map(TaskState::as_str);
    runs.chain(tasks.filter(|word| word.parse::<RunState>().is_err()))
}

/// What a state means for runs and for tasks.
fn state(word: &str) -> Option<String> {
    let run = word.parse::<RunState>().ok().map(|state| format!("A run: {}", of_run(state)));
    let task = word.parse::<TaskState>().ok().map(|state| format!("A task: {}", of_task(state)));
    let meanings: Vec<String> = run.into_iter().chain(task).collect();
    (!meanings.is_empty()).then(|| format!("# {word}\n\n{}\n", meanings.join("\n")))
}

const fn of_run(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "it is safely recorded and waits for a limit; its cause names the limit.",
        RunState::Running => "its tasks may start.",
        RunState::Succeeded => "every task succeeded, was skipped, or was allowed to fail. Exit code 0.",
        RunState::Failed => "a task failed or ran out of its time, and was not allowed to. Exit code 10.",
        RunState::Errored => {
            "a task could not be started or was lost: the cause lies outside the tasks. Exit code 13."
        }
        RunState::Cancelled => "somebody ended it; who and why are kept. Exit code 11.",
        RunState::TimedOut => "its own time limit passed. Exit code 12.",
    }
}

const fn of_task(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "a task before it has not ended yet.",
        TaskState::Pending => "it may start; its cause says what it still waits for.",
        TaskState::Running => "the scheduler said that it runs.",
        TaskState::Succeeded => "it ended with exit code 0.",
        TaskState::Failed => "it ran and ended by itself with another code, by a signal, or out of memory.",
        TaskState::Errored => "it never ran: something before its start went wrong.",
        TaskState::Lost => "it ran, and what became of it cannot be known. It is never called failed.",
        TaskState::Cancelled => "somebody ended it, or the run that it belongs to.",
        TaskState::TimedOut => "its time limit ended it.",
        TaskState::Skipped => {
            "its condition can no longer hold; its cause names the task before it and that task's state."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_explained() {
        for state in RunState::ALL {
            assert!(super::state(state.as_str()).is_some_and(|text| text.contains("A run: ")));
        }
        for state in TaskState::ALL {
            assert!(super::state(state.as_str()).is_some_and(|text| text.contains("A task: ")));
        }
    }

    #[test]
    fn every_page_is_compiled_in_and_well_formed() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let names = std::fs::read_dir(dir)
            .expect("the pages")
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".md").map(str::to_owned));
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(PAGES.iter().map(|(code, _)| (*code).to_owned()).collect::<Vec<_>>(), names);
        for (code, text) in PAGES {
            assert!(text.starts_with(&format!("# {code}: ")), "{code} has no title");
            assert!(text.contains("## How to fix it"), "{code} does not say how to fix it");
        }
    }

    #[test]
    fn a_topic_is_found_however_it_is_typed_and_a_slip_is_guessed() {
        assert_eq!(page("e0101"), page("E0101"));
        assert_eq!(page("timed-out").map(|page| page.topic), Some("timed_out".to_owned()));
        assert_eq!((page("runing"), near("runing")), (None, Some("running")));
        assert_eq!(near("frobnicate"), None);
    }
}
