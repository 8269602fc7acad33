//! A client that sends a stream through a proxy and receives the answer, and what may become of that.
//!
//! Knows: what each accident allows. Must not know the server, or hold what is sent.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::plan::{Accident, Plan};
use crate::proxy::{End, Proxy, Report};
use crate::servers::{Reason, Service, loses};
use crate::wire::{Answer, Wire};
use crate::world::{PATIENCE, World};

/// What is sent, and what happens to it on its way.
pub(crate) struct Transfer {
    pub(crate) seed: u64,
    pub(crate) length: u64,
    pub(crate) plan: Plan,
}

/// What has come back.
#[derive(Debug)]
struct Arrival {
    bytes: u64,
    /// The first one that differs from what was to come, or that should not have come at all.
    wrong: Option<u64>,
    end: Result<(), ErrorKind>,
}

/// What has become of a transfer.
#[derive(Debug)]
pub(crate) struct Outcome {
    sent: Result<(), ErrorKind>,
    arrival: Arrival,
    report: Report,
    reason: Reason,
}

impl Transfer {
    /// Goes well, or fails as its plan allows. By the time that a stall is released the server has received all that came before.
    pub(crate) fn go(&self, world: &World, service: &Service) {
        self.go_beside(service, |proxy| {
            let (up, down) = (&proxy.gates[0], &proxy.gates[1]);
            thread::scope(|scope| {
                for gate in [up, down] {
                    scope.spawn(|| {
                        gate.reached();
                        // One turn may have begun before the last bytes came, but not the next.
                        (0..2).for_each(|_| drop(world.ledgers()));
                        gate.release();
                    });
                }
            });
        });
    }

    /// The same, with something else to be done meanwhile.
    pub(crate) fn go_beside(&self, service: &Service, beside: impl FnOnce(&Proxy)) {
        let _told = ToldIfItFails(self);
        let outcome = self.attempt(service, beside);
        if let Err(why) = self.judge(service, &outcome) {
            panic!("{why}: {outcome:#?}");
        }
    }

    /// Tries; whatever comes of it.
    pub(crate) fn attempt(&self, service: &Service, beside: impl FnOnce(&Proxy)) -> Outcome {
        let wire = Wire::new(service.shape, self.seed, self.length);
        let (proxy, answer) = (Proxy::new(service.address, self.plan), self.answer(&wire));
        let stream = match TcpStream::connect(proxy.address) {
            // By an accident before the first byte, and before the call that connects came back.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                beside(&proxy);
                let reset = Err(error.kind());
                let arrival = Arrival { bytes: 0, wrong: None, end: reset };
                return Outcome { sent: reset, arrival, report: proxy.finish(), reason: service.reason() };
            }
            connected => connected.expect("the proxy listens"),
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let (sent, arrival) = thread::scope(|scope| {
            let sent = scope.spawn(|| send(&stream, wire.clone()));
            let arrival = scope.spawn(|| receive(&stream, wire.clone(), answer));
            beside(&proxy);
            (sent.join().expect("clients do not fail"), arrival.join().expect("clients do not fail"))
        });
        drop(stream);
        Outcome { sent, arrival, report: proxy.finish(), reason: service.reason() }
    }

    /// What is to come back.
    fn answer(&self, wire: &Wire) -> Answer {
        match self.plan.up.accident {
            Some((at, Accident::HalfClose)) => wire.clone().answer_to(at),
            _ => wire.clone().answer_to(u64::MAX),
        }
    }

