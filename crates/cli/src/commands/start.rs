//! `start` and `retry`: what a run is asked for with, and who attends it once it is there.

use std::collections::HashMap;
use std::time::Duration;

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::{Attend, Choice, Pair, Retry, Start, Variables};
use gofer_input::{key, variables};
use gofer_output::Format;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::Run;
use gofer_views::follow::{Follower, Memory, OnInterrupt, Shown};

use super::run::wait_for;
use crate::context::Cx;
use crate::remote::incomplete;
use gofer_views::ask::by_number;

/// How long a server may take to say how a run stands whose end was not waited for.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// `start`.
pub(super) async fn start(cx: &Cx, args: Start) -> Result<Exit, Failure> {
    let (pipeline, version) = cx.addresses.pipeline(&args.pipeline)?;
    let request = pb::StartRunRequest {
        pipeline: Some(pipeline),
        version,
        labels: map(&args.label),
        priority: args.priority,
        idempotency_key: key(args.attend.idempotency_key.as_deref())?,
        ..wish(&args.variables, args.choice)?
    };
    let remote = cx.remote().await?;
    let answer = remote.start_run(request).await?;
    begun(cx, &remote, (answer.run, answer.existing), &args.attend).await
}

/// `retry`.
pub(super) async fn retry(cx: &Cx, args: Retry) -> Result<Exit, Failure> {
    let request = pb::RetryRunRequest {
        run: Some(cx.addresses.run_only(&args.run.reference)?),
        from_failed: args.from_failed,
        from: args.from,
        idempotency_key: key(args.attend.idempotency_key.as_deref())?,
    };
    let remote = cx.remote().await?;
    let answer = remote.retry_run(request).await?;
    begun(cx, &remote, (answer.run, answer.existing), &args.attend).await
}

/// A start of these tasks with these variables.
pub(super) fn wish(variables: &Variables, choice: Choice) -> Result<pb::StartRunRequest, Failure> {
    let variables = variables::read(variables)?;
    let Choice { only, from, with_parents, image } = choice;
    Ok(pb::StartRunRequest {
        variables,
        images: map(&image),
        only,
        from,
        with_parents,
        ..pb::StartRunRequest::default()
    })
}

/// Pairs by their names; the last of a name wins.
pub(super) fn map(pairs: &[Pair]) -> HashMap<String, String> {
    pairs.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect()
}

/// There is a run: it is followed, waited for or left alone. The second part of the answer is whether it was there before.
async fn begun(
    cx: &Cx,
    remote: &Client,
    (run, existing): (Option<pb::Run>, bool),
    attend: &Attend,
) -> Result<Exit, Failure> {
    let run = run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let reference = by_number(&run);
    let view = Run::from(run);
    if existing {
        cx.ui.note(&format!("{} was started with this idempotency key before", view.r#ref));
    }
    let follow = attend.follow || (cx.ui.stdout_tty && !attend.detach && attend.wait.is_none());
    match attend.wait {
        Some(limit) => {
            let waited = wait_for(cx, remote, reference.clone(), Some(limit.get())).await;
            if waited.is_err() {
                print_begun(cx, remote, (reference, view)).await?;
            }
            waited
        }
        None if follow => {
            let shown = Shown::everything(OnInterrupt::Detach);
            Ok(Follower::new(&cx.ui, remote, &cx.addresses, shown).follow(reference).await?.exit())
        }
        None => {
            cx.ui.object(&view, |_| format!("{}\n", view.r#ref))?;
            cx.ui.next(&[(format!("gofer watch {}", view.r#ref), "see how it goes")]);
            Ok(Exit::Ok)
        }
    }
}

/// Where programs read the output they find the run that was started, also if its end was not waited for.
async fn print_begun(cx: &Cx, remote: &Client, (reference, begun): (pb::RunRef, Run)) -> Result<(), Failure> {
    if cx.ui.format == Format::Table {
        return Ok(());
    }
    let now = remote.get_run(pb::GetRunRequest { run: Some(reference) });
    let now = tokio::time::timeout(LAST_LOOK, now).await.ok().and_then(Result::ok);
    let view = now.and_then(|answer| answer.run).map_or(begun, Run::from);
    cx.ui.object(&view, |_| String::new())
}
