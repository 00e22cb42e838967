//! A container is what a guest that is not trusted may have, as the engine itself sees it; and tasks get what they ask for.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that fails has failed its test, and says why"
)]

#[path = "../support/bed.rs"]
mod bed;
mod files;
mod guest;
mod leftovers;
mod limits;
#[path = "../support/shared.rs"]
mod shared;
#[path = "../support/mod.rs"]
mod support;
mod task;

use std::process::ExitCode;

use bed::trials;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let ignored = shared::engine().err();
    let all = trials![ignored;
        guest::the_engine_gives_a_guest_no_more_than_it_needs,
        guest::a_read_only_root_takes_no_file_and_has_a_place_for_some,
        guest::a_task_has_no_capability_and_cannot_get_one,
        task::the_user_is_the_task_s_before_the_operator_s_before_the_image_s,
        task::a_directory_is_absolute_or_below_the_image_s,
        task::an_image_s_own_entry_point_and_command_run,
        task::a_command_replaces_the_image_s_and_keeps_its_entry_point,
        task::a_large_environment_arrives_whole,
        task::a_variable_that_the_kernel_does_not_take_is_refused_by_name,
        files::files_lie_and_are_found_where_the_task_works,
        files::a_user_with_a_number_can_change_what_was_laid_and_any_can_read_it,
        files::nothing_of_the_image_is_overwritten_or_followed,
        files::a_directory_that_became_a_link_is_not_reached_through,
        files::several_names_of_one_file_are_taken_as_files,
        files::a_read_only_root_is_given_no_files_and_says_so,
        files::a_dropped_lay_leaves_nothing_in_the_next,
        limits::a_task_cannot_have_more_processes_than_its_limit,
        limits::a_process_cannot_open_more_files_than_its_limit,
        limits::orphans_are_reaped,
        leftovers::what_was_created_and_never_ran_is_listed_and_removed,
        leftovers::what_was_created_and_never_ran_is_run_by_the_next_start,
        leftovers::the_program_of_ours_is_at_the_engine_once,
        leftovers::what_is_not_ours_stays_as_it_is,
    ];
    libtest_mimic::run(&Arguments::from_args(), all).exit_code()
}
