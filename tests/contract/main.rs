//! Do the backends mean the same? One body per case, run on each of them.
//!
//! A backend that the machine refuses is skipped, and says so. On `sim` every case runs several times: once on a
//! well-behaved network, then with a different mix of accidents each time.
//!
//! Which cases hold what is asked of the data path, on sim, mio and io_uring unless said. Most drive a backend by hand; those of
//! `tests/contract/actors/` are about actors, in systems over each of the three. Files of other suites that are named hold more of the same,
//! in simulated systems or on both real backends. All of it is looked for by `tests/tidy/manual.rs`.
//!
//! | what | by |
//! |---|---|
//! | files | `what_was_written_is_read`, `a_file_is_opened_as_asked`, `a_write_and_its_sync_are_one_request`, `no_path_leads_out_of_a_directory` |
//! | connects | `a_connection_is_made_and_is_as_good_as_one_that_was_accepted`, `a_connect_that_nobody_answers_is_cancelled`, `a_connect_that_is_given_up_at_any_time_leaves_nothing`; sim alone: `a_connect_waits_for_room_in_a_backlog` |
//! | all that a handler writes is one send | `sixty_four_small_writes_of_a_handler_are_one_send` |
//! | short sends, and sends of many parts | `short_sends_continue_in_order`, `sends_of_several_slots_arrive_whole`, `an_empty_send_completes` |
//! | sends that are awaited, by a mark in all that is queued | `an_awaited_send_is_over_with_all_that_was_written_up_to_it_and_not_before`, `an_awaited_send_fails_with_its_connection`, `a_send_tells_what_a_slow_peer_lets_it_get_rid_of`, `tests/simulation/flushes.rs` |
//! | sends without a copy (on mio with one) | `counted_bytes_are_sent_whole_and_let_go_when_they_are`, `counted_bytes_are_let_go_when_their_connection_ends`, `what_is_pinned_is_released_once_and_the_next_send_does_not_wait_for_it`, `a_send_that_is_cut_short_is_released_as_well`, `slots_are_not_back_before_what_is_pinned_is_read_or_reset`, `tests/server/owned.rs` |
//! | deadlines of writes | `a_peer_that_never_reads_ends_by_the_deadline_of_writes`, `tests/server/pressure.rs` |
//! | half-closes, either way | `an_output_ends_behind_all_that_is_queued_and_reading_goes_on`, `a_stream_that_has_ended_is_still_written_to`, `a_reply_after_half_close_arrives` |
//! | ends in order, ends by a reset, deadlines | `a_close_lets_out_what_is_queued_however_late_it_is_read`, `a_close_whose_output_is_not_read_is_a_reset_when_its_time_is_over`, `a_peer_that_has_read_all_and_does_not_end_is_heard_out_for_a_time_only`, `a_close_delivers_what_was_sent`, `a_close_is_seen_while_an_older_connection_waits`, `a_close_with_reset_is_seen_as_one`, `tests/server/endings.rs`, `tests/simulation/closing.rs` |
//! | end, failure and truncation | `an_end_and_a_failure_are_told_apart_within_and_between_frames`, `a_frame_that_is_cut_short_is_no_end`, `end_failure_and_cancel_are_three_things`, `a_reset_by_the_peer_is_seen_once`, `a_send_to_a_peer_that_is_gone_fails` |
//! | frames that straddle buffers | `frames_that_straddle_buffers_come_whole_and_in_order`, `tests/simulation/assembly.rs` |
//! | bytes of a frame that are kept, on other cores as well | `bytes_of_a_frame_are_kept_and_sent_from_another_core`, `tests/server/owned.rs` |
//! | bodies of a known length | `bodies_come_whole_into_the_buffers_that_were_given`, `a_body_that_is_cut_short_hands_back_what_has_come`, `a_large_body_is_filled_bit_by_bit`, `a_cancelled_fill_loses_nothing`, `tests/server/bodies.rs` |
//! | too few receive buffers | `all_are_served_in_turn_though_there_is_one_receive_buffer`, `what_was_begun_is_whole_though_another_has_every_receive_buffer`, `a_receive_without_a_buffer_waits_and_goes_on_when_one_returns`, `a_buffer_goes_to_whoever_has_waited_longest`, `a_fill_needs_no_receive_buffer` |
//! | full queues and tables | `a_full_submission_queue_keeps_everything_in_order`, `a_burst_of_ten_thousand_completions_loses_nothing`, `a_full_socket_table_ends_the_accept_and_keeps_the_backlog`, `places_of_connections_that_were_reset_are_taken_again`, `tiny_pools_serve_a_thousand_mixed_requests` |
//! | pauses | `a_pause_hands_over_nothing_and_keeps_everything`, `a_peer_that_is_not_read_from_waits`, `a_cancelled_receive_loses_nothing`, `tests/server/pressure.rs` |
//! | forwarding to connections | `bytes_go_both_ways_between_two_that_are_tied_and_so_do_ends`, `who_does_not_read_makes_who_sends_there_wait`, `a_reset_on_one_side_is_one_on_the_other`, `tests/server/proxies.rs`, `tests/transfers/` |
//! | forwarding to files | `bodies_go_to_a_file_within_a_bound`, `a_file_has_what_came_when_its_stream_ends_or_breaks`, `a_chain_is_written`, `what_was_received_is_written_from_where_it_lies`, `tests/server/uploads.rs` |
//! | what becomes of what a slow peer has no room for | `a_peer_that_passes_the_bound_is_closed_and_no_other`, `what_finds_no_room_is_refused_and_who_writes_is_told`, `the_oldest_that_wait_are_dropped_for_the_newest`, `tests/server/slow.rs`, `tests/simulation/slow.rs` |
//! | the grace of a slow peer | `a_peer_that_is_slow_for_longer_than_its_grace_is_closed`, `who_is_slow_for_longer_than_its_grace_is_refused_until_it_has_caught_up`, `the_oldest_that_wait_are_dropped_for_the_newest` |
//! | bounds of a core | `what_many_peers_do_not_read_is_bounded_by_the_core` |
//! | regions | `blocks_of_a_region_are_read_into_and_sent_and_their_region_waits_for_that`, `a_block_is_written_and_read_back`, `what_lies_in_a_region_is_sent_byte_for_byte`, `a_region_waits_for_a_read_that_is_in_flight` |
//! | stale names | `a_stale_socket_does_not_reach_the_next_one_in_its_place`, `a_fill_of_a_stale_socket_hands_its_memory_back` |
//! | the end of a backend | `a_drain_leaves_nothing_behind`, `a_drain_takes_back_what_is_pinned`, `a_drain_ends_connects`, `a_drain_closes_files` |
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

