//! Images come from a registry, are what they are told to be, and fail in words that tell what to do.
//!
//! The registry is one on loopback, to which new images are brought through the engine itself.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that fails has failed its test, and says why"
)]

#[path = "../support/bed.rs"]
mod bed;
mod disk;
mod fetch;
#[path = "../support/fetching.rs"]
mod fetching;
mod progress;
mod prune;
mod refused;
#[path = "../support/shared.rs"]
mod shared;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use bed::trials;
use gofer_testkit::docker::{Engine, Registry};
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let lacks = Registry::unavailable();
    let shared = shared::engine().err().or(lacks.clone());
    let mut all = trials![shared;
        fetch::an_image_that_is_not_there_is_fetched_and_runs,
        fetch::an_image_that_is_there_needs_no_registry,
        fetch::always_asks_the_registry_and_takes_what_is_new,
        fetch::always_transfers_nothing_that_is_there,
        fetch::an_image_named_by_its_digest_is_that_one,
        fetch::the_digest_of_a_start_stays_over_a_restart_and_a_moved_tag,
        fetch::the_digest_of_a_start_stays_when_its_image_is_gone,
        fetch::two_fetches_of_one_image_at_once_both_succeed,
        progress::progress_grows_and_ends_at_the_total,
        progress::a_dropped_fetch_hinders_no_later_one,
        refused::a_missing_tag_and_a_missing_repository_are_no_such_image,
        refused::a_malformed_name_is_refused_before_anybody_is_asked,
        refused::a_wrong_password_is_told_apart_from_none,
        refused::the_credentials_of_a_task_win_over_the_operator_s,
        refused::the_operator_s_password_comes_from_its_file_at_each_fetch,
        refused::a_registry_that_is_down_may_be_asked_again_later,
        refused::a_registry_that_never_answers_ends_at_the_time_limit_and_frees_its_slot,
        refused::a_fetch_that_waits_its_turn_does_not_use_up_its_time,
        refused::a_password_is_in_no_message_and_not_in_the_container,
        prune::a_fetched_image_that_nobody_uses_is_removed,
        prune::an_image_that_gofer_did_not_fetch_stays,
        prune::an_image_that_was_there_before_always_stays,
        prune::an_image_that_a_container_uses_stays,
    ];
    let private = Engine::unavailable().or(lacks);
    all.extend(trials![private; disk::a_full_disk_of_the_engine_is_told_as_such]);
    libtest_mimic::run(&Arguments::from_args(), all).exit_code()
}
