//! How many cores a server has that was not told a number: as many as its process may use.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use odeon::sys::allowed_processors;

use crate::process::{Server, example, installed};

/// The echo server, started through a command that restricts it.
fn start_through(restriction: &mut Command) -> Server {
    Server::start_command(restriction.arg(example("echo")).args([
        "--listen",
        "127.0.0.1:0",
        "--backend",
        "mio",
    ]))
}

/// Expects that the server has so many cores.
fn has_cores(server: Server, expected: &str) {
    assert!(server.banner.ends_with(&format!(" {expected})")), "{}", server.banner);
    server.stop("TERM");
}

#[test]
fn a_server_has_a_core_for_each_processor_that_it_may_run_on() {
    if !installed("taskset") {
        return;
    }
    let processors = allowed_processors().unwrap();
    for processor in [processors.first(), processors.last()].into_iter().flatten() {
        has_cores(start_through(Command::new("taskset").args(["-c", &processor.to_string()])), "1 core");
    }
    if let [first, .., last] = processors[..] {
        has_cores(start_through(Command::new("taskset").args(["-c", &format!("{first},{last}")])), "2 cores");
    }
}

/// What shows a process its control group: the content of `/proc/self/cgroup`, and of files below `/sys/fs/cgroup`.
type Group = (&'static str, &'static [(&'static str, &'static str)]);

/// Half as much again as one processor, in both ways in which kernels have said it; and no bound.
const QUOTAS: [(Group, bool); 3] = [
    (("0::/some", &[("some/cgroup.controllers", "cpu"), ("some/cpu.max", "150000 100000")]), true),
    (("4:cpu:/", &[("cpu/cpu.cfs_quota_us", "150000"), ("cpu/cpu.cfs_period_us", "100000")]), true),
    (("0::/some", &[("some/cgroup.controllers", "cpu"), ("some/cpu.max", "max 100000")]), false),
];

#[test]
fn a_server_has_no_more_cores_than_its_quota_of_processor_time() {
    let processors = allowed_processors().unwrap().len();
    let may_mount = || Command::new("unshare").args(["-m", "true"]).status().unwrap().success();
    if processors < 2 || !installed("unshare") || !may_mount() {
        eprintln!("skipped: this takes two processors, and the right to make a namespace of mounts");
        return;
    }
    for (at, ((own, files), bounded)) in QUOTAS.into_iter().enumerate() {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("quota-{at}"));
        for (name, content) in files {
            let file = place.join("groups").join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{content}\n")).unwrap();
        }
        fs::write(place.join("own"), format!("{own}\n")).unwrap();
        let seem = "mount --bind \"$0/own\" /proc/$$/cgroup && mount --bind \"$0/groups\" /sys/fs/cgroup && exec \"$@\"";
        let server = start_through(Command::new("unshare").args(["-m", "sh", "-c", seem]).arg(place));
        has_cores(server, &if bounded { "1 core".to_owned() } else { format!("{processors} cores") });
    }
}
