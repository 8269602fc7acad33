//! Does the whole runtime keep its promises to clients of flesh and blood: systems, listeners, connection actors?
//!
//! One body per case, run on io_uring and on mio by the real kernel, with clients on threads of their own. A backend that
//! the machine refuses is skipped, and says so. Every case ends with every core's ledger back where it was and a shutdown
//! that cuts nothing off.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

mod client;
mod echo;
mod endings;
mod messages;
mod panics;
mod pressure;
mod runner;
mod session;
mod world;

/// Makes one test of every case for one backend.
macro_rules! on {
    ($name:ident: $backend:expr; $($file:ident { $($case:ident)* })*) => {
        mod $name {
            $($(
                #[test]
                fn $case() {
                    crate::world::on($backend, crate::$file::$case);
                }
            )*)*
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
            }
            panics {
                a_panic_in_a_frame_ends_its_connection_only
                a_panic_in_started_ends_its_connection_only
                a_panic_in_stopped_ends_its_connection_only
                a_panic_in_drop_ends_its_connection_only
                panics_in_a_frame_in_stopped_and_in_drop_together_end_one_connection
                a_panic_in_the_function_that_makes_actors_costs_one_connection
                panics_in_handlers_and_messages_end_one_actor_each
            }
            pressure {
                a_client_that_does_not_read_ends_alone
                a_client_that_reads_slowly_makes_itself_wait
                a_client_that_never_reads_is_not_read_from
                requests_that_were_read_before_a_stop_are_answered
            }
        }
    };
}

every_case_on! { uring: odeon::BackendChoice::Uring }
every_case_on! { mio: odeon::BackendChoice::Mio }
