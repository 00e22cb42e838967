//! Following a run to its end: its state, its output, or both, over broken connections and until Ctrl-C.

mod guide;
mod printer;
mod progress;

pub use printer::{LineOptions, Printer, is_meant, not_kept};
pub use progress::{Progress, change_line, last_line};

use std::sync::OnceLock;

use futures_util::future::{BoxFuture, Fuse};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use gofer_client::v1 as pb;
use gofer_client::{Client, ClientError, Followed, Following};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::{Format, Ui};

use crate::signals::Stops;
use crate::{Change, LogLine, Run};

/// How many last lines of a failed task are shown.
const LAST_LINES: u32 = 10;

/// The code of a server that keeps none of the output that is asked for.
const NOT_KEPT: &str = "E0515";

/// What Ctrl-C means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInterrupt {
    /// Stop following; the run goes on.
    Detach,
    /// Cancel the run, the second time kill its tasks, and wait for its end.
    Cancel,
}

/// What is shown while following.
#[derive(Debug)]
pub struct Shown {
    /// The output of the tasks that this asks for.
    pub logs: Option<pb::ReadLogsRequest>,
    /// How its lines look.
    pub lines: LineOptions,
    /// The address and the version first.
    pub header: bool,
    /// Each change of state.
    pub changes: bool,
    /// The summary at the end.
    pub summary: bool,
    /// What Ctrl-C means.
    pub on_interrupt: OnInterrupt,
}

impl Shown {
    /// The output of all tasks and the summary: what `start` and `local` show.
    pub fn everything(on_interrupt: OnInterrupt) -> Self {
        Self {
            logs: Some(pb::ReadLogsRequest { follow: true, ..Default::default() }),
            lines: LineOptions::default(),
            header: true,
            changes: false,
            summary: true,
            on_interrupt,
        }
    }
}

/// How following ended.
#[derive(Debug)]
pub enum Ending {
    /// With the end of the run.
    Ended(Box<Progress>),
    /// By Ctrl-C; the run goes on.
    Detached,
}

/// Who remembers which run was looked at last.
pub trait Memory {
    /// Remembers that it was this one. That it cannot be remembered is not worth a word.
    fn remember(&self, namespace: &str, pipeline: &str, number: u64);
}

/// Follows a run.
pub struct Follower<'a> {
    ui: &'a Ui,
    remote: &'a Client,
    memory: &'a dyn Memory,
    shown: Shown,
    /// The address of the run, once the server has told it.
    address: OnceLock<String>,
}

struct Live {
    run: pb::RunRef,
    progress: Progress,
    printer: Printer,
    watch: Option<Following<pb::WatchRunResponse>>,
    logs: Option<Following<pb::ReadLogsResponse>>,
}

impl<'a> Follower<'a> {
    /// Follows over this connection.
    pub fn new(ui: &'a Ui, remote: &'a Client, memory: &'a dyn Memory, shown: Shown) -> Self {
        Self { ui, remote, memory, shown, address: OnceLock::new() }
    }

    /// The address of the run that is followed, once the server told it.
    pub fn address(&self) -> Option<&str> {
        self.address.get().map(String::as_str)
    }

    /// Follows to the end of the run.
    pub async fn follow(&self, run: pb::RunRef) -> Result<Ending, Failure> {
        self.follow_until(run, &mut Stops::of_follower()?).await
    }

    /// Follows to the end of the run, or until one of these. No call to the server holds them up.
    pub async fn follow_until(&self, run: pb::RunRef, stops: &mut Stops) -> Result<Ending, Failure> {
        let mut showing = std::pin::pin!(self.show(run.clone()));
        let mut cancelling = Fuse::terminated();
        let mut force = false;
        let progress = loop {
            tokio::select! {
                biased;
                () = stops.next() => {
                    if self.shown.on_interrupt == OnInterrupt::Detach {
                        self.detached();
                        return Ok(Ending::Detached);
                    }
                    // The second one does not wait for the answer to the first.
                    cancelling = self.cancel(&run, force).fuse();
                    force = true;
                }
                cancelled = &mut cancelling => cancelled?,
                progress = &mut showing => break progress?,
            }
        };
        if let Some(end) = progress.end().filter(|_| self.shown.logs.is_some() || self.shown.changes) {
            self.ui.item(&end)?;
        }
        if self.shown.summary {
            self.ui.text(&progress.summary(&self.ui.style))?;
            tokio::select! {
                biased;
                () = stops.next() => {}
                told = self.last_lines(&progress) => told?,
            }
        }
        Ok(Ending::Ended(Box::new(progress)))
    }

