//! The contract (`pipelines.md`, sections 2 and 3), sentence by sentence: one test for each promise, with a table of cases in
//! it, on whole engines in virtual time. Where the engine does not keep a promise the test fails; it is never bent.
//!
//! | sentence | test |
//! |---|---|
//! | **2** Run: queued → running → one of five ends | `states::a_run_is_queued_then_running_then_at_one_of_five_ends` |
//! | Task run: waiting → pending → running → one of seven ends | `states::a_task_run_is_waiting_then_pending_then_running_then_at_one_of_seven_ends` |
//! | pending, and why: slot, image, backoff, scheduler | `states::a_task_that_is_pending_says_for_what` |
//! | pending, and why: secret | not built yet: secrets |
//! | succeeded: exit 0 | `states::succeeded_is_exit_0_and_failed_is_any_other_end_of_its_own` |
//! | failed: it ran and ended by itself with another code, a signal or out of memory | the same |
//! | errored: it never ran: image, scheduler, invalid | `states::errored_is_what_never_ran` |
//! | errored: precondition | not built yet: preconditions (what asks somebody first: `gates.rs`) |
//! | errored: secret | not built yet: secrets |
//! | lost: it ran, and what became of it cannot be known; never called failed | `states::lost_is_what_ran_to_an_end_that_nobody_knows` |
//! | timed_out: our deadline ended it | `states::what_we_ended_says_by_which_limit_by_whom_or_for_which_parent`, `time::what_ended_in_time_is_not_called_late_because_nobody_saw_it` |
//! | cancelled: somebody ended it (who and why are kept) | `states::what_we_ended_says_by_which_limit_by_whom_or_for_which_parent` |
//! | skipped: its condition can no longer hold (which parent, which state) | the same |
//! | Conditions: successful, failure, any, always | `conditions::each_condition_holds_for_the_ends_that_it_names` |
//! | A task starts when every parent is terminal and every condition holds | `conditions::a_task_starts_when_every_parent_has_ended_and_every_condition_holds` |
//! | it is skipped as soon as one cannot hold | `conditions::a_task_is_skipped_while_other_parents_still_run` |
//! | The run's end, first that applies | `conditions::the_end_of_a_run_is_the_first_rule_that_applies` |
//! | all skipped is a success | `conditions::a_run_of_which_everything_is_skipped_succeeds` |
//! | Every state carries time, cause and actor; `run explain` prints them | `states::every_state_has_a_time_a_cause_and_an_actor` |
//! | **3** Start answers after the run is durable | `start::a_run_that_was_answered_is_there_after_a_crash`, `start::a_start_is_not_answered_and_nothing_runs_before_the_run_is_on_disk` |
//! | An idempotency key makes a repeated start return the same run | `start::a_start_that_is_repeated_under_its_key_is_the_same_run`, `start::a_key_stands_for_its_arguments_and_its_pipeline` |
//! | A run records its version, variables, overrides, actor and cause | `start::a_run_records_what_it_was_asked_for_and_by_whom` |
//! | and never reads today's configuration again | `start::a_run_never_reads_todays_configuration_again` |
//! | only / from: a subset; refused before anything starts; `--with-parents` | `start::a_subset_is_run_or_refused_before_anything_starts` |
//! | image override: recorded beside the original, repeated by retry | `start::an_image_override_is_recorded_repeated_by_a_retry_and_gone_with_the_next_run` |
//! | image override: permission-gated | not built yet: permissions, which are not the engine's |
//! | `parallelism` counts runs provably alive | `queue::a_run_holds_its_place_until_it_has_ended_and_no_longer`, `queue::a_run_that_was_set_aside_holds_no_place` |
//! | `wait` keeps order | `queue::runs_that_wait_keep_their_order` |
//! | `replace` cancels the older; `refuse` answers a typed error | `queue::a_run_that_finds_no_place_waits_replaces_or_is_refused` |
//! | Limits per pipeline, namespace and server | `queue::no_more_runs_run_than_the_pipeline_the_namespace_and_the_server_allow`, `queue::a_run_for_which_there_is_no_room_to_wait_is_refused` |
//! | a task that waits says for what and in which place | `queue::a_task_that_waits_says_for_what_and_in_which_place`, `queue::a_run_that_waits_says_for_what_and_in_which_place` |
//! | Retry of a task run: a new attempt after the former is terminal or fenced | `retry::an_attempt_begins_when_nothing_is_left_of_the_former`, `retry::an_attempt_that_may_have_begun_is_fenced_before_the_next` |
//! | backoff from the list above | `retry::there_are_as_many_attempts_as_the_file_names_at_most`, `retry::only_the_ends_that_the_file_names_are_tried_again`, `retry::the_waits_between_attempts_are_those_of_the_file`, `retry::the_budget_of_attempts_is_kept_over_a_crash_at_every_commit` |
//! | the deadline of the task covers one attempt | `retry::each_attempt_has_the_whole_time_of_the_task` |
//! | the run's covers all | `retry::the_time_of_the_run_covers_all_attempts_and_all_rests` |
//! | Retry of a run: a new run with the same version, variables and overrides | `retry::a_retry_of_a_run_has_the_same_version_variables_and_overrides` |
//! | `--from-failed` reuses the results of the tasks that succeeded | `retry::a_retry_from_the_failed_tasks_executes_what_did_not_succeed_and_what_follows_it` |
//! | `--from-failed` reuses their objects | `artefacts::a_retry_is_given_what_the_tasks_that_it_does_not_repeat_left`, `fan_out::a_retry_repeats_the_one_that_failed_and_not_the_reading` |
//! | Time limits are persisted deadlines: stop, grace, kill; restart-safe | `time::a_limit_stops_and_then_kills_wherever_the_server_is_restarted`, `time::a_restart_within_the_grace_does_not_begin_another_grace`, `time::a_moment_is_left_to_a_task_whose_grace_passed_while_no_server_was_there`, `time::a_jump_of_the_wall_clock_moves_no_limit`, `time::a_jump_of_the_wall_clock_moves_no_backoff`, `time::a_jump_of_the_wall_clock_over_a_restart_moves_no_limit`, `time::a_jump_of_the_wall_clock_over_a_restart_moves_no_backoff`, `time::a_wall_clock_that_went_back_over_a_restart_prolongs_no_limit_beyond_its_length`, `time::behind_the_limit_of_the_run_only_cleanup_begins`, `time::the_limit_of_the_run_is_capped_by_the_operators` |
//! | the grace period is 5 min by default, the operator's | `time::the_grace_is_five_minutes_where_the_operator_says_nothing_else` |
//! | they keep counting while a scheduler is unreachable | `time::a_limit_keeps_counting_while_the_scheduler_is_unreachable` |
//! | Cancel is a recorded wish | `cancel::a_wish_that_was_answered_is_kept_over_a_crash`, `cancel::a_task_is_cancelled_wherever_it_stands`, `cancel::a_run_in_the_queue_is_cancelled_at_once_and_never_starts` |
//! | reached even if the scheduler is down for a while | `cancel::a_wish_is_reached_although_the_scheduler_is_down_for_a_while` |
//! | nothing new starts but `cleanup` tasks | `cancel::behind_a_cancel_only_cleanup_begins` |
//! | `force` kills at once | `cancel::force_kills_at_once` |
//! | Variables reach the container as environment | `variables::our_variables_reach_the_container` |
//! | ours win; the prefix is reserved | `variables::no_value_of_anybody_stands_against_ours` (the words of a file: `gofer-pipeline`) |
//! | `GOFER_TOKEN`, `GOFER_CA` with `inject_token` | not built yet: tokens |
//! | Precedence, lowest first: task `env_vars`, run variables, ours | `variables::run_variables_win_over_the_task_and_ours_over_both` |
//! | Objects: pipeline objects are a ring (10 keys), oldest out, the answer names the evicted one | `objects::pipeline_objects_are_a_ring_and_the_answer_names_the_one_that_went` |
//! | run objects expire with the run's age (20th newest); both really go | `objects::run_objects_expire_with_the_age_of_their_run_and_really_go` |
//! | Keys are paths of safe segments | `objects::keys_are_paths_of_safe_segments` |
//! | Sizes are limited and refused before they are read whole; upload and download stream | `objects::sizes_are_limited_and_refused_before_they_are_read_whole`, `objects::upload_and_download_stream` |
//! | Logs: kept for 20 runs by default | `logs::output_is_kept_for_the_newest_twenty_runs_by_default` |
//! | deleting them is an act with an actor | `logs::deleting_output_is_an_act_with_an_actor` |
//! | logging off means that no byte is stored and the answer says so | `logs::logging_off_means_that_no_byte_is_stored_and_the_answer_says_so` |
//! | Versions: registering makes a new immutable number, or answers "unchanged" | `versions::registering_makes_a_new_number_unless_the_content_is_the_newest`, `versions::every_change_of_the_content_is_a_change`, `versions::a_version_never_changes_and_its_number_is_never_used_again` |
//! | deploying routes runs to it | not built yet: deployments |
//! | Process scheduler: refuses a task without `command` or `script` with that reason | `states::errored_is_what_never_ran` (the rest of the two sentences: `gofer-scheduler-process`) |
//!
//! What starts a run without a person (`trigger`) is section 1 and not built yet: triggers.

mod cancel;
mod conditions;
mod help;
mod logs;
mod objects;
mod queue;
mod remote;
mod retry;
mod start;
pub(crate) mod states;
mod time;
mod variables;
mod versions;
