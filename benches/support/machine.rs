//! The machine: clocks, pinning, and what /proc tells about a process.
//!
//! Knows: system calls and /proc. Must not know what is measured with them.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A clock of the kernel.
#[derive(Clone, Copy)]
pub(crate) struct Clock(libc::clockid_t);

impl Clock {
    /// Time that never steps back.
    pub(crate) const MONOTONIC: Clock = Clock(libc::CLOCK_MONOTONIC);
    /// CPU time of this process.
    pub(crate) const OWN_CPU: Clock = Clock(libc::CLOCK_PROCESS_CPUTIME_ID);

    /// User and system time of all threads of a process, ended ones and io_uring workers included.
    ///
    /// Unlike /proc/PID/task/*/schedstat it counts the time slice that is running now.
    pub(crate) fn cpu_of(pid: u32) -> io::Result<Clock> {
        let mut clock = 0;
        // SAFETY: `clock` outlives the call.
        let error = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
        if error == 0 { Ok(Clock(clock)) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    /// Nanoseconds shown by the clock.
    ///
    /// # Panics
    /// When the process of a CPU clock has ended.
    pub(crate) fn now_ns(self) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` outlives the call.
        let result = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        assert_eq!(result, 0, "the clock can be read: {}", io::Error::last_os_error());
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    }
}

/// Pins the command's process to one core, if to any, and ends it when the process that started it ends.
pub(crate) fn pin_to(command: &mut Command, core: impl Into<Option<usize>>) {
    let core = core.into();
    let enter = move || {
        if let Some(core) = core {
            // SAFETY: all zeroes is the empty set.
            let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            // SAFETY: `core` is far below the set's size of 1,024.
            unsafe { libc::CPU_SET(core, &mut set) };
            // SAFETY: `set` outlives the call.
            if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: no memory is passed.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Ok(())
    };
    // SAFETY: `enter` makes system calls only: no allocation, no lock.
    unsafe { command.pre_exec(enter) };
}

/// Sets an integer socket option.
pub(crate) fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` outlives the call and has the given length.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes connections accepted by this listener send at once, and lets 4,096 of them wait.
pub(crate) fn prepare_listener(listener: &impl AsRawFd) -> io::Result<()> {
    set_option(listener, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    // SAFETY: no memory is passed.
    let result = unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Resident memory of a process in bytes, exact (the figure in `status` is an estimate).
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    field(&text, "Rss:").map(|kilobytes| kilobytes * 1024)
}

/// How often the threads of a process have been switched to, summed.
pub(crate) fn context_switches(pid: u32) -> io::Result<u64> {
    let mut switches = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("status"))?;
        switches += field(&text, "voluntary_ctxt_switches:")?;
        switches += field(&text, "nonvoluntary_ctxt_switches:")?;
    }
    Ok(switches)
}

/// How long the threads of a process have waited for a core that somebody else used, summed.
pub(crate) fn waited_ns(pid: u32) -> io::Result<u64> {
    schedstat(pid, 1)
}

/// How often the threads of a process were given a core, summed.
pub(crate) fn time_slices(pid: u32) -> io::Result<u64> {
    schedstat(pid, 2)
}

fn schedstat(pid: u32, place: usize) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let field = text.split_whitespace().nth(place).and_then(|field| field.parse::<u64>().ok());
        sum += field.ok_or_else(|| io::Error::other("no schedstat in /proc"))?;
    }
    Ok(sum)
}

/// How long all cores together stood still because the host ran somebody else, in ticks of 10 ms.
pub(crate) fn stolen_ns() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    // The name, then user, nice, system, idle, waiting, two kinds of interrupts.
    let ticks = text.lines().next().and_then(|line| line.split_whitespace().nth(8)?.parse::<u64>().ok());
    ticks.map(|ticks| ticks * 10_000_000).ok_or_else(|| io::Error::other("no cpu in /proc/stat"))
}

/// How many kernel workers of io_uring a process has. Their time counts, but work there is a sign of a slow path.
pub(crate) fn kernel_workers(pid: u32) -> io::Result<usize> {
    let mut workers = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        workers += usize::from(fs::read_to_string(task?.path().join("comm"))?.starts_with("iou-"));
    }
    Ok(workers)
}

fn field(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {name} in /proc")))
}
