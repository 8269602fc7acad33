//! Real clients against the examples, which run as processes of their own: netcat, curl, wrk, and sockets of the standard
//! library.
// A test is one crate that nobody else names, and its helpers fail by panicking.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod bank;
mod chat;
mod counter;
mod echo;
mod fallback;
mod few;
mod files;
mod hello;
mod pipeline;
mod process;
mod processors;
mod proxy;
mod rooms;
mod sharded_counter;
mod smtp;
mod starting;
mod supervision;
mod workers;

/// Makes one test of every case for one backend. A backend that the machine refuses is skipped, and says so.
macro_rules! on {
    ($backend:ident: $($file:ident { $($case:ident)* })*) => {
        mod $backend {
            $(mod $file {
                $(
                    #[test]
                    fn $case() {
                        if crate::process::usable(stringify!($backend)) {
                            crate::$file::$case(stringify!($backend));
                        }
                    }
                )*
            })*
        }
    };
}

macro_rules! every_case_on {
    ($($backend:ident)*) => { $(
        on! { $backend:
            echo {
                bytes_come_back
                netcat_gets_everything_back_after_its_end
                many_clients_are_served_on_two_cores
                a_client_that_is_killed_harms_nobody
            }
            chat {
                three_netcats_talk_in_a_room
                everyone_hears_everyone_across_cores
                a_user_whose_input_ends_is_still_answered
                users_change_rooms_and_are_told_what_is_wrong
                a_burst_is_heard_in_full
                a_room_that_is_full_has_a_place_when_somebody_leaves
                a_user_who_is_killed_has_left
                the_end_of_the_chat_reaches_everyone
            }
            bank {
                netcat_moves_money
                accounts_that_cover_one_another_in_a_circle_are_told_so
                transfers_that_cross_are_done_or_refused_and_nothing_is_lost
                what_is_no_request_is_told_so
            }
            counter {
                netcat_counts_to_42
                thousands_of_requests_at_once_are_answered_in_order
                what_is_added_on_two_cores_is_summed
                what_is_no_request_is_told_so_in_its_turn
                a_client_that_vanishes_keeps_nobody_waiting
                clients_beyond_the_limit_wait_for_a_place
                requests_under_way_at_the_end_are_answered
            }
            pipeline {
                netcat_gets_a_slow_answer_before_a_fast_one
                thousands_of_requests_at_once_are_answered_in_order
                what_is_no_request_is_told_so_in_its_turn
                a_client_that_vanishes_keeps_nobody_waiting
                a_worker_that_is_busy_says_so_in_its_turn
                requests_under_way_at_the_end_are_answered
            }
            rooms {
                everybody_in_a_room_hears_every_line_in_order
                who_leaves_is_missed_by_nobody
                who_does_not_read_is_told_how_much_it_has_missed
                who_does_not_read_is_closed_where_that_is_wanted
                what_is_no_line_of_a_room_is_told_so
            }
            workers {
                thousands_of_numbers_are_answered_in_order
                many_clients_share_the_workers
                what_is_no_number_is_told_so_in_its_turn
            }
            smtp {
                a_mail_client_delivers_its_messages
                pipelined_mail_is_answered_in_order
                a_mail_client_that_vanishes_leaves_no_message
            }
            files {
                curl_gets_files_and_their_heads
                curl_gets_ranges
                curl_asks_many_times_on_one_connection
                pipelined_requests_are_answered_in_order
                no_path_leads_out_of_the_folder
                what_is_no_request_is_refused_and_nothing_behind_it_is_one
                a_head_that_takes_too_long_is_refused
                a_file_that_is_cut_short_meanwhile_resets_the_connection
                wrk_finds_no_errors
            }
            proxy {
                curl_gets_files_through_the_proxy
                curl_uploads_through_the_proxy
                wrk_finds_no_errors_through_the_proxy
                a_half_close_goes_through_the_proxy
                nobody_upstream_is_told_and_resets_the_client
                silence_ends_a_connection_of_the_proxy
                a_side_that_vanishes_is_a_reset_for_the_other
            }
            few {
                clients_of_the_proxy_wait_where_files_are_few
                clients_of_the_files_wait_where_files_are_few
            }
            starting {
                a_port_in_use_is_reported
                few_descriptors_mean_few_connections
                the_same_port_can_be_used_again_at_once
                an_interrupt_ends_an_idle_server
                a_request_to_terminate_ends_a_server_with_clients
                a_server_that_was_stopped_for_a_while_goes_on
                a_second_signal_ends_a_server_at_once
                requests_that_were_sent_in_time_are_answered
            }
        }
    )* };
}

every_case_on! { uring mio }
