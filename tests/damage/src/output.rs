//! The output of one run, compared with what its tasks print.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use gofer_client::{Client, ClientError};
use gofer_proto::v1::ReadLogsRequest;
use gofer_tests_e2e::run_ref;

use crate::findings::Findings;
use crate::pipelines::Kind;

/// The output of a run is asked for.
pub const LINES: &str = "lines of output that were compared";
/// What is missing and said to be.
pub const GAPS: &str = "gaps that were told in outputs";

/// How much of the output there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// All that its tasks print.
    All,
    /// A beginning of it: its tasks went down with their host, or go on.
    Beginning,
    /// All, once it has gone to its end.
    Followed,
}

/// What a server sends of a task.
#[derive(Debug, Default)]
struct Sent {
    /// Whole lines.
    lines: Vec<String>,
    /// A line that is not whole.
    part: String,
    /// Before which lines something is missing.
    gaps: Vec<usize>,
}

/// Reads the output of a run and says what is wrong with it; an error is answered.
///
/// # Errors
/// What the server says instead of the output, or behind a part of it.
pub async fn compare(
    client: &Client,
    (kind, number): (&Kind, u64),
    due: Due,
    found: &mut Findings,
) -> Result<(), ClientError> {
    let follow = due == Due::Followed;
    let request =
        ReadLogsRequest { run: Some(run_ref(kind.id, number)), follow, ..ReadLogsRequest::default() };
    let mut pages = client.read_logs(request).await?;
    let mut sent: BTreeMap<String, Sent> = BTreeMap::new();
    let mut end = Ok(());
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => page.entries.into_iter().for_each(|entry| {
                let task = sent.entry(entry.task.clone()).or_default();
                task.take(entry.gap.is_some(), entry.partial, &String::from_utf8_lossy(&entry.data));
            }),
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    let due = if end.is_err() { Due::Beginning } else { due };
    for (task, sent) in &sent {
        found.count(LINES, sent.lines.len() as u64);
        found.count(GAPS, sent.gaps.len() as u64);
        match kind.task(task) {
            Some(plan) => {
                sent.judge(&kind.lines(number, plan), due, &format!("{}/{number}/{task}", kind.id), found);
            }
            None => found
                .wrong(format!("{}/{number} has output of a task {task:?} that it does not have", kind.id)),
        }
    }
    for plan in kind.tasks.iter().filter(|plan| due != Due::Beginning && !sent.contains_key(plan.id)) {
        found.wrong(format!("{}/{number}/{}: no output at all, and nothing says so", kind.id, plan.id));
    }
    end
}

impl Sent {
    fn take(&mut self, gap: bool, partial: bool, text: &str) {
        if gap {
            self.gaps.push(self.lines.len());
            self.part.clear();
            return;
        }
        self.part.push_str(text);
        if !partial {
            self.lines.push(std::mem::take(&mut self.part));
        }
    }

    /// Every line is one of those, in order; where some are missing, something says so.
    fn judge(&self, wanted: &[String], due: Due, name: &str, found: &mut Findings) {
        let mut next = 0;
        for (place, line) in self.lines.iter().enumerate() {
            let near_gap = self.gaps.contains(&place) || self.gaps.contains(&(place + 1));
            match wanted[next..].iter().position(|wanted| wanted == line) {
                Some(0) => next += 1,
                Some(left_out) if near_gap => next += left_out + 1,
                Some(left_out) => {
                    found.wrong(format!("{name}: {left_out} lines are missing before {line:?} in silence"));
                    next += left_out + 1;
                }
                // A gap may begin or end within a line.
                None if near_gap && wanted.iter().any(|wanted| wanted.contains(line.as_str())) => {}
                None => return found.wrong(format!("{name}: {line:?} is none of its lines")),
            }
        }
        let told = self.gaps.contains(&self.lines.len());
        if next < wanted.len() && due != Due::Beginning && !told {
            found.wrong(format!("{name}: the last {} lines are missing in silence", wanted.len() - next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(sent: &Sent, due: Due) -> usize {
        let wanted: Vec<String> = (1..=4).map(|line| format!("a {line}")).collect();
        let mut found = Findings::default();
        sent.judge(&wanted, due, "x", &mut found);
        found.violations().len()
    }

    fn sent(lines: &[&str], gaps: &[usize]) -> Sent {
        Sent {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            part: String::new(),
            gaps: gaps.to_vec(),
        }
    }

    #[test]
    fn what_is_missing_in_silence_is_caught_and_what_is_said_to_be_is_not() {
        assert_eq!(judged(&sent(&["a 1", "a 2", "a 3", "a 4"], &[]), Due::All), 0);
        assert_eq!(judged(&sent(&["a 1", "a 2"], &[]), Due::All), 1);
        assert_eq!(judged(&sent(&["a 1", "a 2"], &[]), Due::Beginning), 0);
        assert_eq!(judged(&sent(&["a 1", "a 2"], &[2]), Due::All), 0);
        assert_eq!(judged(&sent(&["a 1", "a 4"], &[]), Due::All), 1);
        assert_eq!(judged(&sent(&["a 1", "a 4"], &[1]), Due::All), 0);
    }

    #[test]
    fn a_foreign_line_and_one_that_stands_twice_are_caught() {
        assert_eq!(judged(&sent(&["b 1"], &[]), Due::Beginning), 1);
        assert_eq!(judged(&sent(&["a 1", "a 1"], &[]), Due::Beginning), 1);
        assert_eq!(judged(&sent(&["a 2", "a 1"], &[]), Due::Beginning), 2);
    }
}