mod actors;
mod connections;
mod connects;
mod drain;
mod endings;
mod files;
mod fills;
mod harness;
mod limits;
mod listeners;
mod pins;
mod regions;
mod sleep;
mod stale;
mod world;

/// Makes one test of every case for one harness.
macro_rules! on {
    ($harness:ty; $($file:ident { $($case:ident)* })*) => {
        $($(
            #[test]
            fn $case() {
                crate::harness::rounds::<$harness>(crate::$file::$case::<$harness>);
            }
        )*)*
    };
}

/// Makes one test of every case above the backends, for one of them.
macro_rules! above {
    ($on:expr; $($file:ident { $($case:ident)* })*) => {
        $($(
            #[test]
            fn $case() {
                crate::actors::stage::on($on, crate::actors::$file::$case);
            }
        )*)*
    };
}

/// What every backend does.
macro_rules! streams_on {
    ($harness:ty) => {
        on! { $harness;
            connections {
                an_accepted_connection_echoes
                many_connections_are_told_apart
                large_transfers_run_both_ways_at_once
                short_sends_continue_in_order
                a_send_tells_what_a_slow_peer_lets_it_get_rid_of
                an_empty_send_completes
                a_second_send_on_one_socket_is_a_bug
                a_second_receive_on_one_socket_is_a_bug
                sends_of_several_slots_arrive_whole
            }
            endings {
                a_reply_after_half_close_arrives
                a_reset_by_the_peer_is_seen_once
                a_send_to_a_peer_that_is_gone_fails
                end_failure_and_cancel_are_three_things
                a_cancelled_receive_loses_nothing
                a_cancel_with_nothing_to_cancel_answers
                a_shutdown_ends_what_is_under_way_and_then_a_close_ends_the_socket
                a_reset_ends_what_is_under_way_and_is_not_the_end_of_a_stream
                a_close_delivers_what_was_sent
                a_close_is_seen_while_an_older_connection_waits
                a_close_with_reset_is_seen_as_one
            }
            stale {
                a_stale_socket_answers_and_gives_the_chain_back
                a_stale_socket_does_not_reach_the_next_one_in_its_place
                closing_a_socket_in_use_is_a_bug
            }
            limits {
                tiny_pools_serve_a_thousand_mixed_requests
                a_receive_without_a_buffer_waits_and_goes_on_when_one_returns
                a_receive_armed_without_a_buffer_goes_on_when_one_returns
                a_buffer_goes_to_whoever_has_waited_longest
                a_receive_without_a_buffer_can_be_cancelled
                a_full_submission_queue_keeps_everything_in_order
                a_burst_of_ten_thousand_completions_loses_nothing
                a_full_socket_table_ends_the_accept_and_keeps_the_backlog
                places_of_connections_that_were_reset_are_taken_again
            }
            listeners {
                a_cancelled_accept_keeps_the_backlog
                a_closed_listener_lets_its_address_be_bound_again
                an_address_in_use_is_an_error
                sockets_of_one_address_share_the_connections
            }
            sleep {
                a_wake_from_another_thread_ends_a_sleep
                a_wake_before_a_sleep_is_not_lost
                many_wakes_leave_the_core_able_to_sleep
                no_sleep_when_something_is_ready
                a_sleep_ends_at_its_time
            }
            drain {
                a_drain_leaves_nothing_behind
                a_drain_takes_what_was_not_submitted_yet
                a_drain_of_nothing_is_nothing
            }
            pins {
                what_is_pinned_is_released_once_and_the_next_send_does_not_wait_for_it
                a_send_of_several_parts_is_released_once
                what_is_held_by_reference_is_sent_and_let_go_when_it_is_released
                a_send_that_is_cut_short_is_released_as_well
                slots_are_not_back_before_what_is_pinned_is_read_or_reset
                a_drain_takes_back_what_is_pinned
            }
        }
    };
}