    /// Shows everything up to the end of the run.
    async fn show(&self, run: pb::RunRef) -> Result<Progress, Failure> {
        let mut live = self.open(run).await?;
        while live.watch.is_some() || live.logs.is_some() {
            tokio::select! {
                // What was printed comes before what is said about it.
                biased;
                page = next(&mut live.logs) => self.on_logs(&mut live, page)?,
                update = next(&mut live.watch) => self.on_update(&mut live, update).await?,
            }
        }
        let rest = live.printer.finish();
        if self.ui.format == Format::Table {
            self.ui.bytes(&rest)?;
        }
        Ok(live.progress)
    }

    async fn open(&self, run: pb::RunRef) -> Result<Live, Failure> {
        let mut watch = self.remote.watch_run(pb::WatchRunRequest { run: Some(run.clone()) }).await?;
        let printer = Printer::new(self.shown.lines.clone(), self.ui.style.clone());
        let mut live = Live { run, progress: Progress::default(), printer, watch: None, logs: None };
        let mut changes = Vec::new();
        while live.progress.run.is_none() {
            match watch.next().await {
                Some(Ok(Followed::Item(update))) => changes.extend(live.progress.take(update)),
                Some(Ok(Followed::Interrupted(_) | Followed::Resumed { .. })) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(lost()),
            }
        }
        live.watch = Some(watch);
        self.first(&mut live)?;
        self.tell(&live.printer, &changes)?;
        self.guide(&live, &changes).await?;
        if let Some(logs) = &self.shown.logs {
            let request = pb::ReadLogsRequest { run: Some(live.run.clone()), ..logs.clone() };
            match self.remote.follow_logs(request).await {
                Ok(logs) => live.logs = Some(logs),
                Err(error) => self.without_logs(error)?,
            }
        }
        Ok(live)
    }

    /// A run is followed to its end also where none of its output is kept.
    fn without_logs(&self, error: ClientError) -> Result<(), Failure> {
        if error.code() != Some(NOT_KEPT) {
            return Err(error.into());
        }
        self.ui.note("* output is not kept");
        Ok(())
    }

    /// The first update tells which run is meant, and what its tasks are.
    fn first(&self, live: &mut Live) -> Result<(), Failure> {
        let wanted = self.shown.logs.as_ref().map(|logs| logs.tasks.as_slice()).unwrap_or_default();
        let tasks = live.progress.tasks.iter().map(|task| task.task.as_str());
        live.printer.expect(tasks.filter(|task| is_meant(wanted, task)));
        let silent = not_kept(wanted, &live.progress.tasks).filter(|_| self.shown.logs.is_some());
        silent.iter().for_each(|text| self.ui.note(text));
        let Some(run) = &live.progress.run else { return Ok(()) };
        live.run.selector = Some(pb::run_ref::Selector::Number(run.number));
        self.memory.remember(&run.namespace, &run.pipeline, run.number);
        let _ = self.address.set(live.progress.address());
        if self.shown.header { self.ui.text(&header(&Run::from(run.clone()))) } else { Ok(()) }
    }

    fn on_logs(
        &self,
        live: &mut Live,
        page: Option<Result<Followed<pb::ReadLogsResponse>, ClientError>>,
    ) -> Result<(), Failure> {
        match page {
            None => live.logs = None,
            Some(Ok(Followed::Item(page))) => self.print(&mut live.printer, page.entries)?,
            Some(Ok(Followed::Interrupted(error))) => self.ui.note(&format!("* {error}; trying again")),
            Some(Ok(Followed::Resumed { .. })) => self.ui.note("* reconnected, 0 lines lost"),
            Some(Err(error)) => {
                live.logs = None;
                self.without_logs(error)?;
            }
        }
        Ok(())
    }

    fn print(&self, printer: &mut Printer, entries: Vec<pb::LogEntry>) -> Result<(), Failure> {
        match self.ui.format {
            Format::Table => self.ui.bytes(&printer.entries(&entries)),
            Format::Json | Format::Jsonl => {
                entries.into_iter().try_for_each(|entry| self.ui.item(&LogLine::from(entry)))
            }
            Format::Name | Format::None => Ok(()),
        }
    }

    async fn on_update(
        &self,
        live: &mut Live,
        update: Option<Result<Followed<pb::WatchRunResponse>, ClientError>>,
    ) -> Result<(), Failure> {
        let alone = live.logs.is_none();
        match update {
            Some(Ok(Followed::Item(update))) => {
                let shown = if self.shown.header { update.images.as_slice() } else { &[] };
                shown.iter().try_for_each(|image| self.ui.text(&live.printer.image(image)))?;
                let changes = live.progress.take(update);
                self.tell(&live.printer, &changes)?;
                self.guide(live, &changes).await?;
            }
            Some(Ok(Followed::Interrupted(error))) if alone => {
                self.ui.note(&format!("* {error}; trying again"));
            }
            Some(Ok(Followed::Resumed { .. })) if alone => self.ui.note("* reconnected"),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None if live.progress.ended() => live.watch = None,
            None => return Err(lost()),
        }
        Ok(())
    }

