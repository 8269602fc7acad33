//! What a message, an actor and a timer cost within one process.
//!
//! `cargo bench --bench messaging` prints a table, with a bare loop and a bare ring of the same run to compare with;
//! `-- --json` prints one line per figure, and `-- NAME` measures those only whose name contains the word. Each time is
//! the median of several repetitions behind one that is not counted, each so short that a busy machine lets most of them
//! finish undisturbed; memory is what is resident, in a process of its own.

#[path = "messaging/asks.rs"]
mod asks;
#[path = "messaging/bare.rs"]
mod bare;
#[path = "messaging/crowd.rs"]
mod crowd;
#[path = "messaging/fan_in.rs"]
mod fan_in;
#[path = "messaging/futures.rs"]
mod futures;
#[path = "messaging/heap.rs"]
mod heap;
#[path = "messaging/players.rs"]
mod players;
#[path = "messaging/stream.rs"]
mod stream;
#[path = "messaging/timers.rs"]
mod timers;

use std::env;

use odeon::prelude::*;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// One row: its name, what it is counted in, how it is measured, and the bare row that it is compared with.
struct Figure {
    name: &'static str,
    unit: &'static str,
    measure: fn() -> f64,
    bare: Option<&'static str>,
}

/// Rows that are not Odeon's: what the same work costs with nothing around it. No figures of their own, so not in the JSON.
const BARE: &[Figure] = &[
    Figure { name: "bare_ping_pong", unit: "ns", measure: bare::ping_pong, bare: None },
    Figure { name: "bare_ask", unit: "ns", measure: bare::ask, bare: None },
    Figure { name: "bare_ring_503", unit: "ns", measure: bare::ring_503, bare: None },
    Figure { name: "bare_stream", unit: "ns", measure: bare::stream, bare: None },
    Figure { name: "bare_hop", unit: "ns", measure: bare::hop, bare: None },
];

const FIGURES: &[Figure] = &[
    Figure {
        name: "ping_pong_same_core",
        unit: "ns",
        measure: players::ping_pong_same_core,
        bare: Some("bare_ping_pong"),
    },
    Figure {
        name: "fan_in_same_core",
        unit: "ns",
        measure: fan_in::fan_in_same_core,
        bare: Some("bare_ping_pong"),
    },
    Figure { name: "ring_503", unit: "ns", measure: players::ring_503, bare: Some("bare_ring_503") },
    Figure { name: "spawn_message_stop", unit: "ns", measure: crowd::spawn_message_stop, bare: None },
    Figure {
        name: "stream_cross_core",
        unit: "ns",
        measure: stream::stream_cross_core,
        bare: Some("bare_stream"),
    },
    Figure {
        name: "ping_pong_cross_core",
        unit: "ns",
        measure: players::ping_pong_cross_core,
        bare: Some("bare_hop"),
    },
    Figure { name: "ask_then_same_core", unit: "ns", measure: asks::same_core, bare: Some("bare_ask") },
    Figure { name: "ask_then_same_core_64", unit: "ns", measure: asks::same_core_64, bare: Some("bare_ask") },
    Figure { name: "ask_then_cross_core", unit: "ns", measure: asks::cross_core, bare: Some("bare_hop") },
    Figure {
        name: "ask_then_cross_core_64",
        unit: "ns",
        measure: asks::cross_core_64,
        bare: Some("bare_ask"),
    },
    Figure {
        name: "exclusive_handler",
        unit: "ns",
        measure: futures::exclusive_handler,
        bare: Some("bare_ping_pong"),
    },
    Figure { name: "task_wake", unit: "ns", measure: futures::task_wake, bare: Some("bare_ping_pong") },
    Figure { name: "timer_arm", unit: "ns", measure: timers::arm, bare: None },
    Figure { name: "timer_rearm", unit: "ns", measure: timers::rearm, bare: None },
    Figure { name: "idle_timeout_rearm", unit: "ns", measure: timers::idle_timeout_rearm, bare: None },
    Figure { name: "idle_actor_bytes", unit: "bytes", measure: crowd::idle_actor_bytes, bare: None },
    Figure {
        name: "allocations_per_tell",
        unit: "allocations",
        measure: players::allocations_per_tell,
        bare: None,
    },
    Figure {
        name: "allocations_per_ask",
        unit: "allocations",
        measure: asks::allocations_per_ask,
        bare: None,
    },
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // Test runners ask every target for its tests. There are none.
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    if arguments.iter().any(|argument| argument == crowd::WEIGH) {
        println!("{}", crowd::weigh());
        return;
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let chosen = |figure: &&Figure| words.is_empty() || words.iter().any(|word| figure.name.contains(*word));
    if json {
        for figure in FIGURES.iter().filter(chosen) {
            let (value, unit) = ((figure.measure)(), figure.unit);
            println!("{{\"figure\": \"{}\", \"value\": {value:.4}, \"unit\": \"{unit}\"}}", figure.name);
        }
        return;
    }
    let mut bare = Vec::new();
    for row in BARE.iter().filter(|row| FIGURES.iter().filter(chosen).any(|one| one.bare == Some(row.name))) {
        bare.push((row.name, print(row, None)));
    }
    for figure in FIGURES.iter().filter(chosen) {
        print(figure, bare.iter().copied().find(|(name, _)| figure.bare == Some(name)));
    }
}

fn print(figure: &Figure, bare: Option<(&str, f64)>) -> f64 {
    let value = (figure.measure)();
    let ratio = bare.map_or(String::new(), |(name, bare)| format!("  {:6.2} x {name}", value / bare));
    println!("{:24}{value:10.2} {:12}{ratio}", figure.name, figure.unit);
    value
}

/// A system with default limits but room in its mailboxes for a message to each of a million actors.
fn system(cores: usize) -> System {
    let mut config = Config::default();
    config.mailbox_bytes_max = 1 << 30;
    System::builder().cores(Cores::Count(cores)).config(config).build().expect("the machine can run a system")
}

/// The median of `count` repetitions behind one that is not counted.
fn median(count: usize, mut repetition: impl FnMut() -> f64) -> f64 {
    repetition();
    let mut values: Vec<f64> = (0..count).map(|_| repetition()).collect();
    values.sort_by(f64::total_cmp);
    values[count / 2]
}

/// Nanoseconds that `run` takes.
fn timed(run: impl FnOnce()) -> f64 {
    let start = odeon::sys::now();
    run();
    odeon::sys::now().since(start).as_nanos() as f64
}
