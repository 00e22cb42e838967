//! `backend`: what stands behind a server.

use gofer_grammar::Backend;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::human;

use crate::context::Cx;
use crate::embedded;

/// `backend`.
pub(super) async fn dispatch(cx: &Cx, command: Backend) -> Result<Exit, Failure> {
    match command {
        Backend::Check(args) => {
            // Each promise is named on standard output by the suite itself.
            let kept = embedded::check(&args).await?;
            cx.ui.note(&format!("`{}` keeps {}", args.name, human::count(count(kept), "promise")));
            Ok(Exit::Ok)
        }
    }
}

fn count(kept: u64) -> usize {
    usize::try_from(kept).unwrap_or(usize::MAX)
}