macro_rules! connects_on {
    ($harness:ty) => {
        on! { $harness;
            connects {
                a_connection_is_made_and_is_as_good_as_one_that_was_accepted
                a_backend_can_connect_to_itself
                a_connect_where_nobody_listens_is_refused
                a_connect_that_nobody_answers_is_cancelled
                a_reset_of_a_new_connection_is_seen
                a_connection_comes_from_the_address_that_was_asked_for
                a_second_connect_beside_the_first_is_a_bug
                a_socket_is_connected_once_whatever_becomes_of_it
                a_socket_that_was_never_connected_is_closed
                a_full_table_has_no_room_for_a_socket
                a_drain_ends_connects
            }
        }
    };
}

/// Waiting for room in a backlog: a kernel tries again after a second at the earliest, which is too long for a test, and some
/// answer by a refusal.
macro_rules! full_backlogs_on {
    ($harness:ty) => {
        on! { $harness;
            connects {
                a_connect_waits_for_room_in_a_backlog
            }
        }
    };
}

macro_rules! fills_on {
    ($harness:ty) => {
        on! { $harness;
            fills {
                what_has_come_goes_behind_what_is_there
                a_large_body_is_filled_bit_by_bit
                no_more_is_taken_than_was_asked_for
                a_fill_takes_no_more_than_there_is_room_for
                a_fill_needs_no_receive_buffer
                the_end_of_the_stream_is_zero_bytes
                a_reset_fails_a_fill_and_hands_its_memory_back
                a_fill_that_nothing_comes_for_is_cancelled
                a_cancelled_fill_loses_nothing
                a_shutdown_ends_a_fill
                a_fill_beside_a_receive_is_a_bug
                a_fill_of_a_stale_socket_hands_its_memory_back
                a_drain_ends_fills
            }
        }
    };
}

