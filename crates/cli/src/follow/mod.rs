//! Following a run to its end: its state, its output, or both, over broken connections and until Ctrl-C.

mod printer;
mod progress;

pub(crate) use printer::{LineOptions, Printer};
pub(crate) use progress::{Progress, change_line, last_line};

use std::sync::OnceLock;

use futures_util::future::{BoxFuture, Fuse};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use gofer_client::v1 as pb;
use gofer_client::{Client, ClientError, Followed, Following};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::{Format, Ui};

use crate::address::Addresses;
use crate::signals::Stops;
use crate::views::{Change, LogLine, Run};

/// How many last lines of a failed task are shown.
const LAST_LINES: u32 = 10;

/// What Ctrl-C means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// Stop following; the run goes on.
    Detach,
    /// Cancel the run, the second time kill its tasks, and wait for its end.
    Cancel,
}

/// What is shown while following.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The output of the tasks that this asks for.
    pub(crate) logs: Option<pb::ReadLogsRequest>,
    /// How its lines look.
    pub(crate) lines: LineOptions,
    /// The address and the version first.
    pub(crate) header: bool,
    /// Each change of state.
    pub(crate) changes: bool,
    /// The summary at the end.
    pub(crate) summary: bool,
    /// What Ctrl-C means.
    pub(crate) on_interrupt: OnInterrupt,
}

impl Shown {
    /// The output of all tasks and the summary: what `start` and `local` show.
    pub(crate) fn everything(on_interrupt: OnInterrupt) -> Self {
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
pub(crate) enum Ending {
    /// With the end of the run.
    Ended(Box<Progress>),
    /// By Ctrl-C; the run goes on.
    Detached,
}

/// Follows a run.
pub(crate) struct Follower<'a> {
    ui: &'a Ui,
    remote: &'a Client,
    addresses: &'a Addresses,
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
    pub(crate) fn new(ui: &'a Ui, remote: &'a Client, addresses: &'a Addresses, shown: Shown) -> Self {
        Self { ui, remote, addresses, shown, address: OnceLock::new() }
    }

    /// Follows to the end of the run.
    pub(crate) async fn follow(&self, run: pb::RunRef) -> Result<Ending, Failure> {
        self.follow_until(run, &mut Stops::of_follower()?).await
    }

    /// Follows to the end of the run, or until one of these. No call to the server holds them up.
    pub(crate) async fn follow_until(&self, run: pb::RunRef, stops: &mut Stops) -> Result<Ending, Failure> {
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
                update = next(&mut live.watch) => self.on_update(&mut live, update)?,
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
        self.tell(&changes)?;
        if let Some(logs) = &self.shown.logs {
            let request = pb::ReadLogsRequest { run: Some(live.run.clone()), ..logs.clone() };
            live.logs = Some(self.remote.follow_logs(request).await?);
        }
        Ok(live)
    }

    /// The first update tells which run is meant, and what its tasks are.
    fn first(&self, live: &mut Live) -> Result<(), Failure> {
        let wanted = self.shown.logs.as_ref().map(|logs| logs.tasks.as_slice()).unwrap_or_default();
        let tasks = live.progress.tasks.iter().map(|task| task.task.as_str());
        live.printer.expect(tasks.filter(|task| wanted.is_empty() || wanted.iter().any(|one| one == task)));
        let Some(run) = &live.progress.run else { return Ok(()) };
        live.run.selector = Some(pb::run_ref::Selector::Number(run.number));
        self.addresses.remember(&run.namespace, &run.pipeline, run.number);
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
            Some(Err(error)) => return Err(error.into()),
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

    fn on_update(
        &self,
        live: &mut Live,
        update: Option<Result<Followed<pb::WatchRunResponse>, ClientError>>,
    ) -> Result<(), Failure> {
        let alone = self.shown.logs.is_none();
        match update {
            Some(Ok(Followed::Item(update))) => {
                let shown = if self.shown.header { update.images.as_slice() } else { &[] };
                shown.iter().try_for_each(|image| self.ui.text(&live.printer.image(image)))?;
                self.tell(&live.progress.take(update))?;
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

    fn tell(&self, changes: &[Change]) -> Result<(), Failure> {
        if !self.shown.changes {
            return Ok(());
        }
        for change in changes {
            self.ui.item(change)?;
            self.ui.text(&change_line(change, &self.ui.style))?;
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
        let (Some(task), Some(run)) = (progress.culprit(), &progress.run) else { return Ok(()) };
        if self.ui.machine() || progress.exit() == Exit::Ok {
            return Ok(());
        }
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
        if !lines.is_empty() {
            self.ui.text(&format!("last lines of {}:\n{}", task.task, String::from_utf8_lossy(&lines)))?;
        }
        if self.shown.on_interrupt == OnInterrupt::Detach {
            let address = progress.address();
            let logs = (format!("gofer logs {address}/{}", task.task), "everything that it wrote");
            self.ui.next(&[
                logs,
                (format!("gofer task get {address}/{}", task.task), "its attempts and causes"),
            ]);
        }
        Ok(())
    }
}

impl Ending {
    /// What it means for the shell.
    pub(crate) fn exit(&self) -> Exit {
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
    format!("{}  v{}  {} by {}\n", run.r#ref, run.version, run.trigger, run.actor)
}
