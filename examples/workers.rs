//! Workers that look for the smallest factor of a number, for clients who do not wait for each other.
//!
//!     cargo run --release --example workers -- --listen 127.0.0.1:7000
//!     printf '91\n97\n' | nc -N 127.0.0.1 7000
//!
//! A line is a number of up to 36 bits; the answer is its smallest prime factor: here `7` and `97`.
//!
//! Shows: a pool, whose least busy worker is chosen for each number; a name, by which connections find the workers; answers in the order
//! of requests, though several are looked for at a time; a client that sends faster than the workers work, and has to wait: its
//! connection does not read while half of the answers that it may be owed (`Config::deferred_max`) are.
//!
//! A worker keeps its core for some milliseconds at worst. Work that takes longer belongs on threads of its own.

use std::process::ExitCode;

use odeon::prelude::*;

mod support;

const CLIENTS_MAX: usize = 1_000;
const WORKERS_PER_CORE: usize = 4;
/// If more than these are on their way from one core to another, the next is answered `error: not now`.
const NUMBERS_BETWEEN_CORES: u32 = 65_536;
const LINE_BYTES_MAX: usize = 32;
const BITS_MAX: u32 = 36;

/// Does one thing, again and again.
struct Worker;

// A client has at most half of `Config::deferred_max` numbers under way, and the workers share those of all clients.
#[actor(mailbox(capacity = 65_536))]
impl Worker {
    #[call]
    fn smallest_factor(&mut self, number: u64) -> u64 {
        let divides = |factor: &u64| number.is_multiple_of(*factor);
        [2].into_iter()
            .chain((3..).step_by(2))
            .take_while(|factor| factor * factor <= number)
            .find(divides)
            .unwrap_or(number)
    }
}

/// Knows the workers, and who asks for them.
struct Foremen(Pool<Worker>);

#[actor]
impl Foremen {
    #[call]
    fn pool(&self) -> Pool<Worker> {
        self.0.clone()
    }
}

/// A client's connection.
struct Session(Option<Pool<Worker>>);

#[actor(codec = Lines<LINE_BYTES_MAX>)]
impl Session {
    #[started]
    fn find_workers(&mut self, cx: &mut Context<Self>) -> Result<(), NameError> {
        let foremen = cx.lookup::<Foremen>("workers")?;
        cx.pause_reading();
        foremen.pool().then(cx, |me, pool, cx| {
            me.0 = pool.ok();
            cx.resume_reading();
        });
        Ok(())
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        let number = line.trim().parse().ok().filter(|number: &u64| *number > 1 && number >> BITS_MAX == 0);
        let (Some(number), Some(pool)) = (number, &self.0) else {
            return cx.write_line("error: it is a number from 2 on, of up to 36 bits");
        };
        let place = cx.defer();
        let worker = pool.least_busy();
        worker.smallest_factor(number).then(cx, move |_, factor, cx| {
            // It has one thing less to do.
            drop(worker);
            match factor {
                Ok(factor) => cx.fill_line(place, factor.to_string()),
                Err(_) => cx.fill_line(place, "error: not now"),
            }
        });
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "error: {error}");
    }
}

fn main() -> ExitCode {
    let mut config = Config::default();
    config.lane_capacity = NUMBERS_BETWEEN_CORES;
    support::serve("workers", "", config, |system, address, _| {
        let pool = system.pool(WORKERS_PER_CORE * system.cores(), |_number| Worker)?;
        let foremen = system.spawn(Foremen(pool))?;
        system.register("workers", foremen).expect("no other name is given here");
        system.listener(address).max_connections(CLIENTS_MAX).start(|_peer| Session(None))
    })
}
