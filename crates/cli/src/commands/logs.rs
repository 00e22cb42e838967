//! `logs`: the output of a run's tasks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_output::Format;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;

use super::run::{all_tasks, by_number};
use crate::args::{Logs, Stream};
use crate::clock;
use crate::context::Cx;
use crate::follow::{Follower, LineOptions, OnInterrupt, Printer, Shown};
use crate::remote::incomplete;
use crate::views::{self, LogLine};

/// `logs`.
pub(super) async fn logs(cx: &Cx, args: &Logs) -> Result<Exit, Failure> {
    let address = cx.addresses.run(&args.reference)?;
    let mut request = request(cx, args)?;
    request.attempt = args.attempt.or(address.attempt).unwrap_or(0);
    request.tasks.extend(address.task);
    let remote = cx.remote().await?;
    let run =
        remote.get_run(pb::GetRunRequest { run: Some(address.run) }).await?.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let tasks = all_tasks(&remote, by_number(&run)).await?;
    check_tasks(&request.tasks, &tasks)?;
    if args.failed {
        request.tasks = failed(&request.tasks, &tasks);
        if request.tasks.is_empty() {
            cx.ui.note("no task failed");
            return Ok(Exit::Ok);
        }
    }
    let lines = LineOptions { no_prefix: args.no_prefix, timestamps: args.timestamps, raw: args.raw };
    if args.follow {
        let shown = Shown {
            logs: Some(request),
            lines,
            header: false,
            changes: false,
            summary: false,
            on_interrupt: OnInterrupt::Detach,
        };
        return Ok(Follower::new(&cx.ui, &remote, &cx.addresses, shown)
            .follow(by_number(&run))
            .await?
            .exit());
    }
    request.run = Some(by_number(&run));
    let mut printer = Printer::new(lines, cx.ui.style.clone());
    let shown = |task: &&pb::TaskRun| request.tasks.is_empty() || request.tasks.contains(&task.task);
    printer.expect(tasks.iter().filter(shown).map(|task| task.task.as_str()));
    print(cx, &remote, request, printer).await?;
    Ok(Exit::Ok)
}

async fn print(
    cx: &Cx,
    remote: &Client,
    request: pb::ReadLogsRequest,
    mut printer: Printer,
) -> Result<(), Failure> {
    let mut pages = remote.read_logs(request).await?;
    while let Some(page) = pages.next().await {
        let entries = page?.entries;
        match cx.ui.format {
            Format::Json | Format::Jsonl => {
                entries.into_iter().try_for_each(|entry| cx.ui.item(&LogLine::from(entry)))?;
            }
            Format::Table => cx.ui.bytes(&printer.entries(&entries))?,
            Format::Name | Format::None => {}
        }
    }
    if cx.ui.format == Format::Table {
        cx.ui.bytes(&printer.finish())?;
    }
    Ok(())
}

fn request(cx: &Cx, args: &Logs) -> Result<pb::ReadLogsRequest, Failure> {
    let stream = match args.stream {
        Stream::Both => pb::LogStream::Unspecified,
        Stream::Out => pb::LogStream::Out,
        Stream::Err => pb::LogStream::Err,
    };
    Ok(pb::ReadLogsRequest {
        tasks: args.task.clone(),
        stream: stream.into(),
        since: point(cx, args.since.as_deref())?.map(Into::into),
        until: point(cx, args.until.as_deref())?.map(Into::into),
        tail: args.tail,
        follow: args.follow,
        ..pb::ReadLogsRequest::default()
    })
}

/// A point in time as people type it.
pub(super) fn point(cx: &Cx, typed: Option<&str>) -> Result<Option<SystemTime>, Failure> {
    let Some(typed) = typed else { return Ok(None) };
    let at = clock::point(typed, cx.now).ok_or_else(|| {
        Failure::usage("E0002", format!("`{typed}` is not a time"))
            .hint("examples: `10m` for ten minutes ago, `2026-01-31T12:00:00Z`")
    })?;
    let since = u64::try_from(at.as_micros()).unwrap_or(0);
    Ok(Some(UNIX_EPOCH + Duration::from_micros(since)))
}

fn check_tasks(wanted: &[String], tasks: &[pb::TaskRun]) -> Result<(), Failure> {
    let names = || tasks.iter().map(|task| task.task.as_str());
    let Some(wrong) = wanted.iter().find(|task| !names().any(|known| known == task.as_str())) else {
        return Ok(());
    };
    let failure = Failure::new("E0304", Exit::NotFound, format!("the run has no task `{wrong}`"));
    Err(match gofer_output::error::nearest(wrong, names()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("its tasks are {}", names().collect::<Vec<_>>().join(", "))),
    })
}

fn failed(wanted: &[String], tasks: &[pb::TaskRun]) -> Vec<String> {
    use gofer_types::TaskState::{Errored, Failed, Lost, TimedOut};
    let bad = |task: &&pb::TaskRun| {
        let state = views::task_state(task.state());
        matches!(state, Some(Failed | Errored | Lost | TimedOut))
            && (wanted.is_empty() || wanted.contains(&task.task))
    };
    tasks.iter().filter(bad).map(|task| task.task.clone()).collect()
}
