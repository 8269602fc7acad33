//! How an echo server on Odeon compares with the barest loops that Linux allows, in the same minutes on the same cores.
//!
//! `cargo bench --bench echo` measures the CPU time that a server needs per request; `-- --help` tells what else there is.
//! Servers run on core 0, loads on core 1, both as child processes; a load verifies every byte. Pairs are interleaved
//! and the median of their ratios is reported with its 95 % interval.

#[path = "support/mod.rs"]
mod support;

use std::env;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use support::load::Plan;
use support::options::{HELP, Options, Subject};
use support::receive_pool::Shape;
use support::report::Report;
use support::{bare_epoll, bare_uring, idle, latency, load, machine, matrix, memory, round_trip, servers};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some((flag, role)) = arguments.split_first()
        && flag == "--role"
    {
        return play(role).map_or_else(fail, |()| ExitCode::SUCCESS);
    }
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    // Test runners ask every target for its tests. There are none.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    match Options::parse(arguments) {
        Ok(options) => measure(&options).unwrap_or_else(fail),
        Err(error) => fail(io::Error::other(error)),
    }
}

fn measure(options: &Options) -> io::Result<ExitCode> {
    let report = Report::new(options.json);
    let servers = servers::choose(options, &report)?;
    let correct = match options.subject {
        Subject::Matrix => matrix::run(options, &servers, &report),
        Subject::Latency => latency::run(options, &servers, &report),
        Subject::Memory => memory::run(&servers, &report),
    };
    Ok(if correct { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a child process does.
fn play(role: &[String]) -> io::Result<()> {
    let (name, arguments) = role.split_first().ok_or_else(|| io::Error::other("--role wants a role"))?;
    match name.as_str() {
        "bare-uring" => {
            bare_uring::serve(listen("uring")?, shape(arguments)?, option(arguments, "--spin-us", 0)?)
        }
        "bare-epoll" => bare_epoll::serve(listen("epoll")?),
        "load" => {
            let seen = load::run(&Plan::parse(arguments)?)?;
            println!(
                "result {} {} {} {} {}",
                seen.bytes, seen.window_ns, seen.server_cpu_ns, seen.own_cpu_ns, seen.server_waited_ns
            );
            Ok(())
        }
        "round-trip" => {
            let trips = round_trip::run(&Plan::parse(arguments)?)?;
            println!("result {} {}", trips.p50_ns, trips.p99_ns);
            Ok(())
        }
        "idle" => idle::run(
            arguments.first().and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?,
        ),
        _ => Err(io::Error::other(format!("no role {name}"))),
    }
}

fn listen(backend: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    machine::prepare_listener(&listener)?;
    println!("listening on {} ({backend}, 1 cores)", listener.local_addr()?);
    Ok(listener)
}

/// How the receive pool of the bare loop is cut.
///
/// Two large buffers that the kernel fills bit by bit stay in the second-level cache until their bytes are sent: at
/// 256 KiB a message that is a third cheaper than 2 MiB in 32 buffers, and below 16 KiB it makes no difference.
fn shape(arguments: &[String]) -> io::Result<Shape> {
    Ok(Shape {
        buffers: option(arguments, "--buffers", 2)? as u16,
        buffer_bytes: option(arguments, "--buffer-bytes", 262_144)? as u32,
        incremental: option(arguments, "--incremental", 1)? == 1,
    })
}

fn option(arguments: &[String], flag: &str, default: u64) -> io::Result<u64> {
    match arguments.iter().skip_while(|argument| *argument != flag).nth(1) {
        Some(value) => value.parse().map_err(io::Error::other),
        None => Ok(default),
    }
}

fn fail(error: io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
