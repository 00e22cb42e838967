//! `logs`: the output of a run's tasks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::{Logs, Stream};
use gofer_input::wanted;
use gofer_output::Format;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::follow::{Follower, LineOptions, Memory, OnInterrupt, Printer, Shown, is_meant, not_kept};
use gofer_views::{Done, LogLine, Run, human, time_of};

use super::run::all_tasks;
use crate::clock;
use crate::context::Cx;
use crate::remote::incomplete;
use gofer_views::ask::by_number;

/// `logs`.
pub(super) async fn logs(cx: &Cx, args: &Logs) -> Result<Exit, Failure> {
    if args.delete {
        return delete(cx, &args.reference).await;
    }
    let address = cx.addresses.run(&args.reference)?;
    let mut request = request(cx, args)?;
    request.attempt = args.attempt.or(address.attempt).unwrap_or(0);
    request.tasks.extend(address.task);
    let remote = cx.remote().await?;
    let run =
        remote.get_run(pb::GetRunRequest { run: Some(address.run) }).await?.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let tasks = all_tasks(&remote, by_number(&run)).await?;
    wanted::check(&request, &run, &tasks)?;
    if args.failed {
        request.tasks = wanted::failed(&request.tasks, &tasks);
        if request.tasks.is_empty() {
            cx.ui.note("no task failed");
            return Ok(Exit::Ok);
        }
    }
    if (args.failed || args.follow) && !request.tasks.is_empty() {
        not_kept(&request.tasks, &tasks).iter().for_each(|text| cx.ui.note(text));
        request.tasks = wanted::kept(request.tasks, &tasks);
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
    if request.tasks.is_empty() {
        not_kept(&[], &tasks).iter().for_each(|text| cx.ui.note(text));
    }
    let mut printer = Printer::new(lines, cx.ui.style.clone());
    let shown = |task: &&pb::TaskRun| is_meant(&request.tasks, &task.task);
    printer.expect(tasks.iter().filter(shown).map(|task| task.task.as_str()));
    print(cx, &remote, request, printer).await?;
    Ok(Exit::Ok)
}

/// `logs --delete`: of a whole run, for its tasks share what is kept.
async fn delete(cx: &Cx, typed: &str) -> Result<Exit, Failure> {
    let address = cx.addresses.run_only(typed)?;
    let remote = cx.remote().await?;
    let run = remote.get_run(pb::GetRunRequest { run: Some(address) }).await?.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let view = Run::from(run.clone());
    let of = format!("the output of {} ({})", view.r#ref, human::count(run.tasks as usize, "task"));
    let before = view.logs_deleted.is_some();
    if !before {
        cx.confirm(&format!("Delete {of}? It cannot be brought back."))?;
    }
    let answer = remote.delete_logs(pb::DeleteLogsRequest { run: Some(by_number(&run)) }).await?;
    let at = time_of(answer.at.as_ref().map(|at| (at.seconds, at.nanos)));
    let done = Done { action: "deleted", names: vec![view.r#ref.clone()] };
    cx.ui.object(&done, |style| {
        let at = style.time(at.map(|at| at.0));
        match before {
            true => format!("{of} was deleted before, by {} {at}\n", answer.actor),
            false => format!("deleted {of}; the run itself is kept\n"),
        }
    })?;
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
