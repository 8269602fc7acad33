//! Does every stream arrive byte for byte, or is its end told, whatever happens on the way?
//!
//! Knows: cases, and on which backends they are run. Must not know anything of the runtime but its servers.
//!
//! Between the servers under test and plain clients stands a [proxy] of the tests' own that cuts, delays, stalls and breaks
//! connections by a plan that comes from a seed. A seed that fails is repeated by the command that it names.
//! `ODEON_SEEDS=1000 cargo test --release --test transfers` tries many; `ODEON_SOAK=1` sends a gibibyte, and
//! `ODEON_LOSSY=1` is for a network that loses packets.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

#[macro_use]
#[path = "../server/on.rs"]
mod on;

mod accidents;
mod canary;
mod plan;
mod proxy;
mod servers;
mod transfer;
mod whole;
mod wire;
#[path = "../server/world.rs"]
mod world;

macro_rules! every_case_on {
    ($name:ident: $backend:expr) => {
        on! { $name: $backend;
            whole {
                streams_arrive_though_they_are_split_at_every_byte
                streams_arrive_though_they_stall_before_any_byte
                streams_arrive_though_they_trickle
                large_streams_arrive_however_they_are_cut
                the_largest_stream_arrives_and_in_a_soak_takes_no_more_memory
            }
            accidents {
                a_reset_is_told_and_leaves_nothing
                a_half_close_leaves_the_answers_whole
                a_close_in_the_middle_is_told_and_leaves_nothing
                a_peer_that_does_not_read_for_long_gets_everything_in_the_end
                a_peer_that_never_reads_is_told_and_leaves_nothing
                whatever_happens_every_stream_arrives_or_its_end_is_told
            }
            canary { every_mistake_of_a_server_is_found }
        }
    };
}

every_case_on! { uring: odeon::BackendChoice::Uring }
every_case_on! { mio: odeon::BackendChoice::Mio }
