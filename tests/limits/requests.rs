//! What a request costs beside the kernel's work: no memory once everything is warm, few system calls, and none while idle.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use odeon::prelude::*;
use odeon::sys::now;
use odeon::{Ledger, ShutdownReport};

use crate::runner::{Held, PATIENCE, Runner, allocations, system, when_warm};

const BYTES: usize = 64;

struct Echo;

impl Actor for Echo {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Echo {
    type Codec = Fixed<BYTES>;

    fn frame(&mut self, bytes: &[u8; BYTES], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

/// Answers as many bytes, each written by itself in one of two ways, or all of them at once.
struct Pieces;

/// What a client asks it for.
const PIECES: u8 = 7;

#[actor(codec = Fixed<BYTES>)]
impl Pieces {
    #[frame]
    fn frame(&mut self, bytes: &[u8; BYTES], cx: &mut Context<Self>) {
        if bytes[0] != PIECES {
            cx.write(bytes);
            return;
        }
        for pair in bytes.chunks(2) {
            cx.write(&pair[..1]);
            cx.write_bytes(Bytes::from(vec![pair[1]]));
        }
    }
}

/// A server on one core, and clients of it.
struct Served {
    system: System,
    runner: Addr<Runner>,
    clients: Vec<TcpStream>,
}

impl Served {
    fn new(backend: BackendChoice, clients: usize) -> Option<Served> {
        Served::by(backend, clients, || Echo)
    }

    fn by<A: Connection>(backend: BackendChoice, clients: usize, actor: fn() -> A) -> Option<Served> {
        let system = system(backend, 1, |config| {
            // Whatever is there is done in one turn, and no timer comes due, however slow the machine is.
            (config.turn_time, config.write_stall) = (PATIENCE * 100, PATIENCE * 100);
        })?;
        let runner = system.spawn(Runner).expect("there is room for a runner");
        let listening = system.listener("127.0.0.1:0").start(move |_| actor()).expect("a free port is found");
        let clients = (0..clients).map(|_| connect(listening.address())).collect();
        Some(Served { system, runner, clients })
    }

    fn ask(&mut self) {
        self.ask_for(7);
    }

    fn ask_for(&mut self, byte: u8) {
        for client in &mut self.clients {
            client.write_all(&[byte; BYTES]).expect("the server reads");
        }
    }

    fn hear(&mut self) {
        self.hear_of(7);
    }

    fn hear_of(&mut self, byte: u8) {
        for client in &mut self.clients {
            let mut answer = [0; BYTES];
            client.read_exact(&mut answer).expect("the server answers");
            assert_eq!(answer, [byte; BYTES]);
        }
    }

    /// The clients leave first: nobody is waited for.
    fn end(self) {
        drop(self.clients);
        assert_eq!(self.system.shutdown(), ShutdownReport::default());
    }

    fn ledger(&self) -> Ledger {
        self.system.ledgers().expect("the system runs")[0]
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Queues grow with the most that has ever been done in one turn. So that the first round shows it, the core is held until
/// every request of a round is there, and the next round begins when everything of the last one is done.
fn requests_take_no_memory(backend: BackendChoice) {
    const ROUNDS: usize = 100;
    let Some(mut served) = Served::new(backend, 32) else { return };
    let rounds = |served: &mut Served| {
        for _ in 0..ROUNDS {
            let held = Held::new(served.runner);
            served.ask();
            held.release();
            served.hear();
        }
        // The core has dealt with everything that it has answered once it answers this.
        allocations(served.runner)
    };
    rounds(&mut served);
    let mut before = rounds(&mut served);
    let taken = when_warm([0], || {
        let after = rounds(&mut served);
        [after - std::mem::replace(&mut before, after)]
    });
    assert_eq!(taken, [0], "{} requests take no memory", ROUNDS * 32);
    served.end();
}

#[test]
fn requests_take_no_memory_on_uring() {
    requests_take_no_memory(BackendChoice::Uring);
}

#[test]
fn requests_take_no_memory_on_mio() {
    requests_take_no_memory(BackendChoice::Mio);
}

/// While the core is held, a request arrives on every connection: they are served together, whatever the machine does
/// meanwhile.
#[test]
fn requests_that_arrive_together_share_system_calls() {
    const ROUNDS: u64 = 20;
    let Some(mut served) = Served::new(BackendChoice::Uring, 64) else { return };
    served.ask();
    served.hear();
    let before = served.ledger().driver.enters;
    for _ in 0..ROUNDS {
        let held = Held::new(served.runner);
        served.ask();
        held.release();
        served.hear();
    }
    let enters = served.ledger().driver.enters - before;
    let requests = 64 * ROUNDS;
    assert!(enters * 6 <= requests, "{enters} system calls for {requests} requests");
    served.end();
}

/// What is written in one handler leaves in one send: there is never more than one under way for a connection, so another one would
/// take another system call.
#[test]
fn many_small_writes_take_as_many_system_calls_as_one() {
    const ROUNDS: u64 = 200;
    let Some(mut served) = Served::by(BackendChoice::Uring, 1, || Pieces) else { return };
    // What the rest of a round takes depends on when the core goes to sleep: for both alike, so that it evens out over many rounds.
    let [mut one, mut many] = [0; 2];
    for _ in 0..ROUNDS {
        for (byte, enters) in [(PIECES + 1, &mut one), (PIECES, &mut many)] {
            let before = served.ledger().driver.enters;
            let held = Held::new(served.runner);
            served.ask_for(byte);
            held.release();
            served.hear_of(byte);
            *enters += served.ledger().driver.enters - before;
        }
    }
    // A second send would take one more at least in every round.
    assert!(
        many < one + ROUNDS / 2,
        "{many} system calls for {BYTES} writes, {one} for a single one, in {ROUNDS} rounds"
    );
    served.end();
}

fn an_idle_core_makes_no_system_call(backend: BackendChoice) {
    let Some(mut served) = Served::new(backend, 8) else { return };
    served.ask();
    served.hear();
    let calls = |from: &Ledger, to: &Ledger| (to.sleeps - from.sleeps, to.driver.enters - from.driver.enters);
    // What asking costs by itself, at the worst of a few times.
    let mut asked = (0, 0);
    let mut last = served.ledger();
    for _ in 0..50 {
        let next = served.ledger();
        let (sleeps, enters) = calls(&last, &next);
        asked = (asked.0.max(sleeps), asked.1.max(enters));
        last = next;
    }
    // Time passes on this thread only.
    let end = now().after(std::time::Duration::from_millis(200));
    while now() < end {
        std::thread::yield_now();
    }
    let (sleeps, enters) = calls(&last, &served.ledger());
    assert!(sleeps <= asked.0.max(1), "it slept {sleeps} times, and so woke by itself");
    assert!(enters <= asked.1 + 2, "{enters} system calls where a question takes {}", asked.1);
    served.end();
}

#[test]
fn an_idle_core_makes_no_system_call_on_uring() {
    an_idle_core_makes_no_system_call(BackendChoice::Uring);
}

#[test]
fn an_idle_core_makes_no_system_call_on_mio() {
    an_idle_core_makes_no_system_call(BackendChoice::Mio);
}

#[test]
fn a_connection_for_which_there_is_no_timer_is_refused_and_the_others_go_on() {
    let Some(system) = system(BackendChoice::Auto, 1, |config| config.timers_max = 2) else { return };
    let listener = system.listener("127.0.0.1:0").idle_timeout(PATIENCE * 10);
    let listening = listener.start(|_| Echo).expect("a free port is found");
    let runner = system.spawn(Runner).expect("there is room for a runner");
    let clients = (0..2).map(|_| connect(listening.address())).collect();
    let mut served = Served { system, runner, clients };
    for _ in 0..3 {
        served.ask();
        served.hear();
        // Perhaps before the call that connects has come back.
        let refused = TcpStream::connect(listening.address());
        let answer = refused.and_then(|mut refused| refused.read(&mut [0]));
        assert!(!matches!(answer, Ok(1..)), "it has no idle timeout, so it must not stay");
    }
    assert_eq!(served.ledger().timers, 2);
    served.end();
}
