//! Checking a configured backend inside the program.

use gofer_grammar::BackendCheck;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_server::{CheckError, CheckOptions};

/// Runs the suite against a backend; answers how many promises it kept.
pub(crate) async fn check(args: &BackendCheck) -> Result<u64, Failure> {
    let plan = super::plan(&args.file, Vec::new())?;
    let options = CheckOptions { filter: args.filter.clone(), image: args.image.clone() };
    let checked = gofer_server::check_backend(&plan.config, &args.name, &options).await;
    let outcome = checked.map_err(|error| not_checked(&error))?;
    let all = outcome.kept + outcome.broken;
    match (&args.filter, all, outcome.broken) {
        (Some(filter), 0, _) if outcome.ignored == 0 => {
            Err(Failure::new("E0521", Exit::NotFound, format!("no promise has `{filter}` in its name"))
                .next(format!("gofer backend check {}", args.name)))
        }
        (_, _, 0) => Ok(outcome.kept),
        (_, _, broken) => {
            Err(Failure::new("E0522", Exit::Invalid, format!("{broken} of {all} promises are broken"))
                .hint("what each of them found stands above"))
        }
    }
}

fn not_checked(error: &CheckError) -> Failure {
    match error {
        CheckError::NoSuch { known, .. } => Failure::new("E0521", Exit::NotFound, error)
            .hint(format!("the schedulers are {}", known.join(", ")))
            .next("gofer server config show"),
        CheckError::NotYet { .. } => Failure::new("E0521", Exit::Invalid, error)
            .hint("schedulers of the kinds `process` and `docker` can be checked"),
        CheckError::Open(error) => super::not_started(error),
        CheckError::Broken(cause) => Failure::internal(error).because(cause),
    }
}
