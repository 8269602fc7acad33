//! Messages and actors within a process, as several runtimes manage them on one core: one table of one run.
//!
//! Knows: the rows that all of them have, and in which order they take turns. Must not know how anybody plays.
//!
//! `messaging` prints for each row the median of every runtime, with the ratio to Odeon's of the same rounds and its 95 % interval, the bare
//! loop first; `--json` prints one line per figure, `--rounds N` changes how many, and `NAME` measures those rows only whose name
//! contains the word. In every round each of them plays once, beginning with another one; the first round is not counted. Memory is what
//! is resident, in a process of its own for each.
//!
//! Odeon's rows and the bare ones are those of `cargo bench --bench messaging`, from the same files, but for the sizes: a tree of 11,111
//! actors instead of a million, and memory between 20,000 and 200,000 of them, since some need milliseconds and kilobytes for a thing
//! of which Odeon needs nanoseconds and bytes. Odeon plays longer in some rows, and keeps its actors from one round to the next, where
//! the others spawn theirs before each: that is not in any figure.
//!
//! Everybody plays on one thread, with bounded mailboxes that never fill, and sends without waiting where that is what is cheapest:
//! tokio's tasks and channels in a `LocalSet` on a runtime of one thread; kameo's and ractor's actors, spawned by their own functions, on
//! such a runtime, without tracing and spans; ractor's mailboxes have no bound; actix has an arbiter. Run it by `taskset -c 0`.

// What is measured beside reads the clock by itself.
#![allow(clippy::disallowed_methods)]

mod actix;
#[path = "../../../../messaging/asks.rs"]
mod asks;
#[path = "../../../../messaging/bare.rs"]
mod bare;
#[path = "../../../../messaging/crowd.rs"]
mod crowd;
#[path = "../../../../messaging/fan_in.rs"]
mod fan_in;
#[path = "../../../../messaging/heap.rs"]
mod heap;
mod kameo;
#[path = "../../../../messaging/many.rs"]
mod many;
mod odeon;
#[path = "../../../../messaging/players.rs"]
mod players;
mod ractor;
#[path = "../../../../support/report.rs"]
mod report;
#[path = "../../../../messaging/stage.rs"]
mod stage;
#[path = "../../../../support/stats.rs"]
mod stats;
mod tokio;

use std::env;

use report::Report;
use stage::Repetition;
use stats::Estimate;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// Between how many idle actors memory is compared.
const IDLE: [usize; 2] = [20_000, 200_000];
/// Levels below the root of the tree of `spawn_message_stop`.
const DEPTH: u32 = 4;
/// Messages of one repetition.
const MESSAGES: u64 = 50_000;
const RING: usize = 503;
const GUESTS: usize = 64;
const PRODUCERS: u64 = 16;
/// Messages of one producer in a round of `fan_in_same_core`.
const BURST: u64 = 64;
/// And of all: as many as a mailbox holds.
const ROUND: u64 = PRODUCERS * BURST;

/// How one of the runtimes plays.
struct Games {
    name: &'static str,
    ping_pong_same_core: fn() -> Repetition,
    fan_in_same_core: fn() -> Repetition,
    ask_same_core: fn() -> Repetition,
    ring_503: fn() -> Repetition,
    many_to_many: fn() -> Repetition,
    spawn_message_stop: fn() -> Repetition,
    /// Apart from its own count: everybody else plays on the thread that counts here.
    allocations: Option<[fn() -> Repetition; 2]>,
    idle_actor_bytes: fn() -> f64,
}

/// Allocations of each message of a game that is played on this thread.
fn counted(mut game: Repetition) -> Repetition {
    Box::new(move || {
        let before = heap::allocations();
        game();
        (heap::allocations() - before) as f64 / MESSAGES as f64
    })
}

const ALL: [Games; 5] = [odeon::GAMES, actix::GAMES, kameo::GAMES, ractor::GAMES, tokio::GAMES];

struct Row {
    name: &'static str,
    unit: &'static str,
    of: fn(&Games) -> Repetition,
    bare: Option<fn() -> Repetition>,
}