macro_rules! files_on {
    ($harness:ty) => {
        on! { $harness;
            files {
                what_was_written_is_read
                a_chain_is_written
                a_chain_of_many_parts_is_written
                what_was_received_is_written_from_where_it_lies
                a_write_and_its_sync_are_one_request
                a_slot_is_read_into
                a_read_goes_behind_what_is_there_and_is_short_at_the_end
                a_write_beyond_the_end_leaves_zeros
                no_place_is_beyond_the_longest_file
                a_file_is_opened_as_asked
                no_path_leads_out_of_a_directory
                a_file_that_is_closed_answers_and_hands_back_what_came
                many_requests_about_one_file_are_answered_once_each
                a_full_table_has_no_room_for_a_file
                closing_a_file_in_use_is_a_bug
                a_drain_closes_files
            }
            regions {
                a_block_is_written_and_read_back
                a_block_is_read_behind_what_is_there_and_short_at_the_end
                what_lies_in_a_region_is_sent_byte_for_byte
                a_region_waits_for_a_send_whose_memory_is_still_read
                a_region_waits_for_a_block_that_is_out
                a_block_that_another_thread_drops_ends_a_sleep
                a_region_waits_for_a_read_that_is_in_flight
                there_are_no_more_regions_than_there_may_be
                a_drain_waits_for_no_block_that_somebody_keeps
            }
        }
    };
}

/// What actors do, above the backends.
macro_rules! actors_on {
    ($on:expr) => {
        above! { $on;
            sends {
                an_awaited_send_is_over_with_all_that_was_written_up_to_it_and_not_before
                an_awaited_send_fails_with_its_connection
                sixty_four_small_writes_of_a_handler_are_one_send
                counted_bytes_are_sent_whole_and_let_go_when_they_are
                counted_bytes_are_let_go_when_their_connection_ends
                blocks_of_a_region_are_read_into_and_sent_and_their_region_waits_for_that
            }
            ends {
                an_output_ends_behind_all_that_is_queued_and_reading_goes_on
                a_stream_that_has_ended_is_still_written_to
                a_close_lets_out_what_is_queued_however_late_it_is_read
                a_close_whose_output_is_not_read_is_a_reset_when_its_time_is_over
                a_peer_that_has_read_all_and_does_not_end_is_heard_out_for_a_time_only
                a_peer_that_never_reads_ends_by_the_deadline_of_writes
                a_frame_that_is_cut_short_is_no_end
                an_end_and_a_failure_are_told_apart_within_and_between_frames
                a_connect_that_is_given_up_at_any_time_leaves_nothing
            }
            frames {
                frames_that_straddle_buffers_come_whole_and_in_order
                bytes_of_a_frame_are_kept_and_sent_from_another_core
                bodies_come_whole_into_the_buffers_that_were_given
                a_body_that_is_cut_short_hands_back_what_has_come
                a_pause_hands_over_nothing_and_keeps_everything
                a_peer_that_is_not_read_from_waits
            }
            scarce {
                all_are_served_in_turn_though_there_is_one_receive_buffer
                what_was_begun_is_whole_though_another_has_every_receive_buffer
            }
            forwards {
                bytes_go_both_ways_between_two_that_are_tied_and_so_do_ends
                who_does_not_read_makes_who_sends_there_wait
                a_reset_on_one_side_is_one_on_the_other
                bodies_go_to_a_file_within_a_bound
                a_file_has_what_came_when_its_stream_ends_or_breaks
            }
            outboxes {
                a_peer_that_passes_the_bound_is_closed_and_no_other
                a_peer_that_is_slow_for_longer_than_its_grace_is_closed
                what_finds_no_room_is_refused_and_who_writes_is_told
                who_is_slow_for_longer_than_its_grace_is_refused_until_it_has_caught_up
                the_oldest_that_wait_are_dropped_for_the_newest
                what_many_peers_do_not_read_is_bounded_by_the_core
            }
        }
    };
}

mod sim {
    streams_on! { crate::harness::InSim }
    connects_on! { crate::harness::InSim }
    full_backlogs_on! { crate::harness::InSim }
    fills_on! { crate::harness::InSim }
    files_on! { crate::harness::InSim }
    actors_on! { crate::actors::stage::On::Seeds }
}

mod mio {
    streams_on! { crate::harness::InMio }
    connects_on! { crate::harness::InMio }
    fills_on! { crate::harness::InMio }
    files_on! { crate::harness::InMio }
    actors_on! { crate::actors::stage::On::Backend(odeon::BackendChoice::Mio) }
}

#[cfg(target_os = "linux")]
mod uring {
    streams_on! { crate::harness::InUring }
    connects_on! { crate::harness::InUring }
    fills_on! { crate::harness::InUring }
    files_on! { crate::harness::InUring }
    actors_on! { crate::actors::stage::On::Backend(odeon::BackendChoice::Uring) }
}
