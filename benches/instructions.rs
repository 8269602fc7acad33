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
    /// It may cost so many times as much as its twin.
    limit: Option<f64>,
}

impl Figure {
    const fn new(name: &'static str, run: fn(u64)) -> Figure {
        Figure { name, run, twin: None, limit: None }
    }

    const fn twin(self, name: &'static str) -> Figure {
        Figure { twin: Some(name), ..self }
    }

    const fn at_most(self, limit: f64) -> Figure {
        Figure { limit: Some(limit), ..self }
    }
}

const FIGURES: &[Figure] = &[
    Figure::new("tell", tells::tell),
    Figure::new("macro_tell", tells::macro_tell).twin("tell"),
    Figure::new("many_to_many", tells::many_to_many).twin("tell"),
    Figure::new("tell_1024", topics::by_loop),
    Figure::new("publish_1024", topics::by_topic).twin("tell_1024"),
    Figure::new("spawn_message_stop", tells::spawn_message_stop),
    Figure::new("ask_then", asks::one),
    Figure::new("ask_then_64", asks::many),
    Figure::new("ask_then_cross_core_64", asks::many_across),
    Figure::new("ask_await", asks::awaited),
    Figure::new("ask_await_exclusive", asks::awaited_exclusively).twin("ask_await"),
    Figure::new("ask_await_cross_core", asks::awaited_across),
    Figure::new("ask_await_exclusive_cross_core", asks::awaited_exclusively_across)
        .twin("ask_await_cross_core"),
    Figure::new("exclusive_handler", asks::exclusive_handler),
    Figure::new("task_wake", asks::task_wake),
    Figure::new("echo", echo::by_hand),
    Figure::new("macro_echo", echo::by_macro).twin("echo").at_most(1.02),
    Figure::new("line", echo::lines_by_hand),
    Figure::new("macro_line", echo::lines_by_macro).twin("line"),
    Figure::new("forward", forwards::forward),
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
    let (mut counted, mut excesses): (Vec<(&str, f64)>, Vec<String>) = (Vec::new(), Vec::new());
    for figure in FIGURES.iter().filter(chosen) {
        let (Some(once), Some(twice)) = (count(figure.name, COUNT), count(figure.name, 2 * COUNT)) else {
            eprintln!("valgrind does not count: is it installed?");
            return ExitCode::FAILURE;
        };
        let each = (twice - once) / COUNT as f64;
        let twin = counted.iter().find(|(name, _)| figure.twin == Some(*name));
        let ratio = twin.map(|(name, twin)| (name, each / twin));
        let shown = ratio.map_or(String::new(), |(name, ratio)| format!("  {ratio:6.3} x {name}"));
        println!("{:32}{each:10.1} instructions{shown}", figure.name);
        if let Some(((twin, ratio), limit)) = ratio.zip(figure.limit)
            && ratio > limit
        {
            excesses.push(format!(
                "{} takes {ratio:.3} times the instructions of {twin}, and may take {limit:.3} times as many",
                figure.name
            ));
        }
        counted.push((figure.name, each));
    }
    excesses.iter().for_each(|excess| eprintln!("{excess}"));
    if excesses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