const ROWS: [Row; 8] = [
    Row {
        name: "ping_pong_same_core",
        unit: "ns",
        of: |games| (games.ping_pong_same_core)(),
        bare: Some(|| Box::new(bare::ping_pong())),
    },
    Row {
        name: "fan_in_same_core",
        unit: "ns",
        of: |games| (games.fan_in_same_core)(),
        bare: Some(|| Box::new(bare::ping_pong())),
    },
    Row {
        name: "ask_same_core",
        unit: "ns",
        of: |games| (games.ask_same_core)(),
        bare: Some(|| Box::new(bare::ask())),
    },
    Row {
        name: "ring_503",
        unit: "ns",
        of: |games| (games.ring_503)(),
        bare: Some(|| Box::new(bare::ring_503())),
    },
    Row {
        name: "many_to_many",
        unit: "ns",
        of: |games| (games.many_to_many)(),
        bare: Some(|| Box::new(bare::many_to_many())),
    },
    Row { name: "spawn_message_stop", unit: "ns", of: |games| (games.spawn_message_stop)(), bare: None },
    Row {
        name: "allocations_per_tell",
        unit: "allocations",
        of: |games| games.allocations.map_or_else(|| counted((games.ping_pong_same_core)()), |own| own[0]()),
        bare: None,
    },
    Row {
        name: "allocations_per_ask",
        unit: "allocations",
        of: |games| games.allocations.map_or_else(|| counted((games.ask_same_core)()), |own| own[1]()),
        bare: None,
    },
];

/// One that takes turns.
struct Player {
    name: &'static str,
    play: Repetition,
    values: Vec<f64>,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let after = |flag| arguments.iter().skip_while(|word| *word != flag).nth(1);
    if let Some(whose) = after(crowd::WEIGH) {
        let games = ALL.iter().find(|games| games.name == whose).expect("a runtime that is known");
        println!("{}", (games.idle_actor_bytes)());
        return;
    }
    let rounds = after("--rounds").map_or(21, |count| count.parse().expect("--rounds wants a number"));
    let report = Report::new(arguments.iter().any(|argument| argument == "--json"));
    let words = || arguments.iter().filter(|word| !word.starts_with("--") && word.parse::<u64>().is_err());
    let chosen = |name: &str| words().next().is_none() || words().any(|word| name.contains(word.as_str()));
    for row in ROWS.iter().filter(|row| chosen(row.name)) {
        play(row, rounds, &report);
    }
    if chosen("idle_actor_bytes") {
        weigh(&report);
    }
}

fn play(row: &Row, rounds: usize, report: &Report) {
    let player = |name, play: Repetition| Player { name, play, values: Vec::new() };
    let bare = row.bare.map(|game| player("bare", game()));
    let runtimes = ALL.iter().map(|games| player(games.name, (row.of)(games)));
    let mut players: Vec<Player> = bare.into_iter().chain(runtimes).collect();
    for round in 0..=rounds {
        for turn in 0..players.len() {
            let index = (round + turn) % players.len();
            let value = (players[index].play)();
            if round > 0 {
                players[index].values.push(value);
            }
        }
    }
    report.line(&format!("\n{}, {}", row.name, row.unit));
    let odeon = players.iter().find(|player| player.name == odeon::GAMES.name).expect("it plays");
    for Player { name, values, .. } in &players {
        let own = Estimate::of(values.iter().copied());
        let ratio = Estimate::of(values.iter().zip(&odeon.values).map(|(own, odeon)| own / odeon));
        // Who allocates nothing can be compared with nobody.
        let compared = if ratio.median.is_finite() && row.unit == "ns" {
            format!("   {:.2} [{:.2}, {:.2}] x odeon", ratio.median, ratio.low, ratio.high)
        } else {
            String::new()
        };
        report.line(&format!("  {name:<8} {:>10.2}{compared}", own.median));
        report.figure(&format!("{}/{name}", row.name), own.median, row.unit);
    }
}

fn weigh(report: &Report) {
    report.line("\nidle_actor_bytes");
    for games in &ALL {
        let bytes = crowd::weigh_apart(games.name);
        report.line(&format!("  {:<8} {bytes:>10.0}", games.name));
        report.figure(&format!("idle_actor_bytes/{}", games.name), bytes, "bytes");
    }
}
