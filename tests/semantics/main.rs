//! Do actors keep their promises to one another: order, delivery, bounds?
//!
//! Which file holds which promise stands in the manual, `src/manual/promises.rs`. One body per case, run in simulated systems from
//! seeds, on io_uring and on mio. Every case ends with a system that holds nothing.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

#[macro_use]
#[path = "../server/on.rs"]
mod on;

mod again;
mod attach;
mod back_pressure;
mod bytes;
mod continuity;
mod cores;
mod cycles;
mod delivery;
mod draining;
mod failure;
mod incarnations;
mod intensity;
mod meddling;
mod one_at_a_time;
mod order;
mod outside;
mod overflow;
mod restarts;
mod shares;
mod shortages;
mod shutdown;
mod stash;
mod stopping;
mod storms;
mod time;
mod topics;
mod watching;
mod world;

macro_rules! every_case_on {
    ($name:ident: $on:expr) => {
        on! { $name: $on;
            again {
                a_panic_with_the_state_lent_is_one_failure
                who_has_failed_and_is_asked_to_end_before_its_turn_ends
                who_is_ended_because_another_has_failed_is_told_what_becomes_of_it
                who_gives_itself_a_name_as_it_starts_is_begun_again_and_has_it
                whoever_wants_the_state_of_one_that_is_down_is_told_so
            }
            attach {
                items_come_in_their_order_and_the_actor_goes_on_behind_them
                nothing_is_taken_while_a_handler_has_the_state
                items_and_messages_take_turns
                a_stream_ends_with_its_actor
                a_stream_ends_before_its_actor_is_begun_again
                whoever_panics_on_an_item_has_failed
                a_stream_that_panics_fails_its_actor
                an_item_may_end_its_actor
                a_stream_beyond_the_bound_fails_its_actor
                an_asynchronous_handler_has_one_item_at_a_time
                a_stream_may_be_woken_from_any_thread
            }
            cycles {
                whoever_is_asked_by_those_that_it_asks_is_found
                waits_that_cross_are_found
                a_circle_behind_one_of_two_questions_is_found_and_the_other_is_answered
                a_question_that_is_handled_already_is_not_refused_but_the_next_of_the_circle
                of_a_large_circle_eight_are_named
                nobody_is_refused_who_is_asked_by_one_that_waits_for_somebody_else
                waits_that_follow_one_another_are_no_circle
                where_nobody_asks_back_nobody_is_refused
                on_one_core_exactly_those_are_refused_that_close_a_circle
                on_several_cores_somebody_is_refused_wherever_there_was_a_circle
                whoever_gives_up_or_ends_is_in_no_circle
                a_question_held_beside_something_else_counts_as_waited_for_until_the_handler_goes_on
            }
            cores {
                a_key_belongs_to_the_same_actor_wherever_it_is_asked_for
                the_actor_that_is_here_is_on_this_core
                a_name_leads_to_its_actor_from_every_core
                a_name_is_given_once_and_has_a_type
                a_name_ends_with_its_actor
                there_are_as_many_names_as_may_be
                a_pool_takes_turns_whoever_asks
                whoever_is_least_busy_is_chosen_until_the_answer_has_come
                a_system_that_has_ended_leaves_no_names
                what_is_spawned_by_key_is_where_the_key_belongs
                what_is_spawned_on_each_core_or_in_turn_is_there_and_says_so
            }
            order {
                control_comes_first_and_every_eighth_message_is_another
                a_message_alone_at_its_priority_does_not_wait
                control_that_was_handled_long_ago_does_not_count
                what_comes_while_a_batch_is_handled_comes_before_the_rest_of_it
                questions_and_calls_have_a_priority_too
                each_priority_has_room_of_its_own
                on_its_way_from_another_core_control_has_no_room_of_its_own
                what_one_sender_sends_at_one_priority_keeps_its_order
                what_waits_when_an_actor_ends_is_counted_whatever_its_priority
            }
            overflow {
                each_policy_does_what_it_says
                a_mailbox_that_is_to_end_its_actor_does_so_and_hands_the_message_back
                a_mailbox_that_is_full_behind_a_handler_that_hangs_ends_it
                whoever_has_asked_what_has_no_room_is_told
                control_is_refused_at_its_bound_whatever_the_policy
                what_is_dropped_may_send_to_the_same_mailbox_and_is_refused
                what_panics_as_it_is_dropped_ends_nobody
                what_comes_from_another_core_meets_the_policy_where_it_arrives
            }
            stash {
                what_was_set_aside_comes_before_what_waits_by_its_priority
                no_more_is_set_aside_than_the_mailbox_holds
                what_is_set_aside_at_the_end_is_counted_and_whoever_asked_is_told
                what_was_set_aside_comes_back_at_a_restart
                whatever_is_sent_and_set_aside_comes_as_a_model_says
            }
            bytes {
                a_mailbox_is_full_when_it_weighs_so_much_already
                what_changes_while_it_waits_does_no_lasting_harm
                as_many_of_the_oldest_are_dropped_as_were_too_many
                each_priority_and_what_is_set_aside_has_a_bound_of_its_own
                the_arguments_of_a_call_count_by_their_size
                what_panics_as_it_is_weighed_is_handled_all_the_same
            }
            delivery {
                each_kind_is_told_with_its_count
                what_a_supervised_actor_fails_on_is_told
                whatever_it_comes_by_what_a_supervised_actor_fails_on_is_told_once
                what_ends_an_actor_that_nobody_begins_again_is_no_dead_letter
                what_is_not_delivered_of_dead_letters_is_only_counted
                a_subscriber_that_has_ended_is_no_harm
            }
            back_pressure {
                a_message_with_room_is_there_at_once
                whoever_waits_comes_before_whoever_does_not
                an_actor_that_ends_gives_back_what_waits
                from_wherever_it_comes_all_of_it_does_in_order
                nobody_comes_before_those_who_wait_for_a_lane
                an_asynchronous_handler_waits_for_room
                whoever_begins_to_wait_while_a_batch_is_handled_comes_next
                those_that_nobody_waits_for_any_more_are_not_kept
                a_thread_of_its_own_waits_for_room_as_well
            }
            watching {
                whoever_watches_is_told_once_and_why
                what_had_ended_before_is_told_of_at_once
                each_watch_tells_once
                a_watch_that_was_ended_tells_nothing
                a_watch_that_is_ended_when_it_has_something_to_tell_does_not
                whoever_watches_is_told_after_everything_else
                the_end_of_another_system_is_told
                none_of_many_watches_is_lost
                those_who_are_linked_end_together
                whoever_is_linked_to_the_dead_ends
                a_chain_of_links_ends_as_a_whole
                a_restart_ends_nobody_who_is_linked
                whoever_is_down_ends_with_those_that_it_is_linked_to
                whoever_links_the_same_again_has_one_link
            }
            failure {
                whoever_has_failed_is_begun_again_under_its_address_and_with_its_mailbox
                each_part_of_an_end_comes_before_the_next_beginning
                nothing_of_the_old_one_comes_to_the_new
                a_storm_of_restarts_stops_at_its_intensity
                failures_that_are_far_enough_apart_are_forgiven_without_end
                whoever_stops_is_not_begun_again
                whoever_is_down_can_be_stopped
                a_wait_before_a_restart_is_as_long_as_it_was_said
                panics_anywhere_are_failures_like_others
                a_handler_that_hangs_ends_within_its_time_and_one_turn
                all_are_begun_again_for_one
                the_rest_is_begun_again_for_one
                groups_begin_in_order_and_stop_in_reverse
                a_watch_is_told_of_the_last_end_only
                a_group_that_gives_up_is_begun_again_as_a_whole
                whoever_is_above_a_group_that_gives_up_halts_it_in_its_order
                the_end_of_patience_is_passed_on_to_the_root
                an_actor_can_have_others_supervised
                what_was_begun_first_stops_last_when_a_system_ends
                a_system_ends_whoever_is_down
            }
            intensity {
                failures_that_are_long_past_are_forgiven
                a_group_that_is_begun_again_is_forgiven_what_was_before
                after_a_quiet_time_the_wait_is_the_shortest_again
                those_who_fail_together_do_not_come_back_together
                an_interval_that_panics_is_gone_and_the_next_one_has_its_own
            }
            outside {
                what_comes_from_outside_is_handled_in_its_order
                whoever_asks_outside_may_block_for_the_answer
                a_full_inbox_is_told_and_waited_for
                whoever_waits_outside_is_told_of_the_end
            }
            shortages {
                who_waits_for_a_restart_where_there_is_no_timer_is_begun_again_at_once
                full_ways_between_cores_lose_no_restart
                what_finds_no_place_below_a_supervisor_is_refused_and_leaves_nothing
            }
            incarnations {
                what_is_under_way_ends_with_its_incarnation_and_leaves_nothing
            }
            storms {
                ten_thousand_panics_leave_nothing_and_everybody_else_is_served
            }
            shares {
                every_core_has_its_share_of_a_mailbox_that_every_core_fills
            }
            restarts {
                no_message_is_lost_or_doubled_by_a_restart
            }
            continuity {
                what_waits_at_each_priority_keeps_its_order_across_restarts
                a_name_leads_to_whoever_is_begun_again_and_ends_with_the_last
                what_an_actor_has_subscribed_to_still_comes_when_it_is_begun_again
                who_publishes_and_is_begun_again_has_no_subscribers_and_nobody_is_told
            }
            stopping {
                each_part_of_the_end_of_an_actor_comes_in_its_order
                each_part_of_the_end_of_a_supervised_actor_comes_in_its_order
            }
            draining {
                what_waits_is_handled_and_nothing_behind_it
                whoever_waits_for_room_is_heard
                one_that_has_nothing_to_do_stops_at_once
                a_handler_that_waits_finishes_before
                who_fails_meanwhile_goes_on_with_the_rest
                a_stop_and_an_abort_do_not_wait_for_the_rest
            }
            one_at_a_time {
                nothing_comes_between_the_beginning_and_the_end_of_a_handler
                concurrent_handlers_go_on_side_by_side_where_they_wait
                messages_that_wait_keep_nothing_else_waiting_that_was_begun
                a_future_that_has_the_state_borrowed_again_and_again_keeps_no_other_actor_waiting
            }
            shutdown {
                actors_that_do_not_stop_are_aborted_and_named
                a_supervised_actor_that_does_not_stop_is_counted_once
                messages_that_are_not_delivered_any_more_are_counted
                what_comes_until_the_very_end_is_handled_or_counted
                tasks_that_have_not_finished_are_dropped_and_counted
                whoever_stops_in_time_is_not_cut_off
                what_is_begun_at_the_end_keeps_nobody_and_is_cut_off
                what_an_actor_begins_as_it_ends_is_waited_for
                what_an_actor_begins_as_it_ends_has_until_the_deadline
                whoever_is_aborted_by_the_program_meanwhile_is_not_cut_off
                what_each_core_has_begun_stops_there_in_reverse
            }
            meddling { whatever_copies_and_drops_a_publication_may_use_its_own_topic }
            topics {
                each_publication_comes_to_everybody_once_and_in_order
                a_publication_is_one_message_for_each_core
                who_has_no_room_misses_it_and_is_told_how_much_and_nobody_else_does
                who_falls_behind_gets_what_comes_though_nobody_is_left_to_be_told_of_it
                who_is_told_that_it_has_missed_much_can_leave
                publications_that_wait_come_to_each_together
                who_has_room_for_one_at_a_time_misses_nothing_where_the_others_have_their_turn
                what_has_no_room_on_its_way_to_a_core_is_missed_there
                what_waits_to_be_handed_round_is_bounded_and_what_is_missed_told_at_once
                what_was_published_before_the_end_of_a_subscription_comes_and_nothing_after
                who_subscribes_anew_takes_the_place_of_whoever_was_there
                a_subscriber_that_has_ended_is_forgotten
                who_leaves_and_ends_is_taken_off_the_count_once
                who_leaves_a_busy_topic_is_forgotten_and_gets_nothing_more
                what_is_published_to_a_system_that_has_ended_is_a_dead_letter
                subscribers_that_come_and_go_take_no_memory_though_nothing_is_published
                there_are_as_many_subscriptions_as_may_be
                what_was_published_before_the_end_of_a_topic_comes_and_nothing_is_left
                a_copy_that_panics_is_missed_by_one
                a_copy_may_do_with_topics_what_it_likes
                handing_round_takes_turns_with_other_actors
                a_topic_may_be_anywhere
                a_topic_that_ends_elsewhere_than_where_it_was_subscribed_to_leaves_nothing
                what_is_overtaken_after_a_topic_has_moved_is_a_dead_letter
                by_chance_nothing_is_lost_that_nobody_knows_of
            }
        }
    };
}

every_case_on! { simulated: crate::world::On::Seeds }
every_case_on! { uring: crate::world::On::Backend(odeon::BackendChoice::Uring) }
every_case_on! { mio: crate::world::On::Backend(odeon::BackendChoice::Mio) }

macro_rules! every_case_by_the_clock_on {
    ($name:ident: $on:expr) => {
        on! { $name: $on;
            time {
                what_was_late_comes_again_a_whole_period_later
                what_was_missed_is_left_out_and_the_schedule_stays
                what_was_missed_is_made_up_for_and_the_schedule_stays
                each_of_many_timers_comes_once_and_in_the_order_of_their_times
            }
        }
    };
}

every_case_by_the_clock_on! { uring_by_the_clock: crate::world::On::Backend(odeon::BackendChoice::Uring) }
every_case_by_the_clock_on! { mio_by_the_clock: crate::world::On::Backend(odeon::BackendChoice::Mio) }
