//! A counter to which clients add on whichever core they are, one line a request.
//!
//!     cargo run --release --example counter -- --listen 127.0.0.1:7000
//!     printf 'add 40\nadd 2\nget\n' | nc -N 127.0.0.1 7000
//!
//! `add N` adds a whole number and answers `ok`; `get` answers the sum.
//!
//! Shows: a counter on every core, so that adding needs no other one; questions in all three forms: `.then` in a connection,
//! `.await` in an asynchronous handler, `.wait()` in `main`; clients that wait for their answers.
//!
//! A sum is asked of every core, one after the other, while others go on adding. It is no picture of one moment, but it has
//! everything in it whose `ok` had been sent when it was asked for.
//!
//! Limits: a client's next line is read once the last is answered, so that a thousand clients have a thousand questions under
//! way, for which every mailbox has room. More clients wait until one of these leaves.

use std::fmt::Display;
use std::process::ExitCode;

use odeon::prelude::*;

mod support;

const CLIENTS_MAX: usize = 1_000;
const LINE_BYTES_MAX: usize = 64;

/// What was added on one core.
#[derive(Default)]
struct Counter(i128);

#[actor]
impl Counter {
    #[call]
    fn add(&mut self, more: i64) {
        // Nobody lives to see the end of 128 bits.
        self.0 += i128::from(more);
    }

    #[call]
    fn count(&self) -> i128 {
        self.0
    }
}

/// Knows every counter.
struct Sum(Sharded<Counter>);

#[actor]
impl Sum {
    /// One sum at a time: other questions wait in the mailbox meanwhile.
    #[call]
    async fn total(&mut self) -> Result<i128, AskError> {
        let mut total = 0;
        for counter in self.0.each() {
            total += counter.count().await?;
        }
        Ok(total)
    }
}

/// A client's connection.
struct Session {
    counter: Addr<Counter>,
    sum: Addr<Sum>,
}

#[actor(codec = Lines<LINE_BYTES_MAX>)]
impl Session {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match (word, rest.trim_start().parse()) {
            ("add", Ok(more)) => {
                let place = wait(cx);
                self.counter.add(more).then(cx, move |_, added, cx| answer(place, added.map(|()| "ok"), cx));
            }
            ("get", _) if rest.is_empty() => {
                let place = wait(cx);
                self.sum.total().then(cx, move |_, total, cx| answer(place, total.flatten(), cx));
            }
            _ => cx.write_line("error: it is `add N`, with a whole number of up to 63 bits, or `get`"),
        }
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "error: {error}");
    }
}

/// Has the client wait. A place is an answer that is owed: without it, the connection does not end.
fn wait(cx: &mut Context<Session>) -> Place {
    cx.pause_reading();
    cx.defer()
}

fn answer(place: Place, answer: Result<impl Display, AskError>, cx: &mut Context<Session>) {
    match answer {
        Ok(answer) => cx.fill_line(place, answer.to_string()),
        Err(_) => cx.fill_line(place, "error: not now"),
    }
    cx.resume_reading();
}

fn main() -> ExitCode {
    support::serve("counter", "", Config::default(), |system, address, _| {
        let counters = system.sharded(|_core| Counter::default())?;
        let sum = system.spawn(Sum(counters.clone()))?;
        // A thread outside of the system may wait. On a core that is refused: everything else there would wait as well.
        assert_eq!(sum.total().wait(), Ok(Ok(0)), "those who count are there before the clients are");
        system.listener(address).max_connections(CLIENTS_MAX).start(move |_peer| {
            // This runs on the core of the new connection, where one of the counters is.
            Session { counter: counters.here().expect("there is one on each core"), sum }
        })
    })
}
