//! Does the whole runtime keep its promises to clients of flesh and blood: systems, listeners, connection actors?
//!
//! One body per case, run on io_uring and on mio by the real kernel, with clients on threads of their own. A backend that
//! the machine refuses is skipped, and says so. Every case ends with every core's ledger back where it was and a shutdown
//! that cuts nothing off.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

mod answers;
mod child;
mod client;
mod crossfire;
mod echo;
mod endings;
mod limits;
mod load;
mod messages;
mod panics;
mod pressure;
mod process;
mod runner;
mod session;
mod soak;
mod systems;
mod timers;
mod world;

/// Makes one test of every case for one backend.
macro_rules! on {
    ($name:ident: $backend:expr; $($file:ident { $($case:ident)* })*) => {
        mod $name {
            $(mod $file {
                $(
                    #[test]
                    fn $case() {
                        crate::world::on($backend, crate::$file::$case);
                    }
                )*
            })*
        }
    };
}

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
                a_reply_after_the_end_of_the_clients_stream_arrives
                the_end_of_the_stream_may_leave_the_output_open
                the_end_comes_after_what_is_queued
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
                a_message_may_send_messages_when_it_is_dropped
                writes_of_two_activations_do_not_wait_for_the_client
                a_message_to_a_core_that_is_about_to_sleep_wakes_it
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
                a_panic_in_a_codec_ends_its_connection_only
                a_function_that_makes_actors_may_panic_when_dropped
                panics_in_handlers_and_messages_end_one_actor_each
                a_broken_invariant_below_a_handler_ends_the_process
                an_actor_that_finds_no_room_may_panic_when_dropped
            }
            answers {
                an_answer_that_is_owed_comes_after_the_end_of_the_clients_stream
                an_answer_that_is_owed_comes_before_a_close
                an_answer_that_is_owed_comes_before_a_refusal
                an_answer_that_is_owed_comes_before_a_stop
                a_shutdown_waits_for_answers_that_are_owed
                a_shutdown_reports_answers_that_did_not_come
                a_shutdown_waits_for_questions_that_wait_behind_others
                an_answer_that_never_comes_is_not_waited_for_for_ever
            }
            pressure {
                a_client_that_does_not_read_ends_alone
                a_client_that_reads_slowly_makes_itself_wait
                a_client_that_never_reads_is_not_read_from
                a_pause_keeps_what_has_arrived
                a_client_that_is_not_read_from_waits
                what_waits_for_its_reader_holds_no_receive_buffer
                what_waits_behind_a_full_mailbox_holds_no_receive_buffer
                requests_that_were_read_before_a_stop_are_answered
                clients_that_do_not_read_leave_slots_to_the_others
                a_client_that_takes_nothing_for_too_long_ends_alone
                a_client_that_reads_a_little_at_a_time_is_waited_for
                a_stop_does_not_wait_for_a_client_that_does_not_read
            }
            limits {
                whoever_comes_beyond_the_limit_waits_and_is_served
                a_newcomer_waits_until_another_ends
                whoever_comes_beyond_the_limit_is_refused
                the_limit_of_the_system_may_be_one
                a_newcomer_is_served_though_the_ways_between_cores_are_full
                whoever_gets_no_actor_gives_its_place_back
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
                systems_start_and_end_in_a_row
                a_system_may_be_dropped_with_everything_in_flight
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
            }
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
