//! Does the whole runtime keep its promises to clients of flesh and blood: systems, listeners, connection actors?
//!
//! One body per case, run on io_uring and on mio by the real kernel, with clients on threads of their own. A backend that
//! the machine refuses is skipped, and says so. Every case ends with every core's ledger back where it was and a shutdown
//! that cuts nothing off.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

#[macro_use]
mod on;

mod answers;
mod asks;
mod assembly;
mod bodies;
mod bustle;
mod causes;
mod child;
mod client;
mod connects;
mod crossfire;
mod deferred;
mod drops;
mod echo;
mod endings;
mod files;
mod fragile;
#[cfg(feature = "futures-io")]
mod futures_io;
mod handlers;
mod late;
mod limits;
mod load;
mod messages;
mod owned;
mod panics;
mod pressure;
mod process;
mod proxies;
mod puppet;
mod regions;
mod replies;
mod reports;
mod runner;
mod session;
mod sleeps;
mod slow;
mod soak;
mod streams;
mod suspended;
mod systems;
mod tasks;
mod timers;
mod traffic;
mod uploads;
mod ways;
mod world;

macro_rules! every_case_on {
    ($name:ident: $backend:expr) => {
        on! { $name: $backend;
            echo {
                bytes_come_back_whatever_their_number_and_however_they_are_split
                pipelined_lines_are_answered_in_order
                frames_that_straddle_buffers_are_whole
                a_frame_too_large_is_told_and_what_was_queued_arrives
                garbage_ends_its_connection_only
                many_clients_on_two_cores_are_told_apart
            }
            endings {
                whoever_watches_a_connection_is_told_once_its_socket_is_closed
                a_reply_after_the_end_of_the_clients_stream_arrives
                the_end_of_the_stream_may_leave_the_output_open
                an_output_may_end_before_the_stream_of_the_client
                the_end_comes_after_what_is_queued
                a_link_ends_a_connection_as_a_stop_does
                end_reset_and_silence_are_told_apart
                a_client_that_resets_in_the_middle_of_a_transfer_leaves_nothing
                a_thousand_connections_reset_at_once_leave_a_server_that_serves
                clients_that_are_killed_leave_nothing
            }
            messages {
                a_full_mailbox_gives_the_message_back
                a_full_mailbox_makes_the_client_wait_and_loses_nothing
                messages_to_the_stopped_come_back
                an_old_address_never_reaches_the_next_occupant
                messages_from_threads_and_cores_keep_their_order
                a_stop_comes_ahead_of_queued_messages
                an_abort_drops_what_is_queued_and_resets
                no_stop_is_lost_on_a_full_way
                a_core_whose_stops_find_no_room_sleeps_until_there_is_some
                a_message_may_send_messages_when_it_is_dropped
                writes_of_two_activations_do_not_wait_for_the_client
                a_message_to_a_core_that_is_about_to_sleep_wakes_it
            }
            late {
                a_client_that_sends_nothing_is_closed_and_others_are_not
                a_client_that_does_not_go_on_with_a_frame_or_a_body_is_closed
                whoever_does_everything_a_byte_at_a_time_is_closed_and_others_are_served
            }
            assembly {
                what_comes_in_part_is_held_within_a_bound
            }
            bodies {
                bodies_of_any_size_come_whole_and_in_order
                a_body_goes_behind_what_its_buffer_holds
                a_body_beyond_the_bound_is_refused_and_its_buffer_handed_back
                the_end_of_the_stream_within_a_body_is_told_with_what_had_come
                a_reset_within_a_body_is_told_with_what_had_come
                a_stop_within_a_body_is_told_with_what_had_come
                an_actor_that_ends_within_a_body_is_told_by_its_end
                the_end_of_the_system_within_a_body_is_told_with_all_that_was_sent
                a_stream_tells_how_its_body_ended
            }
            crossfire {
                every_core_hears_every_core_though_every_mailbox_is_full
            }
            panics {
                a_panic_in_a_frame_ends_its_connection_only
                a_panic_in_started_ends_its_connection_only
                a_panic_in_stopped_ends_its_connection_only
                a_panic_in_drop_ends_its_connection_only
                panics_in_a_frame_in_stopped_and_in_drop_together_end_one_connection
                a_panic_in_the_function_that_makes_actors_costs_one_connection
                a_panic_in_any_hook_ends_its_connection_only
                a_panic_in_a_codec_ends_its_connection_only
                a_function_that_makes_actors_may_panic_when_dropped
                panics_in_handlers_and_messages_end_one_actor_each
                a_broken_invariant_below_a_handler_ends_the_process
                a_panic_ends_the_process_where_its_actor_asks_for_that
                an_actor_that_finds_no_room_may_panic_when_dropped
            }
            reports {
                a_handler_that_fails_all_the_time_hides_no_other
                an_error_that_cannot_be_shown_ends_its_actor_and_nothing_else
                where_nothing_can_be_said_everything_else_goes_on
                messages_that_a_full_mailbox_drops_are_told_of
                what_was_held_back_is_told_without_another_failure
                a_handler_that_keeps_its_core_is_named
                a_panic_that_takes_long_to_be_told_is_named_as_such
                a_shutdown_that_takes_time_says_whom_it_waits_for
                a_core_that_is_kept_leaves_the_others_known
                whoever_runs_after_something_slow_is_not_named
                a_task_that_keeps_its_core_is_named_by_its_function
                functions_that_serve_are_named_by_where_they_are
                a_connection_for_which_there_is_no_task_is_named_by_what_was_called
            }
            causes {
                a_connection_that_ends_because_its_peer_does_not_read_is_told_of
                an_answer_that_never_fits_is_not_blamed_on_the_peer
                the_bound_that_was_met_is_named
                an_actor_that_fails_is_told_of_once
                what_follows_a_failure_is_said
                who_does_not_finish_is_told_as_the_report_counts_it
                a_codec_that_refuses_what_comes_is_told_of
                a_line_that_is_none_is_told_of_by_the_function_that_reads
                a_time_that_is_over_behind_one_that_was_survived_is_told_of
                what_an_actor_has_said_is_not_taken_for_why_another_ends
                the_handler_that_has_panicked_is_named_by_its_name
                an_actor_that_is_begun_again_is_told_of_as_one
                a_supervisor_that_gives_up_names_those_below_it
                a_place_that_is_not_filled_is_told_of_by_where_it_was_reserved
                a_handler_that_does_not_finish_in_its_time_is_named
                a_body_that_no_hook_takes_is_told_of
                a_file_that_fails_is_told_of_where_no_hook_is
                a_file_that_fails_is_told_of_where_a_hook_goes_on
                a_connection_for_which_there_is_no_actor_is_told_of
            }
            answers {
                an_answer_that_is_owed_comes_after_the_end_of_the_clients_stream
                an_answer_that_is_owed_comes_before_a_close
                an_answer_that_is_owed_comes_before_a_refusal
                an_answer_that_is_owed_comes_before_a_stop
                a_shutdown_waits_for_answers_that_are_owed
                a_shutdown_reports_answers_that_did_not_come
                a_shutdown_waits_for_questions_that_wait_behind_others
                a_shutdown_waits_for_questions_that_wait_for_a_place
                an_answer_that_never_comes_is_not_waited_for_for_ever
            }
            pressure {
                a_client_that_reads_slowly_makes_itself_wait
                a_client_that_never_reads_is_not_read_from
                what_waits_for_its_reader_holds_no_receive_buffer
                what_waits_behind_a_full_mailbox_holds_no_receive_buffer
                requests_that_were_read_before_a_stop_are_answered
                clients_that_do_not_read_leave_slots_to_the_others
                a_client_that_reads_a_little_at_a_time_is_waited_for
                a_stop_does_not_wait_for_a_client_that_does_not_read
            }
            limits {
                whoever_comes_beyond_the_limit_waits_and_is_served
                a_newcomer_waits_until_another_ends
                a_server_with_all_of_its_connections_opens_files_and_connects
                whoever_comes_beyond_the_limit_is_refused
                each_core_accepts_its_share_and_none_waits_for_one_that_is_busy
                the_limit_of_the_system_may_be_one
                a_newcomer_is_served_though_the_ways_between_cores_are_full
                whoever_gets_no_actor_gives_its_place_back
                a_listener_for_which_a_core_has_no_room_leaves_no_socket
                whoever_is_on_its_way_to_a_core_that_ends_is_closed
                two_receive_buffers_serve_a_thousand_requests
                two_send_slots_serve_a_thousand_requests
                a_submission_queue_of_two_serves_a_thousand_requests
                queues_of_a_few_entries_serve_a_thousand_clients_at_once
                everything_scarce_at_once_serves_a_thousand_requests
                who_closes_while_waiting_for_send_slots_sends_everything
                who_waits_for_send_slots_and_goes_does_not_keep_the_others_waiting
            }
            timers {
                silence_ends_a_connection_and_traffic_does_not
                an_actor_may_go_on_when_idle
                a_peer_that_never_closes_is_not_waited_for_beyond_the_deadline
                a_half_closed_peer_is_subject_to_the_idle_timeout
                a_stop_does_not_wait_for_a_silent_peer
                times_without_end_never_come
                times_of_nothing_let_everything_go_on
            }
            systems {
                several_listeners_have_codecs_of_their_own
                several_systems_live_side_by_side
                a_prompt_restart_binds_the_same_port
                a_port_in_use_is_a_typed_error
                a_limit_of_a_listener_that_cannot_be_is_a_typed_error
                a_listener_that_stops_leaves_its_connections
                a_shutdown_under_load_answers_what_was_read
                a_shutdown_serves_the_backlog
                a_shutdown_at_the_limit_serves_who_waits
                a_shutdown_counts_what_it_cuts_off
                a_shutdown_says_what_was_not_sent_and_by_whom
                a_shutdown_counts_no_listener_that_it_cuts_off
                a_shutdown_counts_no_actor_whose_core_is_busy
                systems_start_and_end_in_a_row
                messages_on_their_way_at_the_end_may_panic_when_dropped
                more_cores_than_processors_serve
                a_handler_that_asks_its_own_system_is_told_so
            }
            process {
                a_listener_survives_a_want_of_descriptors
                a_listener_that_ends_while_it_pauses_leaves_no_timer
                the_environment_chooses_the_backend
                a_limit_that_the_machine_cannot_honour_is_an_error
                the_limit_on_descriptors_bounds_the_connections
                a_write_to_a_client_that_is_gone_raises_no_signal
                a_signal_under_load_loses_no_answer
                a_second_signal_under_load_ends_the_process_at_once_and_says_what_that_cuts_off
            }
            asks {
                an_answer_comes_whichever_way_it_is_awaited
                whoever_hides_its_type_is_asked_as_well
                a_full_mailbox_refuses_the_question
                a_full_lane_refuses_the_question_and_loses_none
                too_many_tasks_refuse_the_question
                far_too_many_questions_are_refused_and_counted
                whoever_has_stopped_is_not_asked
                whoever_stops_answers_that_it_has_stopped
                whoever_ends_with_a_question_in_its_mailbox_answers_that_it_has_stopped
                an_answer_that_does_not_come_in_time_is_not_awaited_for_longer
                a_question_may_wait_for_nothing_or_for_ever
                a_question_that_is_dropped_is_not_answered
                a_question_on_which_the_asked_panics_is_told_so
                only_the_question_on_which_the_asked_panics_is_told_so
                a_core_does_not_wait
                continuations_run_between_handlers
                what_a_continuation_returns_is_what_a_handler_may_return
                questions_may_lead_to_questions_a_thousand_deep
                whoever_asks_itself_is_answered_by_the_next_handler
                what_cannot_leave_its_core_is_asked_by_local_addresses
                a_question_whose_drop_panics_ends_nobody_but_who_asks
            }
            replies {
                an_answer_may_come_later_and_from_anywhere
                a_reply_that_is_dropped_anywhere_tells_the_asker
                a_question_is_forwarded_along_a_chain
                a_question_is_forwarded_to_a_full_mailbox_and_the_asker_is_told
                the_time_of_whoever_asked_first_goes_along_with_a_question
                a_reply_closes_when_its_asker_ends_or_gives_up
                questions_that_nobody_waits_for_are_skipped_and_counted
                a_reply_finds_its_way_though_everything_is_full
                an_asker_that_ends_leaves_nothing
                a_system_that_ends_tells_whoever_waits_elsewhere
                an_answer_that_finds_no_room_is_handed_over_though_its_core_ends
                an_answer_whose_drop_panics_ends_nobody_else
            }
            tasks {
                tasks_begin_and_are_waited_for_everywhere
                a_connection_takes_the_items_of_a_stream_until_it_ends
                a_core_does_not_wait_for_a_task
                a_task_that_panics_says_so_and_harms_nobody
                a_task_is_aborted_from_anywhere_and_at_any_time
                a_task_goes_on_when_nobody_waits_for_it
                tasks_that_never_end_do_not_keep_a_system
                what_a_task_does_when_its_system_ends_is_contained
                a_hundred_thousand_tasks_run_at_once
                tasks_beyond_the_limits_are_refused
                a_storm_of_wakes_from_threads_loses_none
                a_wake_during_a_poll_is_another_poll
                tasks_that_always_go_on_do_not_keep_others_waiting
                a_waker_outlives_its_task_and_its_system
                futures_with_wakers_of_their_own_are_woken
                a_waker_that_panics_harms_nobody
            }
            sleeps {
                a_sleep_is_never_early_and_not_for_ever
                a_timeout_ends_what_takes_too_long_and_nothing_else
                whoever_finds_no_timer_is_woken_all_the_same
                a_timer_that_nobody_waits_for_is_left_to_others
                a_sleep_may_be_dropped_and_polled_anywhere
                a_sleep_wakes_whoever_polled_last
                who_waits_no_more_holds_no_timer
            }
            handlers {
                everything_waits_for_a_handler_that_borrows_the_state
                a_stop_waits_for_it_and_an_abort_does_not
                whoever_takes_too_long_is_ended_and_its_actor_fails
                a_handler_that_borrows_the_state_may_panic
                a_handler_that_never_waits_is_done_at_once
                one_at_a_time_borrows_the_state
                a_handler_for_which_there_is_no_room_is_refused_and_nothing_else
                a_handler_may_be_begun_from_anywhere_within_its_actor
                handlers_that_run_beside_others_take_turns
                futures_that_always_go_on_do_not_keep_messages_waiting
                the_state_is_lent_to_one_at_a_time_and_while_there_is_one
                whoever_panics_with_the_state_ends_the_actor
                handlers_beside_others_end_each_in_its_own_way
                a_thousand_handlers_run_at_once
                an_actor_ends_in_order
                what_a_future_drops_may_send_ask_and_answer
                a_shutdown_waits_for_nobody_but_as_long_as_it_may
            }
            suspended {
                what_had_arrived_comes_after_the_handler_and_in_order
                a_client_that_goes_on_writing_waits_and_holds_no_buffer
                a_client_that_ends_meanwhile_is_answered_and_one_that_resets_ends_it
                what_came_last_is_handled_before_the_end_is_told
                what_a_handler_writes_leaves_while_it_waits
                a_stop_waits_for_the_handler_and_an_abort_does_not
                a_shutdown_waits_for_a_handler_until_its_deadline
                a_handler_ends_its_connection_by_what_it_returns_or_by_its_time
                whoever_waits_for_a_handler_is_not_idle
                hooks_may_begin_a_handler_and_frames_wait_for_it
            }
            proxies {
                bytes_go_both_ways_at_once
                an_answer_arrives_after_a_half_close
                a_body_comes_before_what_is_forwarded
                nobody_at_the_far_side_ends_the_connection
                an_early_answer_arrives_before_the_reset_behind_it
                a_client_that_does_not_read_makes_the_far_side_wait
                silence_on_both_sides_is_idleness
                what_has_come_before_silence_arrives_and_then_both_streams_end
            }
            uploads {
                bodies_of_any_length_go_to_a_file
                a_file_ends_with_the_stream
                a_reset_in_the_middle_leaves_what_came
                a_full_disk_is_told
                a_system_that_ends_in_the_middle_has_written_what_came
            }
            connects {
                a_connection_is_a_stream
                a_connection_is_an_actor
                a_connect_where_nobody_listens_is_refused
                whoever_gets_no_task_is_told
                a_connect_that_nobody_answers_times_out
                a_connect_that_is_dropped_connects_to_nobody
                a_stream_that_nobody_takes_is_closed
                an_actor_that_nobody_takes_is_aborted
                an_outbox_has_the_bound_and_the_policy_that_were_asked_for
                whoever_was_connected_to_has_the_grace_that_was_asked_for
                a_connection_comes_from_the_source_that_was_asked_for
                limits_that_cannot_be_are_refused
                sockets_beyond_the_limit_are_refused
                the_system_ends_what_connects_and_what_is_connected
                a_system_connects_to_itself
            }
            files {
                what_is_written_is_read_back
                what_is_no_file_is_refused_or_read_and_nothing_waits_for_it
                thousands_of_reads_at_once_are_answered
                futures_that_are_dropped_leave_nothing
                a_system_is_dropped_while_files_are_used
                no_path_leads_out_of_a_directory
                parts_of_files_are_sent_in_order
                many_peers_are_sent_files_at_once
                a_file_that_ends_too_early_resets_its_connection
                a_file_that_cannot_be_read_resets_its_connection
                a_peer_that_does_not_read_holds_its_outbox_and_no_more
                what_is_sent_of_a_file_may_be_given_up
                a_peer_that_vanishes_ends_what_it_is_sent
                pipelined_requests_for_parts_are_answered_in_order
            }
            regions {
                a_file_goes_through_blocks_to_a_peer
                a_block_is_used_on_another_core
                a_region_is_removed_when_its_last_block_is_back
                a_block_is_written_while_others_wait_for_its_region_to_go
                a_region_goes_with_its_last_handle_and_its_last_block
                regions_beyond_the_limits_are_refused_and_say_why
                a_system_ends_while_blocks_are_out
            }
            owned {
                counted_bytes_arrive_whole_and_are_let_go_once_everybody_has_them
                a_connection_learns_that_the_kernel_copies_after_all
                nothing_goes_without_a_copy_where_that_is_switched_off
                counted_bytes_are_let_go_when_the_peer_never_reads_what_was_said_last
                an_owner_that_panics_as_it_is_dropped_ends_nobody
                a_stream_sends_counted_bytes_in_pieces
                all_is_copied_where_there_are_no_parts
                what_is_kept_of_a_frame_outlives_its_connection_and_its_system
            }
            slow {
                a_peer_that_reads_only_when_its_connection_has_closed_gets_everything
            }
            deferred {
                answers_leave_in_the_order_of_requests
                what_is_written_behind_a_place_waits_for_it
                whatever_ends_a_connection_in_order_waits_for_its_places
                a_place_that_is_dropped_ends_its_connection
                a_place_outlives_its_connection_and_means_nothing_then
                a_client_that_asks_faster_than_it_is_answered_waits
                more_places_than_allowed_end_the_connection
            }
            streams {
                bytes_come_back_whatever_the_sizes_of_reads_and_writes
                lines_are_read_whole_however_they_are_split
                a_line_may_be_longer_than_what_is_read_ahead
                a_write_waits_for_a_client_that_reads_slowly
                a_write_waits_for_slots_where_no_memory_is_left_either
                a_client_waits_for_a_stream_that_is_not_read
                a_reset_reaches_a_read_that_waits
                a_reset_reaches_a_write_that_waits
                a_half_closed_client_is_answered
                what_is_queued_leaves_when_a_stream_is_dropped
                a_panic_resets_its_connection_only
                an_error_ends_its_connection_in_order
                a_stream_that_is_aborted_is_reset
                a_future_that_never_ends_is_cut_off
                a_shutdown_is_the_end_of_a_stream
                what_a_shutdown_leaves_a_part_of_is_not_read_as_whole
                a_shutdown_waits_for_a_future_whose_connection_has_gone
                many_streams_leave_nothing
                a_read_that_is_given_up_loses_nothing
                silence_is_told_to_a_read_that_waits
                a_client_that_takes_nothing_is_told_to_a_write_that_waits
                halves_go_their_own_ways
                what_comes_after_the_reading_half_has_gone_is_thrown_away
                whoever_gets_no_task_is_reset
            }
            traffic {
                messages_between_many_come_once_and_in_order_and_take_no_memory
            }
            drops { a_system_may_be_dropped_with_everything_in_flight }
            soak {
                connections_that_come_and_go_leave_everything_as_it_was
                many_connections_are_open_at_once
                ten_thousand_connections_reset_at_once_leave_nothing
            }
        }
    };
}

every_case_on! { uring: odeon::BackendChoice::Uring }
every_case_on! { mio: odeon::BackendChoice::Mio }

#[cfg(feature = "futures-io")]
on! { uring_with_futures_io: odeon::BackendChoice::Uring; futures_io {
    other_libraries_read_and_write_streams
    other_libraries_do_not_take_what_a_shutdown_leaves_for_whole
} }
#[cfg(feature = "futures-io")]
on! { mio_with_futures_io: odeon::BackendChoice::Mio; futures_io {
    other_libraries_read_and_write_streams
    other_libraries_do_not_take_what_a_shutdown_leaves_for_whole
} }
