//! Requests to end the process: SIGINT and SIGTERM, as something that a thread can wait for.
//!
//! Knows: handlers and the pipe that they write to. Must not know what ending means.
//!
//! Invariants:
//! 1. A handler does nothing but write one byte to a pipe that does not block, and leaves the error number as it was:
//!    allowed at any moment, in any thread.
//! 2. The pipe is never closed, because a handler may be about to write to it.
#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{mem, ptr};

use super::Errno;

const CAUGHT: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];
/// Stands in the pipe for no signal.
const ROUSE: u8 = 0;

/// From the handlers to whoever waits; set before there are handlers.
static PIPE: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();

/// True while a [`Signals`] lives.
static CATCHING: AtomicBool = AtomicBool::new(false);

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: whoever runs the process wants it to end.
    Terminate,
}

impl Signal {
    fn number(self) -> libc::c_int {
        match self {
            Signal::Interrupt => libc::SIGINT,
            Signal::Terminate => libc::SIGTERM,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// Catches SIGINT and SIGTERM as long as it lives, and ignores SIGPIPE from then on.
#[derive(Debug)]
pub struct Signals {
    reader: &'static PipeReader,
    before: [Action; CAUGHT.len()],
}

/// What was done about a signal before.
#[derive(Clone, Copy)]
struct Action(libc::sigaction);

impl std::fmt::Debug for Action {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Action")
    }
}

impl Signals {
    /// Begins to catch.
    ///
    /// # Errors
    /// `EBUSY` while another `Signals` lives; what the kernel says when there is no pipe to be had.
    pub fn catch() -> Result<Signals, Errno> {
        // Acquire: see that the one before has put the old handlers back.
        if CATCHING.swap(true, Ordering::Acquire) {
            return Err(Errno::EBUSY);
        }
        let reader = pipe().inspect_err(|_| CATCHING.store(false, Ordering::Release))?;
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        let before = CAUGHT.map(|signal| replace(signal, &Action::handler()));
        let signals = Signals { reader, before };
        // Requests that nobody has waited for, from before.
        while signals.wait_for(Duration::ZERO).is_some() {}
        Ok(signals)
    }

    /// Waits for the next request.
    pub fn wait(&self) -> Signal {
        loop {
            if let Some(signal) = self.wait_unless_roused() {
                return signal;
            }
        }
    }

    /// Waits for the next request, or until somebody [rouses](Self::rouse) who waits.
    pub(crate) fn wait_unless_roused(&self) -> Option<Signal> {
        loop {
            let mut byte = [0];
            match (&*self.reader).read(&mut byte) {
                Ok(1) if byte[0] == ROUSE => return None,
                Ok(1) if byte[0] == libc::SIGINT as u8 => return Some(Signal::Interrupt),
                Ok(1) => return Some(Signal::Terminate),
                // Nothing else can be read from a pipe whose other end we hold: the call was interrupted.
                _ => {}
            }
        }
    }

    /// Has whoever waits wait no more. Where the pipe is full there is a request to read instead.
    pub(crate) fn rouse(&self) {
        if let Some((_, writer)) = PIPE.get() {
            let mut writer: &PipeWriter = writer;
            drop(writer.write(&[ROUSE]));
        }
    }

    /// Catches no more, before it is dropped.
    pub(crate) fn let_go(&self) {
        for (signal, before) in CAUGHT.into_iter().zip(&self.before) {
            replace(signal, before);
        }
    }

    /// Ends the process by a request, as it would have ended had nobody caught that; or, where that does not end it, with the status
    /// that a shell gives to such an end.
    pub(crate) fn end_by(&self, signal: Signal) -> ! {
        self.let_go();
        // SAFETY: what was done about it before is done by whoever set that; by default the process ends.
        unsafe { libc::raise(signal.number()) };
        std::process::exit(128 + signal.number())
    }

    /// Waits for the next request, for so long at most.
    #[must_use]
    pub fn wait_for(&self, patience: Duration) -> Option<Signal> {
        let until = super::now().after(patience);
        loop {
            let left = until.since(super::now());
            let left_ms = left.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
            let mut poll = libc::pollfd { fd: self.reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: the pointer covers the one entry that is announced.
            let ready = unsafe { libc::poll(&raw mut poll, 1, left_ms) };
            if ready > 0 {
                match self.wait_unless_roused() {
                    None => continue,
                    request => return request,
                }
            }
            if left.is_zero() {
                return None;
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.let_go();
        // Release: the next one must find the handlers of old in place.
        CATCHING.store(false, Ordering::Release);
    }
}

impl Action {
    fn handler() -> Action {
        // SAFETY: an action of zeroes is a valid one.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        let handler: extern "C" fn(libc::c_int) = handle;
        action.sa_sigaction = handler as *const () as usize;
        // System calls that it interrupts go on by themselves where they can.
        action.sa_flags = libc::SA_RESTART;
        Action(action)
    }
}

fn replace(signal: libc::c_int, action: &Action) -> Action {
    let mut before = Action::handler();
    // SAFETY: both pointers are to live actions; ours does what a handler may do (invariant 1), or is one that was in
    // place before.
    let result = unsafe { libc::sigaction(signal, &raw const action.0, &raw mut before.0) };
    assert_eq!(result, 0, "these signals can be caught");
    before
}

extern "C" fn handle(signal: libc::c_int) {
    let Some((_, writer)) = PIPE.get() else { return };
    let byte = signal as u8;
    // The code that is interrupted may be about to look at its error number: a write to a full pipe changes it.
    // SAFETY: takes nothing, and answers where the number of this thread lies.
    let error = unsafe { super::error_number() };
    // SAFETY: lives as long as the thread, which alone uses it.
    let before = unsafe { error.read() };
    // SAFETY: the descriptor is open (invariant 2), and the pointer covers one byte. A full pipe of requests means that
    // nobody reads them anyway.
    unsafe { libc::write(writer.as_raw_fd(), ptr::from_ref(&byte).cast(), 1) };
    // SAFETY: as above.
    unsafe { error.write(before) };
}

/// The reading end of the one pipe of the process.
fn pipe() -> Result<&'static PipeReader, Errno> {
    if PIPE.get().is_none() {
        let ends = io::pipe().map_err(|error| Errno::of(&error))?;
        // SAFETY: a descriptor that we own, and an argument that is a number.
        let set = unsafe { libc::fcntl(ends.1.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        if set < 0 {
            return Err(Errno::last());
        }
        // Nobody else sets it: there is one `Signals` at a time.
        let _ = PIPE.set(ends);
    }
    PIPE.get().map(|(reader, _)| reader).ok_or(Errno::EBUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More requests than the pipe holds, so that the write of the handler fails.
    fn interrupted_code_keeps_its_error_number() {
        for _ in 0..1 << 17 {
            handle(libc::SIGTERM);
        }
        drop(std::fs::File::open("/nowhere").unwrap_err());
        handle(libc::SIGTERM);
        assert_eq!(Errno::last(), Errno::ENOENT);
    }

    #[test]
    fn signals_are_caught_in_order_by_one_at_a_time() {
        let signals = Signals::catch().unwrap();
        assert_eq!(Signals::catch().unwrap_err(), Errno::EBUSY);
        assert_eq!(signals.wait_for(Duration::from_millis(1)), None);
        for (number, signal) in [
            (libc::SIGTERM, Signal::Terminate),
            (libc::SIGINT, Signal::Interrupt),
            (libc::SIGTERM, Signal::Terminate),
        ] {
            // SAFETY: the signal is caught above.
            unsafe { libc::raise(number) };
            assert_eq!(signals.wait_for(Duration::from_secs(5)), Some(signal));
        }
        // SAFETY: the signal is caught above.
        unsafe { libc::raise(libc::SIGINT) };
        assert_eq!(signals.wait(), Signal::Interrupt);
        signals.rouse();
        assert_eq!(signals.wait_unless_roused(), None);
        signals.rouse();
        assert_eq!(signals.wait_for(Duration::from_millis(1)), None, "that is no request");
        signals.rouse();
        handle(libc::SIGINT);
        assert_eq!(
            signals.wait_for(Duration::ZERO),
            Some(Signal::Interrupt),
            "it stands behind what is none"
        );
        interrupted_code_keeps_its_error_number();
        // Whatever is left is nothing to whoever comes next.
        drop(signals);
        assert_eq!(Signals::catch().unwrap().wait_for(Duration::ZERO), None);
    }
}
