//! What the runtime says on standard error, and the end of the process when an invariant of the runtime is broken.
//!
//! Knows: how to speak and how to end. Must not know why.

use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::marker::PhantomData;

/// Says what is broken and aborts the process. A panic would not do: inside a handler it would be caught, and the runtime
/// would go on with memory that it no longer understands.
#[cold]
#[inline(never)]
pub fn abort(what: fmt::Arguments<'_>) -> ! {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    // Not by `eprintln` here either: a test harness keeps what that says until the end, which never comes.
    let said = format!("odeon: a broken invariant of the runtime, aborting thread '{name}': {what}\n");
    // The process ends, whether or not anybody can be told.
    drop(std::io::stderr().write_all(said.as_bytes()));
    std::process::abort()
}

/// Ends the process because a program has asked for that, and says why.
#[cold]
pub fn abort_as_asked(why: fmt::Arguments<'_>) -> ! {
    warn(why);
    std::process::abort()
}

/// Says something that an operator should know, at once and in one piece. Never in answer to each message or connection.
///
/// Whoever cannot be told, as where the disk is full, is not.
#[cold]
pub fn warn(what: fmt::Arguments<'_>) {
    // Formatted before the stream is locked: what is shown may be values of users. And not by `eprint`, which panics where
    // nothing can be written.
    let said = format!("odeon: {what}\n");
    if REHEARSALS.try_with(Cell::get).is_ok_and(|rehearsals| rehearsals > 0) {
        eprint!("{said}");
    } else {
        drop(std::io::stderr().write_all(said.as_bytes()));
    }
}

thread_local! {
    /// So many simulations are on this thread.
    static REHEARSALS: Cell<u32> = const { Cell::new(0) };
}

/// While one is there, what this thread [says](warn) is said as tests print: a test harness shows it where the test fails.
#[derive(Debug)]
pub struct Rehearsal(PhantomData<*const ()>);

impl Rehearsal {
    /// From here on.
    #[must_use]
    pub fn begin() -> Rehearsal {
        REHEARSALS.set(REHEARSALS.get() + 1);
        Rehearsal(PhantomData)
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        // A thread that ends has no simulation any more.
        let _ = REHEARSALS.try_with(|count| count.set(count.get() - 1));
    }
}

/// A number of things, in words: `1 core`, `2 cores`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64, pub &'static str);

impl Count {
    /// So many of `thing`, which is in the singular and has a plural with `s`.
    #[must_use]
    pub fn of(count: usize, thing: &'static str) -> Count {
        Count(count as u64, thing)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, thing) = self;
        write!(out, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_everything_else_is_several() {
        let said = [0, 1, 2].map(|count| Count::of(count, "core").to_string());
        assert_eq!(said, ["0 cores", "1 core", "2 cores"]);
    }
}
