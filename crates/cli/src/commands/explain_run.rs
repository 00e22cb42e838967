//! `run explain`: why a run and its tasks are where they are, and what to do.

use gofer_grammar::Subject;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::follow::Memory;
use gofer_views::{ask, explain};

use crate::context::Cx;
use crate::remote::incomplete;

/// `run explain`.
pub(super) async fn explain(cx: &Cx, args: &Subject) -> Result<Exit, Failure> {
    let (run, task) = cx.addresses.run_or_task(&args.reference)?;
    let remote = cx.remote().await?;
    let asked = ask::explanation(&remote, run, task.as_deref().unwrap_or_default()).await?;
    let (run, view) = asked.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    cx.ui.object(&view, |style| explain::text(&view, task.is_none(), style))?;
    Ok(Exit::Ok)
}
