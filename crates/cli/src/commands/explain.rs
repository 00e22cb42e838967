//! `explain`: the pages of the error codes and of the states, inside the program.

use gofer_output::error::{Failure, nearest};
use gofer_output::exit::Exit;
use gofer_types::{RunState, TaskState};

use crate::context::Cx;
use crate::views::Page;

// `PAGES`: each page of docs/errors with its code, in order.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// `explain`.
pub(super) fn explain(cx: &Cx, topic: Option<&str>) -> Result<Exit, Failure> {
    let Some(topic) = topic else { return index(cx) };
    let code = topic.to_ascii_uppercase();
    let word = topic.to_ascii_lowercase().replace('-', "_");
    let page = PAGES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(code, text)| Page { code: (*code).to_owned(), text: (*text).to_owned() });
    let page = page.or_else(|| state(&word).map(|text| Page { code: word.clone(), text }));
    let Some(page) = page else {
        let failure =
            Failure::new("E0009", Exit::NotFound, format!("there is nothing to explain about `{topic}`"));
        let near = nearest(&code, PAGES.iter().map(|(code, _)| *code)).or_else(|| nearest(&word, words()));
        return Err(match near {
            Some(near) => failure.hint(format!("did you mean `gofer explain {near}`?")),
            None => failure.hint("`gofer explain` lists the codes and states"),
        });
    };
    cx.ui.object(&page, |_| format!("{}\n", page.text.trim_end()))?;
    Ok(Exit::Ok)
}

fn index(cx: &Cx) -> Result<Exit, Failure> {
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
    let page = Page { code: "index".to_owned(), text };
    cx.ui.object(&page, |_| page.text.clone())?;
    Ok(Exit::Ok)
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

    /// Every code that this crate and the client hand out.
    #[test]
    fn every_code_of_the_command_line_has_a_page() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut codes: Vec<String> = gofer_client::CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
        collect(&sources, &mut codes);
        codes.sort();
        codes.dedup();
        let missing: Vec<_> =
            codes.iter().filter(|code| !PAGES.iter().any(|(known, _)| known == code)).collect();
        assert!(missing.is_empty(), "no page for {missing:?}");
    }

    fn collect(dir: &std::path::Path, codes: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).expect("the sources").filter_map(Result::ok) {
            if entry.path().is_dir() {
                collect(&entry.path(), codes);
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let found = text.split('"').filter(|word| {
                word.len() == 5 && word.starts_with('E') && word[1..].bytes().all(|b| b.is_ascii_digit())
            });
            codes.extend(found.map(str::to_owned));
        }
    }
}
