//! Cases that need a process of their own: another limit, another environment.
//!
//! Knows: how a case runs itself again. Must not know what for.

use std::env;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use odeon::BackendChoice;

const ROLE: &str = "ODEON_TEST_CHILD";

/// The name of a backend, as the module of its cases has it.
pub(crate) fn name(on: BackendChoice) -> &'static str {
    match on {
        BackendChoice::Uring => "uring",
        BackendChoice::Mio => "mio",
        BackendChoice::Auto => unreachable!("no cases are made for it"),
    }
}

/// What this process is to do in a case that has started it; none in the process that runs the tests.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Starts this program again with one case (its module and its name), in a role, with other limits as the shell sets them.
pub(crate) fn start(
    on: BackendChoice,
    case: &str,
    role: &str,
    limits: &str,
    variables: &[(&str, &str)],
) -> Child {
    let program = env::current_exe().expect("the program knows its own path");
    let case = format!("{}::{case}", name(on));
    Command::new("sh")
        .arg("-c")
        .arg(format!("{limits}; exec \"$0\" --exact \"$1\" --nocapture --test-threads 1"))
        .args([program.as_os_str(), case.as_ref()])
        .env(ROLE, role)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a shell")
}

/// The same; waits for its end, which must be a good one.
pub(crate) fn run(on: BackendChoice, case: &str, role: &str, limits: &str, variables: &[(&str, &str)]) {
    end(start(on, case, role, limits, variables));
}

/// The same without variables; answers what it has said on standard error.
pub(crate) fn said(on: BackendChoice, case: &str, role: &str, limits: &str) -> String {
    end(start(on, case, role, limits, &[]))
}

fn end(child: Child) -> String {
    let output = child.wait_with_output().expect("it was started");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "the case did not run:\n{said}\n{complained}");
    complained.into_owned()
}

/// How many of these lines are the runtime's own and have this part.
pub(crate) fn lines(said: &str, part: &str) -> usize {
    said.lines().filter(|line| line.starts_with("odeon: ") && line.contains(part)).count()
}

/// Said to whoever runs this, past the test runner.
pub(crate) fn report(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Runs a case by itself, and repeats what that reports of its backend, unless this is that run already: then it answers false. For
/// what must have been closed when the case looks: a child of any other case has all sockets of its process, and so listens to all
/// ports, from its fork to its exec.
pub(crate) fn apart(on: BackendChoice, case: &str) -> bool {
    let first = role().is_none();
    if first {
        let said = said(on, case, "apart", "true");
        said.lines().filter(|line| line.starts_with(name(on))).for_each(report);
    }
    first
}

/// An address at which no other process listens: a port of it that is free again is not soon somebody else's. Only Linux has
/// so many.
pub(crate) fn own_loopback() -> Ipv4Addr {
    let process = if cfg!(target_os = "linux") { std::process::id() & 0x3f_ffff } else { 1 };
    Ipv4Addr::from_bits(127 << 24 | process)
}
