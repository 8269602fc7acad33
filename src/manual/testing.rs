//! Testing: handlers one by one, and whole systems, simulated.
//!
//! Knows: which test answers which question. Must not know how a simulation is done.
//!
//! | what is tested | with | what is real |
//! |---|---|---|
//! | a handler: what it returns, writes, asks, begins | [`TestContext`](crate::testing::TestContext) | the actor |
//! | a codec | [`Decode::decode`](crate::net::codec::Decode::decode), a function of bytes | the codec |
//! | a whole system: order, ends, limits, accidents | [`sim`](crate::sim) | everything but the kernel, the network, the disk and the time |
//! | that it runs on a machine | [`System`](crate::System), and sockets | everything |
//!
//! # Handlers
//!
//! They are methods: call them. [`testing`](crate::testing) has the context, and what plays the other side of messages and questions.
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::testing::TestContext;
//!
//! struct Greeter;
//!
//! #[actor(codec = Lines<80>)]
//! impl Greeter {
//!     #[frame]
//!     fn line(&mut self, name: &str, cx: &mut Context<Self>) {
//!         writeln!(cx, "hello, {name}");
//!     }
//! }
//!
//! let mut cx = TestContext::new();
//! Greeter.line("world", &mut cx);
//! assert_eq!(cx.written_text(), "hello, world\n");
//! ```
//!
//! # Whole systems
//!
//! [`sim::check`](crate::sim::check) runs a test fifty times, with a [simulated system](crate::sim::Sim) and another seed each time. It is a
//! [`System`](crate::System), so what opens the program's listeners and spawns its actors is used as it is: write that as a function of
//! `&System`. The test plays the clients. Whatever is waited for, an answer, a line, a condition, has the system go on.
//!
//! Here two sessions on different cores ask one actor, whose answers must come in the order of the questions, whatever the way:
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::sim;
//!
//! #[derive(Default)]
//! struct Counter(u32);
//!
//! #[actor]
//! impl Counter {
//!     #[call]
//!     fn next(&mut self) -> u32 {
//!         self.0 += 1;
//!         self.0
//!     }
//! }
//!
//! struct Session {
//!     counter: Addr<Counter>,
//! }
//!
//! #[actor(codec = Lines<80>)]
//! impl Session {
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) {
//!         let (place, line) = (cx.defer(), line.to_owned());
//!         self.counter.next().then(cx, move |_, number, cx| match number {
//!             Ok(number) => cx.fill_line(place, format!("{line} {number}")),
//!             Err(_) => cx.fill_line(place, "not now"),
//!         });
//!     }
//! }
//!
//! fn open(system: &System, address: &str) -> odeon::Result<odeon::Listening> {
//!     let counter = system.spawn(Counter::default())?;
//!     system.listener(address).start(move |_| Session { counter })
//! }
//!
//! // #[test]
//! fn everybody_has_numbers_of_their_own_in_order() {
//!     sim::check(|sim| {
//!         open(sim, "10.0.0.1:7000").unwrap();
//!         let mut clients = [sim.connect("10.0.0.1:7000"), sim.connect("10.0.0.1:7000")];
//!         for client in &mut clients {
//!             client.write_all("a\nb\nc\n");
//!         }
//!         let mut all = Vec::new();
//!         for client in &mut clients {
//!             let numbers = ["a", "b", "c"].map(|word| {
//!                 let line = client.read_line();
//!                 line.strip_prefix(word).unwrap().trim().parse::<u32>().unwrap()
//!             });
//!             assert!(numbers.is_sorted(), "{numbers:?}");
//!             all.extend(numbers);
//!         }
//!         all.sort_unstable();
//!         assert_eq!(all, [1, 2, 3, 4, 5, 6]);
//!     });
//! }
//! # everybody_has_numbers_of_their_own_in_order();
//! ```
//!
//! At its end each run shuts its system down, and fails if an actor or a connection had to be cut off or if anything is left. A panic of an
//! actor fails it, too, unless the test [allows panics](crate::sim::Sim::allow_panics).
//!
//! # Seeds
//!
//! A seed decides in which order cores take their turns, which accidents happen when, how many cores there are unless the test says so, and
//! what the test takes from [`Sim::random`](crate::sim::Sim::random). Take everything from there that is left to chance: who speaks, when, how
//! much. One test then stands for thousands.
//!
//! | | |
//! |---|---|
//! | `cargo test` | as many seeds as the check says, 50 if it does not: always the same |
//! | `ODEON_SEEDS=10000 cargo test --release NAME` | so many of each check: at night, or after a change that matters |
//! | `ODEON_SEED=17 cargo test NAME` | this one, as the command says that a failure prints |
//!
//! The command is the last thing that a failure prints, and the name of the thread in its first line. Print what you like, and run it again:
//! it is the same run. It is no longer that after a change of the code, of a limit, or of Odeon: so write a mistake that was understood down
//! as a test of its own, with the accident that mattered. [`Check::seed`](crate::sim::Check::seed) keeps a seed until then.
//!
//! Whether a test can fail is seen by planting a mistake: [`Check::first_failure`](crate::sim::Check::first_failure) answers which seed has
//! found it. `examples/chat/tests.rs` does that with a line that overtakes others.
//!
//! # Accidents
//!
//! Unless the check says otherwise they are those of [`Faults::network`](crate::sim::Faults::network): bytes come late and in parts, buffers are
//! short, peers read slowly, and all that is sent arrives. Beside them there are [`Faults::from_seed`](crate::sim::Faults::from_seed), where
//! connections break as well, and mixes of your own. A codec is tested by having every frame come in pieces:
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::net::codec::{Decode, Decoded};
//! use odeon::sim::{Check, Faults};
//! use odeon::testing::probe;
//!
//! /// A length of one byte, and as many bytes.
//! #[derive(Default)]
//! struct Short;
//!
//! impl Decode for Short {
//!     type Frame<'a> = &'a [u8];
//!
//!     fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
//!         let Some(length) = bytes.first().map(|length| usize::from(*length)) else {
//!             return Ok(Decoded::Incomplete { needed: 1 });
//!         };
//!         Ok(match bytes.get(1..=length) {
//!             Some(frame) => Decoded::Frame { frame, consumed: 1 + length },
//!             None => Decoded::Incomplete { needed: 1 + length },
//!         })
//!     }
//!
//!     fn frame_bytes_max(&self) -> usize {
//!         256
//!     }
//! }
//!
//! #[derive(Message, Debug, PartialEq)]
//! struct Got(Vec<u8>);
//!
//! struct Keeper(Recipient<Got>);
//!
//! #[actor(codec = Short)]
//! impl Keeper {
//!     #[frame]
//!     fn frame(&mut self, frame: &[u8]) {
//!         self.0.tell(Got(frame.to_vec())).or_dead_letter();
//!     }
//! }
//!
//! let in_pieces = |_| Faults { short_receive: 1.0, ..Faults::none() };
//! Check::new().faults(in_pieces).run(|sim| {
//!     let (to, mut got) = probe();
//!     let listening = sim.listener("10.0.0.1:9").start(move |_| Keeper(to)).unwrap();
//!     let mut client = sim.connect(listening.address());
//!     let mut random = sim.random();
//!     for _ in 0..20 {
//!         let frame = vec![7; random.index(256)];
//!         client.write_all([&[frame.len() as u8], &frame[..]].concat());
//!         assert_eq!(sim.receive(&mut got), Got(frame));
//!     }
//! });
//! ```
//!
//! A peer is an accident as well: it resets, closes one half, stops reading, or never writes the end of a line. See
//! [`Peer`](crate::sim::Peer). So are limits: [`Check::config`](crate::sim::Check::config) makes lanes, mailboxes and buffers small enough for
//! a few messages to fill them.
//!
//! # Time
//!
//! It is virtual, and begins at zero. It passes while something is waited for and nothing can happen before, and by
//! [`run_for`](crate::sim::Sim::run_for): to whatever comes next, so that waiting costs nothing. Handlers take no time. What waits for ever is
//! found by [patience](crate::sim::Check::patience), a minute of that time.
//!
//! # What a simulation cannot show
//!
//! - **Speed**, and what comes of handlers that are slow: they take no time here.
//! - **The kernel.** Its limits, its network and its files are imitated as far as the runtime sees them, which one contract tests for io_uring, mio
//!   and the simulation alike. What a router does to a connection in an hour is not.
//! - **Memory that threads share.** All cores run on one thread, and change places between phases of their turns, never within a handler.
//! - **What does not come from the runtime**: `Instant::now`, threads of the program's own, other runtimes, the order of a `HashMap`, names of
//!   hosts, environment variables. A run that depends on these has no seed: [`Check::twice`](crate::sim::Check::twice) finds out. Within handlers,
//!   [`Context::now`](crate::Context::now) and [`time::now`](crate::time::now) are the virtual time.
//!
//! So a server has a few tests with a real system and real sockets besides.
//!
//! The chat of the examples is tested so, with a mistake to be found, by `examples/chat/tests.rs`. What a simulation promises is tested in `tests/sim.rs`, and
//! contexts in `tests/testing/`.
