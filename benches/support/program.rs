//! The program that each of these benchmarks is: a measurement, or with `--role` one of its own child processes.
//!
//! Knows: what there is to measure, and what child processes do.

use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::str::FromStr;

use super::child::Running;
use super::load::{Plan, part};
use super::options::{HELP, Options, Subject};
use super::receive_pool::Shape;
use super::report::Report;
use super::round_trip::Trips;
use super::{
    bare_epoll, bare_publish, bare_uring, bare_writes, idle, latency, load, machine, matrix, memory,
    open_loop, publish, relay, round_trip, servers, slow_peers, subscribers,
};

/// Runs the benchmark of this name as the command line says.
pub(crate) fn run(bench: &str) -> ExitCode {
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
    match Options::parse(bench, arguments) {
        Ok(options) => measure(&options).unwrap_or_else(fail),
        Err(error) => fail(io::Error::other(error)),
    }
}

fn measure(options: &Options) -> io::Result<ExitCode> {
    let report = Report::new(options.json);
    // Ends with this value.
    let upstream = match options.subject {
        Subject::Proxy => Some(Running::start_aside(&servers::upstream()?)?),
        _ => None,
    };
    let servers = match options.subject {
        Subject::Publish => servers::choose_publishers(options)?,
        _ => servers::choose(options, upstream.as_ref().map(|upstream| upstream.address), &report)?,
    };
    let correct = match options.subject {
        Subject::Echo | Subject::Proxy => matrix::run(options, &servers, &report),
        Subject::SlowPeers => slow_peers::run(options, &servers, &report),
        Subject::Publish => publish::run(options, &servers, &report),
        Subject::Latency => latency::run(options, &servers, &report),
        Subject::Memory => memory::run(&servers, &report),
    };
    Ok(if correct { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a child process does.
fn play(role: &[String]) -> io::Result<()> {
    let (name, arguments) = role.split_first().ok_or_else(|| io::Error::other("--role wants a role"))?;
    match name.as_str() {
        "bare-uring" => bare_uring::serve(
            listen("uring")?,
            option(arguments, "--to")?,
            shape(arguments)?,
            option(arguments, "--spin-us")?.unwrap_or(0),
        ),
        "bare-epoll" => bare_epoll::serve(listen("epoll")?),
        "bare-publish" => bare_publish::serve(
            listen("uring")?,
            shape(arguments)?,
            option(arguments, "--batch")?.unwrap_or(bare_publish::BATCH),
        ),
        "bare-writes" => bare_writes::serve(listen("epoll")?),
        "relay" => relay::serve(
            listen("epoll")?,
            server(option(arguments, "--to")?)?,
            option(arguments, "--pipe-bytes")?,
        ),
        "load" => {
            let seen = load::run(&Plan::parse(arguments)?)?;
            println!(
                "result {} {} {} {} {}",
                seen.bytes, seen.window_ns, seen.server_cpu_ns, seen.own_cpu_ns, seen.server_waited_ns
            );
            Ok(())
        }
        "round-trip" => tell(&round_trip::run(&Plan::parse(arguments)?)?),
        "open-loop" => open_loop::run(server(arguments.first().and_then(|text| text.parse().ok()))?),
        "subscribers" => subscribers::run(server(arguments.first().and_then(|text| text.parse().ok()))?),
        "idle" => idle::run(server(arguments.first().and_then(|text| text.parse().ok()))?),
        "never-reading" => idle::never_read(server(arguments.first().and_then(|text| text.parse().ok()))?),
        _ => Err(io::Error::other(format!("no role {name}"))),
    }
}

fn tell(trips: &Trips) -> io::Result<()> {
    println!("result {} {}", trips.p50_ns, trips.p99_ns);
    Ok(())
}

fn server(address: Option<SocketAddr>) -> io::Result<SocketAddr> {
    address.ok_or_else(|| io::Error::other("no address of a server"))
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
        buffers: option(arguments, "--buffers")?.unwrap_or(2),
        buffer_bytes: option(arguments, "--buffer-bytes")?.unwrap_or(262_144),
        incremental: option(arguments, "--incremental")?.unwrap_or(1) == 1,
    })
}

fn option<T: FromStr>(arguments: &[String], flag: &str) -> io::Result<Option<T>> {
    let value = arguments.iter().skip_while(|argument| *argument != flag).nth(1);
    value.map(|text| part(text)).transpose()
}

fn fail(error: io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
