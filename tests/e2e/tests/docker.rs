//! The binary and a real Docker engine: tasks in containers, the server killed around them.
//!
//! Without an engine each of these is ignored, with the reason.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says why; the test runner shows what it prints"
)]

#[path = "docker/crash.rs"]
mod crash;
#[path = "docker/everyday.rs"]
mod everyday;
#[path = "docker/gofer_ci.rs"]
mod gofer_ci;

use std::process::ExitCode;

use gofer_testkit::docker::{Docker, Registry, engine_for_tests, test_image};
use libtest_mimic::{Arguments, Failed, Trial};

type Test = (&'static str, fn(&Docker) -> Result<(), Failed>);

const TESTS: &[Test] = &[
    ("thirty_kills_of_the_server_leave_its_containers_alone_and_tell_every_end", crash::thirty_kills),
    ("a_local_run_takes_the_engine_that_answers_and_says_so", everyday::local_takes_the_engine),
    ("a_local_run_of_processes_is_what_was_asked_for", everyday::local_takes_processes),
    ("a_local_run_whose_image_is_out_of_reach_says_how_to_go_on", everyday::local_without_its_image),
    ("a_scheduler_that_was_asked_for_and_does_not_answer_is_an_error", everyday::no_engine),
    ("a_container_reaches_the_server_over_the_network_of_the_host", everyday::reaches_the_server),
    ("an_engine_that_is_away_when_the_server_starts_is_waited_for", everyday::engine_comes_later),
    ("containers_hand_files_to_each_other_and_a_list_becomes_containers", everyday::hands_files_over),
    ("an_operator_checks_the_engine_by_name", everyday::backend_check),
    ("another_image_runs_in_the_place_of_that_of_the_file", everyday::another_image),
    ("gofer_ci_checks_a_crate_in_containers", gofer_ci::checks_a_crate),
];

const WITH_REGISTRY: &[Test] =
    &[("a_client_that_follows_a_run_is_told_how_far_its_image_is", everyday::follow_shows_a_fetch)];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let engine = engine_for_tests().and_then(|engine| test_image(&engine).map(|_| engine));
    let registry = Registry::unavailable().map_or_else(|| engine.clone(), Err);
    let trials = TESTS.iter().map(|test| trial(test, &engine));
    let trials = trials.chain(WITH_REGISTRY.iter().map(|test| trial(test, &registry)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn trial(&(name, test): &Test, engine: &Result<Docker, String>) -> Trial {
    match engine {
        Ok(engine) => {
            let engine = engine.clone();
            Trial::test(name, move || test(&engine))
        }
        Err(reason) => Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true),
    }
}

/// The configuration of a server whose tasks run on this engine.
fn config(engine: &Docker, more: &str) -> String {
    format!("[scheduler]\ndefault = \"docker\"\n[scheduler.docker]\nsocket = {:?}\n{more}\n", engine.url())
}
