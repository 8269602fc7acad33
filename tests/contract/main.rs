//! Do the backends mean the same? One body per case, run on each of them.
//!
//! A backend that the machine refuses is skipped, and says so. On `sim` every case runs several times: once on a
//! well-behaved network, then with a different mix of accidents each time.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

mod connections;
mod drain;
mod endings;
mod harness;
mod limits;
mod listeners;
mod sleep;
mod stale;
mod world;

/// Makes one test of every case for one harness.
macro_rules! on {
    ($name:ident: $harness:ty; $($file:ident { $($case:ident)* })*) => {
        mod $name {
            $($(
                #[test]
                fn $case() {
                    crate::harness::rounds::<$harness>(crate::$file::$case::<$harness>);
                }
            )*)*
        }
    };
}

macro_rules! every_case_on {
    ($name:ident: $harness:ty) => {
        on! { $name: $harness;
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
                a_receive_without_a_buffer_can_be_cancelled
                a_full_submission_queue_keeps_everything_in_order
                a_full_socket_table_ends_the_accept_and_keeps_the_backlog
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
        }
    };
}

every_case_on! { sim: crate::harness::InSim }
every_case_on! { mio: crate::harness::InMio }
#[cfg(target_os = "linux")]
every_case_on! { uring: crate::harness::InUring }