    /// Tells changes: each of them where they are what is shown, else among the output only that a task is tried again.
    fn tell(&self, printer: &Printer, changes: &[Change]) -> Result<(), Failure> {
        for change in changes {
            if self.shown.changes {
                self.ui.item(change)?;
                self.ui.text(&change_line(change, &self.ui.style))?;
            } else if let Some(again) = change.tried_again().filter(|_| self.shown.header) {
                self.ui.text(&printer.said(change.task(), &again.text))?;
            }
        }
        Ok(())
    }

    /// Tells what no output tells: that somebody has to answer, and which run a task is.
    async fn guide(&self, live: &Live, changes: &[Change]) -> Result<(), Failure> {
        let here = self.shown.on_interrupt == OnInterrupt::Cancel;
        for change in changes.iter().filter(|_| self.ui.format == Format::Table) {
            for line in guide::lines(self.remote, &live.progress, change.task(), here).await {
                let line = live.printer.said(change.task(), &line);
                if self.shown.header || self.shown.changes {
                    self.ui.text(&line)?;
                } else {
                    self.ui.note(line.trim_end());
                }
            }
        }
        Ok(())
    }

    fn detached(&self) {
        let Some(address) = self.address.get() else { return self.ui.note("\ndetached: the run goes on") };
        self.ui.note(&format!("\ndetached: {address} goes on"));
        let cancel = (format!("gofer cancel {address}"), "end it");
        self.ui.next(&[(format!("gofer watch {address}"), "follow it again"), cancel]);
    }

    fn cancel(&self, run: &pb::RunRef, force: bool) -> BoxFuture<'static, Result<(), ClientError>> {
        self.ui.note(if force {
            "\nkilling the tasks"
        } else {
            "\ncancelling: tasks may end by themselves; Ctrl-C again kills them"
        });
        let request =
            pb::CancelRunRequest { run: Some(run.clone()), reason: "interrupted".to_owned(), force };
        let remote = self.remote.clone();
        async move { remote.cancel_run(request).await.map(drop) }.boxed()
    }

    /// The last lines of the task that decided, and what to do next.
    async fn last_lines(&self, progress: &Progress) -> Result<(), Failure> {
        let nothing = match progress.exit() {
            Exit::Ok => true,
            Exit::RunCancelled => progress.culprit().is_none(),
            _ => false,
        };
        if nothing || self.ui.machine() {
            return Ok(());
        }
        if let Some((task, run)) = progress.culprit().zip(progress.run.as_ref()) {
            let lines = self.tail(task, run).await;
            if !lines.is_empty() {
                let text = String::from_utf8_lossy(&lines);
                self.ui.text(&format!("last lines of {}:\n{text}", task.task))?;
            }
        }
        if self.shown.on_interrupt == OnInterrupt::Detach {
            self.ui.next(&guide::after_failure(self.remote, progress).await);
        }
        Ok(())
    }

    /// The last lines that a task wrote, as far as they are kept.
    async fn tail(&self, task: &pb::TaskRun, run: &pb::Run) -> Vec<u8> {
        let selector = Some(pb::run_ref::Selector::Number(run.number));
        let reference =
            pb::RunRef { namespace: run.namespace.clone(), pipeline: run.pipeline.clone(), selector };
        let tasks = vec![task.task.clone()];
        let (attempt, tail) = (task.attempts, Some(LAST_LINES));
        let request =
            pb::ReadLogsRequest { run: Some(reference), tasks, attempt, tail, ..Default::default() };
        let mut printer = Printer::new(LineOptions::default(), self.ui.style.clone());
        let mut lines = Vec::new();
        if let Ok(mut pages) = self.remote.read_logs(request).await {
            while let Some(Ok(page)) = pages.next().await {
                lines.extend(printer.entries(&page.entries));
            }
        }
        lines.extend(printer.finish());
        lines
    }
}

impl Ending {
    /// What it means for the shell.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Ended(progress) => progress.exit(),
            Self::Detached => Exit::Interrupted,
        }
    }
}

/// The next item of a stream that may be closed. Never, if it is.
async fn next<T>(stream: &mut Option<BoxStream<'static, T>>) -> Option<T> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

fn lost() -> Failure {
    let failure =
        Failure::new("E0103", Exit::Unavailable, "the server ended the stream before the run ended");
    failure.hint("the run goes on; `gofer watch -` follows it again")
}

fn header(run: &Run) -> String {
    let retry = run.retry_of.map(|number| format!("  retry of {number}")).unwrap_or_default();
    format!("{}  v{}  {} by {}{retry}\n", run.r#ref, run.version, run.trigger, run.actor)
}
