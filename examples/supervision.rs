//! A sensor that fails by chance, and what its supervisors make of it, until they give up.
//!
//!     cargo run --release --example supervision
//!     cargo run --release --example supervision -- --seed 1
//!
//! Prints a story, with the milliseconds since its begin, and ends by itself. The same seed tells the same story: readings are taken
//! and kept; some panic, and the sensor is begun again after a wait that doubles; when it has failed too often, its whole group is,
//! and what the log has kept is gone; when that has not helped either, everything ends.
//!
//! Shows: a group of two with a supervisor, which is below another one; how often and how soon (`Restart`); escalation; an address
//! that stays the same through all of this, so that whoever asks need not know; a watch, which is told of the end alone.
//!
//! What comes on standard error is the runtime's own report of the same.

use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;
use std::{env, panic};

use odeon::Time;
use odeon::prelude::*;
use odeon::time::now;

/// Of so many readings one fails.
const ONE_IN: u64 = 3;

/// Says what happens, and when.
fn tell(what: &str) {
    static BEGIN: LazyLock<Time> = LazyLock::new(now);
    println!("{:>5} ms  {what}", now().since(*BEGIN).as_millis());
}

/// Keeps what the sensor has read: in memory alone, so that another one begins with nothing.
#[derive(Default)]
struct Log(Vec<u64>);

#[actor]
impl Log {
    #[started]
    fn started(&mut self) {
        tell("the log begins");
    }

    #[call]
    fn keep(&mut self, reading: u64) -> usize {
        self.0.push(reading);
        self.0.len()
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason) {
        tell(&format!("the log ends with {} kept: {why}", self.0.len()));
    }
}

/// Fails by chance.
struct Sensor {
    /// The address of whichever log there is.
    log: Addr<Log>,
    chance: u64,
    begun: u32,
}

#[actor(on_panic = restart)]
impl Sensor {
    #[started]
    fn started(&mut self) {
        tell(&format!("sensor number {} begins", self.begun));
    }

    /// Its answer is that of the log: how many are kept there.
    #[call]
    fn read(&mut self, cx: &mut Context<Self>, reply: Reply<usize>) {
        self.chance = next(self.chance);
        assert!(!self.chance.is_multiple_of(ONE_IN), "there is nothing to be read");
        let reading = self.chance % 100;
        self.log.keep(reading).then(cx, move |_, kept, _| {
            if let Ok(kept) = kept {
                tell(&format!("reads {reading:>2}: {kept} kept"));
                reply.send(kept);
            }
        });
    }
}

/// The next number by chance: xorshift64.
fn next(mut chance: u64) -> u64 {
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^ (chance << 17)
}

/// Is told of the end of the sensor, of no new beginning.
struct Observer {
    sensor: Addr<Sensor>,
    end: Option<StopReason>,
}

#[actor]
impl Observer {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        if cx.watch(self.sensor).is_ok() { Flow::Continue } else { Flow::Fail }
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        self.end = Some(reason);
        tell(&format!("the sensor has ended: {reason}"));
    }

    #[call]
    fn end(&self) -> Option<StopReason> {
        self.end
    }
}

fn main() -> ExitCode {
    match tell_story() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervision: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell_story() -> Result<(), Box<dyn std::error::Error>> {
    let seed: u64 = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => 7,
        [word, seed] if word == "--seed" => {
            seed.parse().map_err(|error| format!("--seed {seed}: {error}"))?
        }
        _ => return Err("usage: supervision [--seed N]".into()),
    };
    panic::set_hook(Box::new(|panic| tell(&format!("PANICS: {}", panic.payload_as_str().unwrap_or("?")))));

    let system = System::builder().cores(Cores::Count(1)).build()?;
    // The group is begun again once, and within it, of each of its beginnings, two failures are forgiven.
    let minute = Duration::from_secs(60);
    let root = system.supervisor(Restart::one_for_one().intensity(1, minute))?;
    let wait = Duration::from_millis(20)..Duration::from_secs(1);
    let group = root.supervisor(Restart::rest_for_one().intensity(2, minute).backoff(wait))?;
    let log = group.spawn(Log::default)?;
    let (mut begun, mut chance) = (0, (seed ^ 0x9e37_79b9_7f4a_7c15).max(1));
    let sensor = group.spawn(move || {
        begun += 1;
        chance = next(chance.rotate_left(32));
        Sensor { log, chance, begun }
    })?;
    let observer = system.spawn(Observer { sensor, end: None })?;

    // While there is no sensor a question waits in its mailbox for the next one.
    while observer.end().wait()?.is_none() {
        let _ = sensor.read().wait();
    }
    let ledger = system.ledgers()?.remove(0);
    tell(&format!("{} new beginnings, {} supervisors that gave up", ledger.restarts, ledger.given_up));
    system.shutdown();
    Ok(())
}
