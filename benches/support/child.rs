//! Child processes: servers on one core, loads on the other, and what they say on their output.
//!
//! Knows: starting, ending, the lines `listening on ADDR`, `result …` and `held N`. Must not know what they mean.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::load::Plan;
use super::machine::pin_to;
use super::options::{Options, Point};
use super::servers::Server;

/// Of a server that has one; others have all.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// A server that has said where it listens. Ends with this value.
pub(crate) struct Running {
    child: Child,
    /// Kept open: a server that writes more must not be ended by it.
    _output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts a server on its core and waits until it listens.
    pub(crate) fn start(server: &Server) -> io::Result<Running> {
        Running::start_on((server.cores == 1).then_some(SERVER_CORE), server)
    }

    /// The same for a server that is not measured: beside the load.
    pub(crate) fn start_aside(server: &Server) -> io::Result<Running> {
        Running::start_on(Some(LOAD_CORE), server)
    }

    fn start_on(core: Option<usize>, server: &Server) -> io::Result<Running> {
        let mut command = Command::new(&server.program);
        command.args(&server.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        pin_to(&mut command, core);
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        match listening(&mut output) {
            Ok(address) => Ok(Running { child, _output: output, address }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What a load for this server has to do.
    pub(crate) fn plan(&self, point: Point, options: &Options) -> Plan {
        Plan {
            server: self.address,
            server_pid: self.pid(),
            connections: point.connections,
            pipeline: point.pipeline,
            size: point.size,
            warm_up_ns: options.warm_up.as_nanos() as u64,
            window_ns: options.window.as_nanos() as u64,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Runs a load on its core and answers the numbers of its `result` line.
pub(crate) fn run_load(role: &str, plan: &Plan) -> io::Result<Vec<f64>> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--role", role]).args(plan.arguments()).stdin(Stdio::null()).stderr(Stdio::inherit());
    pin_to(&mut command, LOAD_CORE);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.lines().find_map(|line| line.strip_prefix("result "));
    match numbers {
        Some(numbers) if output.status.success() => numbers_of(numbers),
        _ => Err(io::Error::other("the load has failed")),
    }
}

fn numbers_of(text: &str) -> io::Result<Vec<f64>> {
    text.split_whitespace().map(|number| number.parse().map_err(io::Error::other)).collect()
}

/// A process that holds connections. Ends with this value.
pub(crate) struct Holder {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Holder {
    pub(crate) fn start(role: &str, server: SocketAddr) -> io::Result<Holder> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--role", role, &server.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        pin_to(&mut command, LOAD_CORE);
        let mut child = command.spawn()?;
        let input = child.stdin.take().expect("standard input is piped");
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Ok(Holder { child, input, output })
    }

    /// Opens connections until there are `count`.
    pub(crate) fn hold(&mut self, count: usize) -> io::Result<()> {
        writeln!(self.input, "{count}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.starts_with("held ") {
            Ok(())
        } else {
            Err(io::Error::other("connections could not be opened"))
        }
    }

    /// Has it do what a line says, and answers the numbers of its result.
    pub(crate) fn ask(&mut self, line: &str) -> io::Result<Vec<f64>> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        match answer.trim().strip_prefix("result") {
            Some(numbers) => numbers_of(numbers),
            None => Err(io::Error::other(format!("it has failed at `{line}`"))),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn listening(output: &mut BufReader<ChildStdout>) -> io::Result<SocketAddr> {
    for line in output.lines() {
        let line = line?;
        let Some((_, rest)) = line.split_once("listening on ") else { continue };
        let address = rest.split(|c: char| c.is_whitespace() || c == ',').next().unwrap_or(rest);
        return address.parse().map_err(|_| io::Error::other(format!("no address in `{line}`")));
    }
    Err(io::Error::other("the server has ended before it listened"))
}

/// Both can fail only because the process has ended by itself, which is what is wanted.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}
