//! The stored output, against what the tasks printed.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_proto::v1::{LogEntry, LogGap, ReadLogsRequest};
use gofer_tests_e2e::run_ref;

use crate::tally::Tally;
use crate::task::Shape;

/// The whole output of one task, as it is stored.
#[derive(Debug, Default)]
pub struct Output {
    /// Its lines.
    pub lines: Vec<String>,
    /// The bytes of them, with the ends of the lines.
    pub bytes: u64,
    /// What is said to be missing.
    pub gaps: Vec<LogGap>,
}

/// What is stored and what is said to be missing are together what was printed, and the whole lines among it stand in order.
pub(crate) fn accounted(output: Option<&Output>, (number, task): (u64, &str), shape: &Shape, tally: &Tally) {
    let wanted = shape.lines();
    let printed: u64 = wanted.iter().map(|line| line.len() as u64 + 1).sum();
    let Some(output) = output else {
        return tally.violated(format!("run {number}, task {task}: no output and no gap"));
    };
    let missing: u64 = output.gaps.iter().filter_map(|gap| gap.bytes).sum();
    let unknown = output.gaps.iter().any(|gap| gap.bytes.is_none());
    tally.check(unknown || output.bytes + missing == printed, || {
        format!(
            "run {number}, task {task}: {} bytes and gaps of {missing} are not {printed}: {output:?}",
            output.bytes
        )
    });
    let places: Vec<usize> =
        output.lines.iter().filter_map(|line| wanted.iter().position(|one| one == line)).collect();
    tally
        .check(places.is_sorted(), || format!("run {number}, task {task}: out of order: {:?}", output.lines));
}

/// Every line is there once and in order, and no gap is told.
pub(crate) async fn whole(client: &Client, (pipeline, number): (&str, u64), shape: &Shape, tally: &Tally) {
    let Some(outputs) = read(client, (pipeline, number), tally).await else { return };
    let wanted = shape.lines();
    for task in shape.tasks {
        let (lines, gaps) = outputs.get(*task).map_or((&[][..], 0), |out| (&out.lines[..], out.gaps.len()));
        tally.check(gaps == 0, || format!("run {number}, task {task}: {gaps} gaps, and nothing was wrong"));
        tally.check(lines == wanted, || format!("run {number}, task {task}: the lines are {lines:?}"));
    }
}

/// The stored output of each task, read to its end. The places of the entries must be dense.
pub async fn read(
    client: &Client,
    (pipeline, number): (&str, u64),
    tally: &Tally,
) -> Option<BTreeMap<String, Output>> {
    let request =
        ReadLogsRequest { run: Some(run_ref(pipeline, number)), follow: true, ..ReadLogsRequest::default() };
    let mut pages = match client.read_logs(request).await {
        Ok(pages) => pages,
        Err(error) => {
            tally.violated(format!("run {number}: its output cannot be read: {error}"));
            return None;
        }
    };
    let (mut outputs, mut places) = (BTreeMap::<String, Output>::new(), BTreeMap::<String, u64>::new());
    while let Some(page) = pages.next().await {
        let entries = match page {
            Ok(page) => page.entries,
            Err(error) => {
                tally.violated(format!("run {number}: its output broke off: {error}"));
                return None;
            }
        };
        for entry in entries {
            let place = places.entry(entry.task.clone()).or_default();
            *place += 1;
            tally.check(entry.seq == *place, || format!("run {number}, {}: a hole at {place}", entry.task));
            outputs.entry(entry.task.clone()).or_default().take(entry);
        }
    }
    Some(outputs)
}

impl Output {
    fn take(&mut self, entry: LogEntry) {
        match entry.gap {
            Some(gap) => self.gaps.push(gap),
            None => {
                self.bytes += entry.data.len() as u64 + u64::from(!entry.partial);
                self.lines.push(String::from_utf8_lossy(&entry.data).into_owned());
            }
        }
    }
}
