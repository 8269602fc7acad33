//! The whole runtime on the simulated backend, seed by seed.
//!
//! Knows: scenarios, seeds, how one is repeated. Must not know real time, sockets or threads.
//!
//! A seed decides everything: the number of cores, limits, accidents, what clients and actors do, and in which order the
//! cores take their turns. What must hold whatever the scenario stands in [`world::World::finish`].
//!
//! `ODEON_SEEDS=20000 cargo test --release --test simulation` tries many; `ODEON_SEED=7` repeats one.

#[path = "simulation/asks.rs"]
mod asks;
#[path = "simulation/assembly.rs"]
mod assembly;
#[path = "simulation/bodies.rs"]
mod bodies;
#[path = "simulation/canary.rs"]
mod canary;
#[path = "simulation/chat.rs"]
mod chat;
#[path = "simulation/closing.rs"]
mod closing;
#[path = "simulation/crowd.rs"]
mod crowd;
#[path = "simulation/dials.rs"]
mod dials;
#[path = "simulation/echo.rs"]
mod echo;
#[path = "simulation/files.rs"]
mod files;
#[path = "simulation/flushes.rs"]
mod flushes;
#[path = "simulation/forwards.rs"]
mod forwards;
#[path = "simulation/intervals.rs"]
mod intervals;
#[path = "simulation/journal.rs"]
mod journal;
#[path = "simulation/late.rs"]
mod late;
#[path = "simulation/lives.rs"]
mod lives;
#[path = "simulation/messages.rs"]
mod messages;
#[path = "simulation/mixed.rs"]
mod mixed;
#[path = "simulation/play.rs"]
mod play;
#[path = "simulation/proxies.rs"]
mod proxies;
#[path = "simulation/questions.rs"]
mod questions;
#[path = "simulation/regressions.rs"]
mod regressions;
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/slow.rs"]
mod slow;
#[path = "simulation/streams.rs"]
mod streams;
#[path = "simulation/timers.rs"]
mod timers;
#[path = "simulation/uploads.rs"]
mod uploads;
#[path = "simulation/world.rs"]
mod world;

/// Runs one seed; answers what is alike in two runs of it.
type Scenario = fn(u64) -> [u64; 3];

#[test]
fn echo_loses_and_reorders_nothing() {
    seeds::each(echo::run);
}

#[test]
fn messages_keep_their_order_and_their_sum() {
    seeds::each(messages::run);
}

#[test]
fn lives_end_once_whatever_panics() {
    seeds::each(lives::run);
}

#[test]
fn a_chat_across_cores_keeps_its_order() {
    seeds::each(chat::run);
}

#[test]
fn what_actors_set_for_later_comes_in_its_time() {
    seeds::each(timers::run);
}

#[test]
fn a_crowd_is_served_within_its_limits() {
    seeds::each(crowd::run);
}

#[test]
fn every_question_has_one_outcome() {
    seeds::each(asks::run);
}

#[test]
fn what_goes_to_a_file_is_all_of_it_in_order() {
    seeds::each(uploads::run);
}

#[test]
fn streams_lose_and_reorder_nothing() {
    seeds::each(streams::run);
}

#[test]
fn slow_peers_get_whole_lines_in_order_and_what_they_miss_is_counted() {
    seeds::each(slow::run);
}

#[test]
fn bodies_are_whole_and_frames_go_on_behind_them() {
    seeds::each(bodies::run);
}

#[test]
fn a_proxy_passes_on_every_byte_or_an_end_that_is_none() {
    seeds::each(proxies::run);
}

#[test]
fn a_crowd_that_connects_is_told_the_truth() {
    seeds::each(dials::run);
}

#[test]
fn files_hold_what_was_written() {
    seeds::each(files::run);
}

#[test]
fn a_flush_is_answered_once_when_all_before_it_is_sent() {
    seeds::each(flushes::run);
}

#[test]
fn proxies_slow_readers_and_bodies_do_not_disturb_each_other() {
    seeds::each(mixed::run);
}

#[test]
fn a_seed_is_one_run() {
    // Under Miri each takes long, and the scenarios themselves are run.
    let seeds = if cfg!(miri) { 0 } else { 10 };
    for run in [
        echo::run,
        messages::run,
        lives::run,
        chat::run,
        crowd::run,
        asks::run,
        streams::run,
        slow::run,
        bodies::run,
        proxies::run,
        dials::run,
        files::run,
        flushes::run,
        mixed::run,
    ] {
        for seed in 0..seeds {
            assert_eq!(run(seed), run(seed), "two runs of seed {seed} differ");
        }
    }
}
