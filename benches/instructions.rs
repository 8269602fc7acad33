//! How many instructions the runtime itself needs: for a message, a question, an actor, a request.
//!
//! `cargo bench --bench instructions` prints a table; with a name behind `--`, those rows only whose name contains it. Cores step in
//! turn on one thread with nothing beneath them, and callgrind counts: the same each time, however busy the machine is. What is
//! printed is the difference between a run and one twice as long, so what happens once does not count.

#[path = "instructions/asks.rs"]
mod asks;
#[path = "instructions/echo.rs"]
mod echo;
#[path = "instructions/forwards.rs"]
mod forwards;
#[path = "instructions/tells.rs"]
mod tells;
#[path = "instructions/topics.rs"]
mod topics;

use std::env;
use std::process::{Command, ExitCode};

use odeon::prelude::*;
use odeon::system::workbench::Workbench;

/// One row: its name, what is run so many times, and the row that it is compared with.
struct Figure {
    name: &'static str,
    run: fn(u64),
    twin: Option<&'static str>,
}

const FIGURES: &[Figure] = &[
    Figure { name: "tell", run: tells::tell, twin: None },
    Figure { name: "macro_tell", run: tells::macro_tell, twin: Some("tell") },
    Figure { name: "tell_1024", run: topics::by_loop, twin: None },
    Figure { name: "publish_1024", run: topics::by_topic, twin: Some("tell_1024") },
    Figure { name: "spawn_message_stop", run: tells::spawn_message_stop, twin: None },
    Figure { name: "ask_then", run: asks::one, twin: None },
    Figure { name: "ask_then_64", run: asks::many, twin: None },
    Figure { name: "ask_then_cross_core_64", run: asks::many_across, twin: None },
    Figure { name: "ask_await", run: asks::awaited, twin: None },
    Figure { name: "ask_await_exclusive", run: asks::awaited_exclusively, twin: Some("ask_await") },
    Figure { name: "ask_await_cross_core", run: asks::awaited_across, twin: None },
    Figure {
        name: "ask_await_exclusive_cross_core",
        run: asks::awaited_exclusively_across,
        twin: Some("ask_await_cross_core"),
    },
    Figure { name: "exclusive_handler", run: asks::exclusive_handler, twin: None },
    Figure { name: "task_wake", run: asks::task_wake, twin: None },
    Figure { name: "echo", run: echo::by_hand, twin: None },
    Figure { name: "macro_echo", run: echo::by_macro, twin: Some("echo") },
    Figure { name: "line", run: echo::lines_by_hand, twin: None },
    Figure { name: "macro_line", run: echo::lines_by_macro, twin: Some("line") },
    Figure { name: "forward", run: forwards::forward, twin: None },
];

/// The argument by which this program is told to run one row and nothing else.
const RUN: &str = "--run";
/// How often a row is run, where it is run once.
const COUNT: u64 = 20_480;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // Test runners ask every target for its tests. There are none.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if let [flag, name, count] = arguments.as_slice()
        && flag == RUN
    {
        let figure = FIGURES.iter().find(|figure| figure.name == name).expect("a row has this name");
        (figure.run)(count.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let chosen = |figure: &&Figure| words.is_empty() || words.iter().any(|word| figure.name.contains(*word));
    let mut counted: Vec<(&str, f64)> = Vec::new();
    for figure in FIGURES.iter().filter(chosen) {
        let (Some(once), Some(twice)) = (count(figure.name, COUNT), count(figure.name, 2 * COUNT)) else {
            eprintln!("valgrind does not count: is it installed?");
            return ExitCode::FAILURE;
        };
        let each = (twice - once) / COUNT as f64;
        let twin = counted.iter().find(|(name, _)| figure.twin == Some(*name));
        let ratio = twin.map_or(String::new(), |(name, twin)| format!("  {:6.3} x {name}", each / twin));
        println!("{:32}{each:10.1} instructions{ratio}", figure.name);
        counted.push((figure.name, each));
    }
    ExitCode::SUCCESS
}

/// Instructions of this program with one row, and all that is done once.
fn count(name: &str, times: u64) -> Option<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .args([RUN, name, &times.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().find_map(|line| line.split("Collected : ").nth(1))?.trim().parse().ok()
}

/// Cores without connections, with room in their mailboxes.
fn workbench(cores: usize) -> Workbench {
    let mut config = Config::default();
    config.mailbox_bytes_max = 1 << 30;
    Workbench::without_load(cores, config)
}
