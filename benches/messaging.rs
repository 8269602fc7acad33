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
#[path = "messaging/many.rs"]
mod many;
#[path = "messaging/players.rs"]
mod players;
#[path = "messaging/stage.rs"]
mod stage;
#[path = "messaging/stream.rs"]
mod stream;
#[path = "messaging/threads.rs"]
mod threads;
#[path = "messaging/timers.rs"]
mod timers;

use std::env;

use stage::Repetition;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// Levels below the root of the tree of `spawn_message_stop`: a million leaves.
const DEPTH: u32 = 6;
/// Between how many idle actors memory is compared.
const IDLE: [usize; 2] = [100_000, 1_000_000];

/// One row: its name, what it is counted in, how it is measured and how often behind once that does not count, and the bare row that it
/// is compared with.
struct Figure {
    name: &'static str,
    unit: &'static str,
    game: fn() -> Repetition,
    repetitions: usize,
    bare: Option<&'static str>,
}

const fn figure(
    name: &'static str,
    unit: &'static str,
    repetitions: usize,
    game: fn() -> Repetition,
    bare: Option<&'static str>,
) -> Figure {
    Figure { name, unit, game, repetitions, bare }
}

/// Rows that are not Odeon's: what the same work costs with nothing around it. No figures of their own, so not in the JSON.
const BARE: &[Figure] = &[
    figure("bare_ping_pong", "ns", 41, || Box::new(bare::ping_pong()), None),
    figure("bare_ask", "ns", 41, || Box::new(bare::ask()), None),
    figure("bare_ring_503", "ns", 41, || Box::new(bare::ring_503()), None),
    figure("bare_many_to_many", "ns", 41, || Box::new(bare::many_to_many()), None),
    figure("bare_stream", "ns", 21, || Box::new(threads::stream()), None),
    figure("bare_hop", "ns", 5, || Box::new(threads::hop()), None),
];

const FIGURES: &[Figure] = &[
    figure(
        "ping_pong_same_core",
        "ns",
        41,
        || Box::new(players::pass_round(1, 2, 100_000)),
        Some("bare_ping_pong"),
    ),
    figure("fan_in_same_core", "ns", 41, || Box::new(fan_in::fan_in_same_core()), Some("bare_ping_pong")),
    figure("ring_503", "ns", 41, || Box::new(players::pass_round(1, 503, 100_000)), Some("bare_ring_503")),
    figure("many_to_many", "ns", 41, || Box::new(many::many_to_many()), Some("bare_many_to_many")),
    figure("spawn_message_stop", "ns", 5, || Box::new(crowd::spawn_message_stop(DEPTH)), None),
    figure("stream_cross_core", "ns", 41, || Box::new(stream::stream_cross_core()), Some("bare_stream")),
    figure(
        "ping_pong_cross_core",
        "ns",
        15,
        || Box::new(players::pass_round(2, 2, 50_000)),
        Some("bare_hop"),
    ),
    figure("ask_then_same_core", "ns", 41, || Box::new(asks::ask(1, 50_000, 1)), Some("bare_ask")),
    figure("ask_then_same_core_64", "ns", 41, || Box::new(asks::ask(1, 50_000, 64)), Some("bare_ask")),
    figure("ask_then_cross_core", "ns", 15, || Box::new(asks::ask(2, 20_000, 1)), Some("bare_hop")),
    figure("ask_then_cross_core_64", "ns", 41, || Box::new(asks::ask(2, 50_000, 64)), Some("bare_ask")),
    figure("exclusive_handler", "ns", 41, || Box::new(futures::exclusive_handler()), Some("bare_ping_pong")),
    figure("task_wake", "ns", 41, || Box::new(futures::task_wake()), Some("bare_ping_pong")),
    figure("timer_arm", "ns", 9, || Box::new(timers::arm()), None),
    figure("timer_rearm", "ns", 21, || Box::new(timers::rearm()), None),
    figure("idle_timeout_rearm", "ns", 21, || Box::new(timers::idle_timeout_rearm()), None),
    figure("idle_actor_bytes", "bytes", 0, || Box::new(|| crowd::weigh_apart("odeon")), None),
    figure("allocations_per_tell", "allocations", 3, || Box::new(players::allocations_per_tell()), None),
    figure("allocations_per_ask", "allocations", 3, || Box::new(asks::allocations_per_ask()), None),
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // Test runners ask every target for its tests. There are none.
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    if arguments.iter().any(|argument| argument == crowd::WEIGH) {
        println!("{}", crowd::weigh(IDLE));
        return;
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let chosen = |figure: &&Figure| words.is_empty() || words.iter().any(|word| figure.name.contains(*word));
    if json {
        for figure in FIGURES.iter().filter(chosen) {
            let (value, unit) = (figure.measure(), figure.unit);
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
    let value = figure.measure();
    let ratio = bare.map_or(String::new(), |(name, bare)| format!("  {:6.2} x {name}", value / bare));
    println!("{:24}{value:10.2} {:12}{ratio}", figure.name, figure.unit);
    value
}

impl Figure {
    /// The median of the repetitions behind one that is not counted; without any, once.
    fn measure(&self) -> f64 {
        let mut repetition = (self.game)();
        let first = repetition();
        let mut values: Vec<f64> = (0..self.repetitions).map(|_| repetition()).collect();
        values.sort_by(f64::total_cmp);
        values.get(self.repetitions / 2).copied().unwrap_or(first)
    }
}