    /// Says what should not have become of it, if anything.
    pub(crate) fn judge(&self, service: &Service, outcome: &Outcome) -> Result<(), String> {
        let Outcome { sent, arrival, report, reason } = outcome;
        if let Some(byte) = arrival.wrong {
            return Err(format!("byte {byte} is not what was sent"));
        }
        let in_order = sent.is_ok() && arrival.end.is_ok();
        if in_order && arrival.bytes != report.down.bytes {
            return Err(format!("{} bytes were lost behind the proxy", report.down.bytes - arrival.bytes));
        }
        for kind in [sent, &arrival.end].into_iter().filter_map(|end| end.err()) {
            let waited = loses() && kind == ErrorKind::WouldBlock;
            require(
                "a broken connection",
                waited || matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            )?;
        }
        if let Reason::Broken(number) = reason {
            require("the number of a broken connection", [libc::ECONNRESET, libc::EPIPE].contains(number))?;
        }
        let answer = self.answer(&Wire::new(service.shape, self.seed, self.length));
        let whole = answer.bytes + u64::from(answer.line_end);
        let at_end = if answer.malformed { Reason::Malformed } else { Reason::EndOfStream };
        // Its stream may have ended before, and its server been told so.
        let had_ended = report.up.end == End::OfStream && *reason == Reason::EndOfStream;
        match self.broken_by() {
            None | Some((_, Accident::Stall | Accident::HalfClose)) => {
                let bytes = match self.plan.down.accident {
                    Some((at, Accident::HalfClose)) => at.min(whole),
                    _ => whole,
                };
                require("an end in order", in_order)?;
                require("every byte", arrival.bytes == bytes)?;
                require("the end of the stream as the reason", *reason == at_end)
            }
            Some((_, Accident::Reset)) => {
                require("a reset at the client", !in_order)?;
                let waited = loses() && matches!(reason, Reason::Idle | Reason::Unread);
                require("a reset as the reason", matches!(reason, Reason::Broken(_)) || had_ended || waited)
            }
            Some((_, Accident::Deaf)) => {
                require("a reset at the client", !in_order)?;
                // Of two that are tied, the other waits a little shorter for the same peer. A machine that keeps both from running until
                // the time of both is over leaves open which is found out first.
                let was_told = matches!(reason, Reason::Unread | Reason::Tied);
                require("a peer that does not read as the reason", was_told || had_ended)
            }
            Some((at, Accident::Close)) => {
                let was_told = matches!(reason, Reason::Broken(_) | Reason::EndOfStream | Reason::Malformed);
                require("a reason", was_told)?;
                let most = if self.plan.down.has(Accident::Close) { at } else { whole };
                require("no more than was let through", arrival.bytes <= most)
            }
        }
    }

    /// The accident after which not everything can arrive, if there is one.
    fn broken_by(&self) -> Option<(u64, Accident)> {
        let planned = [self.plan.up.accident, self.plan.down.accident];
        planned.into_iter().flatten().find(|(_, accident)| *accident != Accident::Stall)
    }
}

/// Prints the transfer when the test fails meanwhile.
struct ToldIfItFails<'a>(&'a Transfer);

impl Drop for ToldIfItFails<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Transfer { seed, length, plan } = self.0;
            eprintln!("the transfer that failed: {length} bytes from the seed {seed:#x}\n  {plan}");
        }
    }
}

fn require(what: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("expected {what}")) }
}

/// Bytes that the client holds at once.
const AT_ONCE: usize = 64 << 10;

fn send(mut stream: &TcpStream, mut wire: Wire) -> Result<(), ErrorKind> {
    let mut bytes = vec![0; AT_ONCE];
    loop {
        let count = wire.fill(&mut bytes);
        if count == 0 {
            let ended = stream.shutdown(Shutdown::Write);
            return ended.map_err(|error| match error.kind() {
                // Where the reader has taken the error already.
                ErrorKind::NotConnected => ErrorKind::ConnectionReset,
                kind => kind,
            });
        }
        stream.write_all(&bytes[..count]).map_err(|error| error.kind())?;
    }
}

fn receive(mut stream: &TcpStream, mut wire: Wire, answer: Answer) -> Arrival {
    let (mut bytes, mut expected) = (vec![0; AT_ONCE], vec![0; AT_ONCE]);
    let mut arrival = Arrival { bytes: 0, wrong: None, end: Ok(()) };
    loop {
        let got = match stream.read(&mut bytes) {
            Ok(0) => return arrival,
            Ok(got) => &bytes[..got],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                arrival.end = Err(error.kind());
                return arrival;
            }
        };
        let left = usize::try_from(answer.bytes.saturating_sub(arrival.bytes)).unwrap_or(usize::MAX);
        let known = wire.fill(&mut expected[..got.len().min(left)]);
        let (of_wire, behind) = got.split_at(known);
        let last = arrival.bytes + got.len() as u64 == answer.bytes + 1;
        if arrival.wrong.is_none() {
            let differs = || of_wire.iter().zip(&expected).position(|(got, expected)| got != expected);
            let differs = if *of_wire == expected[..known] { None } else { differs() };
            let right = behind.is_empty() || (answer.line_end && last && behind == b"\n");
            let wrong = differs.or((!right).then_some(known));
            arrival.wrong = wrong.map(|at| arrival.bytes + at as u64);
        }
        arrival.bytes += got.len() as u64;
    }
}
