//! The servers that are compared, and how each is started.
//!
//! Knows: command lines. Must not know what is measured.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::report::Report;

/// The reference: always the first server, and the one that ratios refer to.
pub(crate) const REFERENCE: &str = "bare_uring";
/// The server whose ratio is judged.
pub(crate) const JUDGED: &str = "odeon";

/// How to start a server.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// How many cores it is given: one, or all.
    pub(crate) cores: usize,
}

/// Moves bytes without looking at them, so that it is no peer of a loop that receives them.
pub(crate) const SPLICE: &str = "bare_splice";

/// The servers that the options ask for, the reference first. A proxy is told where its upstream server is.
pub(crate) fn choose(
    options: &Options,
    upstream: Option<SocketAddr>,
    report: &Report,
) -> io::Result<Vec<Server>> {
    let spin = options.spin_us.to_string();
    let to = upstream.map(|upstream| upstream.to_string());
    let to: Vec<&str> = to.iter().flat_map(|address| ["--to", address]).collect();
    let reference = [&["bare-uring", "--spin-us", &spin], &to[..]].concat();
    let mut servers = vec![own_role(REFERENCE, &reference)?];
    if options.self_check {
        servers.push(own_role("bare_uring_again", &reference)?);
    } else if options.only.is_empty() || options.only.iter().any(|name| name == JUDGED) {
        let example = if upstream.is_some() { "proxy" } else { "echo" };
        servers.extend(odeon(example, &to, options, report)?);
    }
    if upstream.is_some() {
        servers.push(own_role(SPLICE, &[&["relay", "--pipe-bytes", "262144"], &to[..]].concat())?);
        servers.push(own_role("bare_epoll", &[&["relay"], &to[..]].concat())?);
    } else {
        servers.push(own_role("bare_epoll", &["bare-epoll"])?);
    }
    let place = to.last().copied().unwrap_or("{to}");
    add(&mut servers, options, place)?;
    Ok(servers)
}

/// The judged server where peers do everything a byte at a time: one that has requests, bodies and answers, and times for them.
pub(crate) fn with_times() -> io::Result<Server> {
    own_role(JUDGED, &[JUDGED])
}

/// The servers that publish what they are sent, the reference first.
pub(crate) fn choose_publishers(options: &Options) -> io::Result<Vec<Server>> {
    let mut servers = vec![own_role(REFERENCE, &["bare-publish"])?];
    for cores in [1, 2] {
        let name = if cores == 1 { JUDGED.to_owned() } else { format!("{JUDGED}_{cores}_cores") };
        servers.push(Server { cores, ..own_role(&name, &[JUDGED, &cores.to_string()])? });
    }
    servers.push(own_role("bare_writes", &["bare-writes"])?);
    add(&mut servers, options, "{to}")?;
    Ok(servers)
}

/// Adds those of the command line, and leaves out those that it does not want. `{to}` becomes a place.
fn add(servers: &mut Vec<Server>, options: &Options, place: &str) -> io::Result<()> {
    for (name, command) in &options.added {
        let mut words = command.split_whitespace().map(|word| word.replace("{to}", place));
        let program = words.next().ok_or_else(|| io::Error::other("--server: no command"))?;
        servers.push(Server {
            name: name.clone(),
            program: program.into(),
            arguments: words.collect(),
            cores: 1,
        });
    }
    if !options.only.is_empty() {
        servers.retain(|server| server.name == REFERENCE || options.only.contains(&server.name));
    }
    Ok(())
}

/// What proxies are connected to: the cheapest echo server.
pub(crate) fn upstream() -> io::Result<Server> {
    own_role("upstream", &["bare-uring"])
}

/// A server that lives in this program.
fn own_role(name: &str, role: &[&str]) -> io::Result<Server> {
    let arguments = ["--role"].iter().chain(role).map(|word| (*word).to_owned()).collect();
    Ok(Server { name: name.to_owned(), program: env::current_exe()?, arguments, cores: 1 })
}

/// An example: built if it is out of date, taken as it is if cargo is not at hand.
fn odeon(example: &str, own: &[&str], options: &Options, report: &Report) -> io::Result<Option<Server>> {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).with_extension("rs").exists() {
        report.line(&format!("odeon: there is no examples/{example}.rs; it is left out"));
        return Ok(None);
    }
    // This program is target/PROFILE/deps/NAME-HASH.
    let current = env::current_exe()?;
    let profile =
        current.ancestors().nth(2).ok_or_else(|| io::Error::other("not started from a target directory"))?;
    let program = profile.join("examples").join(example);
    if options.build || !program.exists() {
        report.line(&format!("odeon: cargo build --release --example {example}"));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target = profile.parent().unwrap_or(profile);
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--example", example, "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()?;
        if !build.status.success() {
            report.line(&String::from_utf8_lossy(&build.stderr));
            return Err(io::Error::other("the example does not build"));
        }
    }
    let mut arguments =
        ["--listen", "127.0.0.1:0", "--cores", "1", "--backend", "uring"].map(str::to_owned).to_vec();
    arguments.extend(own.iter().map(|word| (*word).to_owned()));
    if knows_spin(&program)? {
        arguments.extend(["--spin-us".to_owned(), options.spin_us.to_string()]);
    } else {
        report.line("odeon: the example has no --spin-us, so the two sides may not spin alike: void where that matters");
    }
    Ok(Some(Server { name: JUDGED.to_owned(), program, arguments, cores: 1 }))
}

/// Whether the program's usage speaks of spinning.
fn knows_spin(program: &Path) -> io::Result<bool> {
    let usage = Command::new(program).arg("--help").output()?;
    let speaks = |text: &[u8]| String::from_utf8_lossy(text).contains("--spin-us");
    Ok(speaks(&usage.stdout) || speaks(&usage.stderr))
}
