//! The deliberate faults of the fake, one for each case of the suite.

mod abilities;
mod defective;
mod files;

pub use defective::Defective;

macro_rules! defects {
    ($($name:ident $doc:literal => $case:ident,)*) => {
        /// One deliberate fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Defect {
            $(#[doc = $doc] $name,)*
        }

        impl Defect {
            /// Every fault, with the case that must catch it.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, stringify!($case)),)*];
        }
    };
}

defects! {
    StartsAgain "A repeated start runs the task once more." => a_started_task_runs_once_however_often_it_is_asked_for,
    RacyStart "Looks first and starts later." => twenty_concurrent_starts_of_one_id_start_one_task,
    IgnoresDigest "Adopts whatever stands under the id." => the_same_id_with_another_digest_is_a_conflict,
    RunsEndedAgain "Starts anew what has ended." => a_start_after_the_end_is_adopted_and_runs_nothing,
    NewHandleAfterRestart "Calls an adopted task something else." => a_start_after_a_restart_is_adopted_with_the_same_handle,
    StartsBeforeItKnows "Starts first and writes down later." => a_dropped_start_leaves_at_most_one_task,
    ForgetsRemoved "Lets a removed id be started again." => a_removed_id_cannot_be_started_again,
    ForgetsNeverStarted "Does not remember the removal of what was never there." => an_id_that_was_removed_before_it_was_started_cannot_be_started,
    MissingProgramRan "Says that a missing program ended with code 127." => a_missing_program_is_told_and_never_ran,
    AcceptsNoCommand "Runs something where no command is given." => a_task_without_a_command_is_refused,
    IgnoresUnsupported "Leaves out what it cannot do." => a_part_that_cannot_be_honoured_is_refused_by_name,
    AcceptsMalformed "Leaves out what is malformed." => a_malformed_environment_or_argument_is_refused,
    LeaksEnvironment "Adds to the environment." => the_environment_is_the_given_one_and_a_path,
    ReplacesPath "Sets its own `PATH` always." => a_given_path_is_kept,
    SplitsArguments "Splits arguments at spaces." => arguments_arrive_as_given,
    DropsEntryPoint "Leaves out the entry point." => the_entry_point_stands_before_the_command,
    CheckStartsSomething "Starts a task to check itself, and leaves it." => a_check_leaves_nothing_behind,
    CutsExitCodes "Keeps seven bits of an exit code." => exit_codes_are_exact,
    SignalAsCode "Tells a signal as 128 and more." => a_signal_is_told_as_a_signal,
    OutOfMemoryAsSignal "Tells the end by memory as a signal." => the_end_by_memory_is_told_as_such,
    IgnoresMemoryLimit "Keeps no memory limit." => a_memory_limit_is_kept,
    LowersMemoryLimit "Gives less memory than it may." => a_memory_limit_does_not_hinder_a_task_below_it,
    WaitsOnce "Answers only the first wait." => a_wait_is_repeatable,
    GuessesTheEnd "Answers a wait while the task runs." => a_wait_answers_when_the_task_has_ended_and_not_before,
    LosesEndsOnRestart "Knows no end of an earlier server." => the_end_is_kept_over_a_restart,
    UnknownIsLost "Takes an unknown id for a lost task." => an_unknown_id_is_not_found,
    AlwaysStarting "Never notices that a task runs." => the_status_follows_the_life_of_the_task,
    DroppedWaitKills "Ends the task when nobody waits any more." => dropping_a_wait_or_a_reader_does_not_end_the_task,
    DropKills "Ends its tasks when it goes." => a_running_task_survives_the_server_and_is_adopted,
    GuessesEndsWhileAway "Takes every end that it did not see for a good one." => an_end_while_no_server_lives_is_told_exactly,
    ListsRunningOnly "Lists no ended tasks." => the_list_shows_running_and_ended_tasks_with_their_digests,
    ListsOwnSessionOnly "Lists nothing that an earlier server started." => the_list_after_a_restart_shows_what_was_started_before,
    SeesStrangers "Lists the tasks of all owners." => nothing_of_another_owner_is_seen_or_touched,
    RemovesRunning "Removes a running task." => a_running_task_cannot_be_removed,
    SecondRemovalFails "Knows no removed task to remove." => a_removal_forgets_and_is_repeatable,
    MixesStreams "Takes standard error for standard output." => both_streams_arrive_each_in_its_order,
    CursorsLagBehind "Gives out the cursor before a piece." => reading_on_from_any_cursor_has_no_hole_and_no_double,
    ReadsOnce "Lets a log be read once." => two_readers_see_the_same,
    LogsFromRestart "Leaves out the oldest output after a restart." => the_output_before_a_restart_is_a_prefix_of_the_output_after,
    CutsLongLines "Cuts off long pieces." => a_line_of_one_mebibyte_arrives_whole,
    ReplacesBadText "Makes text of everything." => bytes_that_are_no_text_arrive_unchanged,
    EndsAtSentinel "Ends the log where the output says so." => no_output_ends_or_forges_the_log,
    LosesTheTail "Loses the last piece." => output_right_before_the_end_is_complete,
    WaitsForLineEnds "Gives out whole lines only." => a_line_that_is_never_ended_arrives,
    NeverEndsLogs "Leaves a log open." => the_log_of_a_silent_task_ends,
    LogsAfterTheEnd "Gives out the log when the task has ended." => the_log_follows_a_running_task,
    LosesSilently "Loses pieces of a long log." => a_flood_arrives_whole_or_with_its_loss_counted,
    AcceptsAnyCursor "Reads from the start for a wrong cursor." => a_cursor_that_was_never_given_out_is_refused,
    KillsAtOnce "Never asks politely." => a_stop_asks_politely_first,
    StopDoesNothing "Answers a stop and does nothing." => a_stop_answers_once_the_task_has_ended,
    NeverKills "Asks, and waits for ever." => a_task_that_ignores_the_request_is_killed_when_its_grace_has_passed,
    ZeroGraceAsks "Asks politely even without grace." => a_grace_of_zero_kills_at_once,
    FirstStopCounts "Takes no notice of a second stop." => a_second_stop_may_shorten_the_grace,
    StopLeavesDescendants "Stops the main process only." => a_stop_ends_everything_that_the_task_started,
    EndLeavesDescendants "Lets descendants outlive the task." => the_end_of_a_task_ends_everything_that_it_started,
    StopAfterEndFails "Refuses to stop what has ended." => a_stop_after_the_end_is_ok_and_changes_nothing,
    DroppedStopForgets "Forgets to kill when nobody waits for it." => a_dropped_stop_is_still_carried_out,
    MissingImageIsThere "Says that it has an image which nobody has." => an_image_that_is_not_there_is_told_and_never_ran,
    AdoptsWithoutDigest "Tells the digest of the image at the first start only." => the_digest_of_the_image_is_told,
    ExecLosesTheCode "Ends every program inside a task well." => a_program_runs_inside_a_task_and_its_output_and_code_arrive,
    ExecMixesStreams "Takes standard error of a program for standard output." => the_standard_error_of_a_program_is_told_apart,
    ExecKeepsInputOpen "Never tells a program that its input has ended." => input_reaches_a_program_and_its_end_ends_it,
    ExecDropsEnvironment "Starts a program with an empty environment." => a_program_sees_the_environment_of_its_task_and_its_own,
    ExecRefusesMissing "Refuses a program that is not there." => a_program_that_is_not_there_ends_with_126_or_127,
    ExecRunsNothing "Runs something where no command is given." => an_exec_without_a_command_is_refused,
    ExecEndedIsUnknown "Does not know a task any more that has ended." => an_exec_into_an_ended_task_is_a_conflict,
    ExecUnknownIsEnded "Takes an unknown task for one that has ended." => an_exec_into_an_unknown_task_is_not_found,
    ExecEndsTheTask "Ends a task with the program inside it." => the_end_of_a_program_does_not_end_its_task,
    ExecOutlivesTheTask "Leaves a program open whose task has ended." => the_end_of_a_task_ends_the_programs_inside,
    LaysNothing "Says that it laid something." => laid_files_are_there_when_the_task_starts,
    LaysPlainFiles "Lays programs as files that cannot be run." => laid_files_are_whole_and_programs_stay_programs,
    LaysFirstOnly "Lays the first of several archives." => several_archives_are_laid_side_by_side,
    LaysOnTop "Lays over what was laid before." => a_second_lay_replaces_the_first_whole,
    LaysAfterStart "Lays into the work directory of a task that runs." => a_lay_after_the_start_touches_nothing,
    LaysOncePerServer "Leaves what an earlier server laid." => a_lay_after_a_restart_replaces_the_one_before,
    LaysUnderRemoved "Lays under an id that was removed." => a_lay_under_a_removed_id_is_a_conflict,
    LaysForAnyDigest "Lays for another task." => a_lay_under_another_digest_is_a_conflict,
    TakesAnyBytes "Takes everything for an archive." => what_is_no_archive_is_refused_by_name,
    LaysWithoutLimits "Lays as much as there is." => an_archive_beyond_the_limits_is_refused_by_name,
    CollidesUnnamed "Says that something is in the way, and not in whose." => a_file_where_one_is_already_is_refused_by_name,
    LaysLinks "Leaves out a link and says nothing." => a_link_in_an_archive_is_refused_by_name,
    BlamesTheArchive "Takes an archive that broke off for a bad one." => the_error_of_a_broken_archive_comes_back,
    ListsStartedOnly "Lists nothing that was only laid." => what_was_laid_and_never_started_is_listed_and_removed,
    TakesPlainFiles "Takes programs as files that cannot be run." => what_a_task_left_is_taken_as_it_is,
    TakesTheBeginning "Takes the first 64 KiB." => what_a_task_was_given_can_be_taken_again,
    TakesWithTime "Marks each archive with its number." => the_same_files_make_the_same_bytes,
    TakesWhatIsThere "Leaves out a path that is not there." => a_path_that_is_not_there_is_refused_by_name,
    TakesWithoutLimits "Takes as much as there is." => what_is_beyond_the_limits_is_not_taken,
    TakesFromRunning "Takes from a task that has not ended." => a_take_before_the_end_is_a_conflict,
    TakesNothingOfRemoved "Takes an empty archive from a task that is gone." => a_take_after_the_removal_is_not_found,
    TakesFromSuccessOnly "Takes nothing from a task that failed." => what_a_failed_task_left_is_taken_as_well,
    FollowsLinks "Takes what a link points to." => a_link_out_of_the_work_directory_is_never_followed,
    StopsOwnSessionOnly "Stops nothing that an earlier server started." => a_stop_reaches_a_task_from_before_a_restart,
}

impl Defect {
    /// Whether the fault shows only where the backend lacks capabilities.
    #[must_use]
    pub fn needs_bare_backend(self) -> bool {
        matches!(self, Self::AcceptsNoCommand | Self::IgnoresUnsupported)
    }
}
