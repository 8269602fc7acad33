//! Requests whose answers are ready in any order, and leave in the order of the requests.
//!
//!     cargo run --release --example pipeline -- --listen 127.0.0.1:7000
//!     printf '300 slow\n0 fast\n' | nc -N 127.0.0.1 7000
//!
//! A request is a number of milliseconds and a word. A worker takes so long over it, beside other requests, and says how many
//! it has finished by then. Here `fast` is number 1 and `slow` is number 2, but the answer to `slow` comes first.
//!
//! Shows: questions to another core; handlers that run beside one another and wait for a time; places in the output that keep
//! the order; clients that send requests before they have read answers, and wait where these are too many.
//!
//! Limits: a request takes a second at most. A connection that waits for half of `Config::deferred_max` answers, 512, is not
//! read from, so that its client has to wait. A worker with 1,024 requests under way answers to others that it is busy.

use std::process::ExitCode;
use std::time::Duration;

use odeon::prelude::*;
use odeon::time::sleep;

mod support;

const LINE_BYTES_MAX: usize = 128;
const MILLISECONDS_MAX: u64 = 1_000;
const AT_WORK_MAX: u32 = 1_024;

#[derive(Default)]
struct Worker {
    at_work: u32,
    finished: u64,
}

#[actor]
impl Worker {
    /// Answers how many it has finished, this one included; nothing if it is busy.
    #[call(concurrent)]
    async fn work(me: Handle<Self>, milliseconds: u64) -> Option<u64> {
        me.with(|worker, _| worker.begin()).ok()??;
        sleep(Duration::from_millis(milliseconds)).await;
        me.with(|worker, _| worker.finish()).ok()
    }

    fn begin(&mut self) -> Option<()> {
        (self.at_work < AT_WORK_MAX).then(|| self.at_work += 1)
    }

    fn finish(&mut self) -> u64 {
        self.at_work -= 1;
        self.finished += 1;
        self.finished
    }
}

/// A client's connection.
struct Session {
    worker: Addr<Worker>,
}

#[actor(codec = Lines<LINE_BYTES_MAX>)]
impl Session {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        let Some((milliseconds, word)) = parse(line) else {
            // Like everything that is written, this stays behind the places that are open.
            return writeln!(
                cx,
                "error: it is a number of milliseconds, up to {MILLISECONDS_MAX}, and a word"
            );
        };
        let (place, word) = (cx.defer(), word.to_owned());
        self.worker.work(milliseconds).then(cx, move |_, finished, cx| match finished {
            Ok(Some(finished)) => cx.fill_line(place, format!("{word}: finished as number {finished}")),
            Ok(None) | Err(AskError::Full) => {
                cx.fill_line(place, format!("{word}: not now, the worker is busy"))
            }
            Err(_) => cx.fill_line(place, format!("{word}: it is not known whether this was finished")),
        });
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "error: {error}");
    }
}

fn parse(line: &str) -> Option<(u64, &str)> {
    let (milliseconds, word) = line.split_once(' ')?;
    let milliseconds = milliseconds.parse().ok().filter(|milliseconds| *milliseconds <= MILLISECONDS_MAX)?;
    Some((milliseconds, word))
}

fn main() -> ExitCode {
    support::serve("pipeline", "", Config::default(), |system, address, _| {
        let workers = system.spawn_each(|_core| Worker::default())?;
        system.listener(address).start(move |_peer| {
            // This runs on the core of the new connection. The worker is on another, if there is one.
            let elsewhere = workers.iter().find(|worker| worker.local().is_none());
            Session { worker: *elsewhere.unwrap_or(&workers[0]) }
        })
    })
}
