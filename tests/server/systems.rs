//! Several listeners, several systems, and their ends.
//!
//! Knows: starting, stopping, shutting down, dropping. Must not know how connections are served.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::{Random, now};
use odeon::{Error, ShutdownReport};

use crate::child;
use crate::client::{connect, ends_by_reset, exchange, expect, finish, pattern, request, rest};
use crate::echo::{Echo, Frames};
use crate::load::{self, Load, counted};
use crate::runner::run;
use crate::session::{Do, Habits, Told, sessions};
use crate::world::{PATIENCE, World};

pub(crate) fn several_listeners_have_codecs_of_their_own(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (make, _events) = sessions(Habits::default());
    let (raw, frames, lines) = (world.serve(|_| Echo), world.serve(|_| Frames), world.serve(make));
    thread::scope(|scope| {
        scope.spawn(|| exchange(&connect(raw), &mut Random::new(1), &pattern(1, 300_000)));
        scope.spawn(|| {
            let mut stream = connect(frames);
            stream.write_all(b"\0\0\0\x05hello").expect("the server reads");
            expect(&mut stream, b"\0\0\0\x05hello");
        });
        scope.spawn(|| request(&mut connect(lines), "echo hello", "hello\n"));
    });
    world.finish();
}

pub(crate) fn several_systems_live_side_by_side(on: BackendChoice) {
    let mut worlds: Vec<World> = (0..3).map(|_| World::new(on, 1)).collect();
    let served: Vec<_> = worlds
        .iter_mut()
        .map(|world| {
            let (make, events) = sessions(Habits::default());
            (world.serve(make), events)
        })
        .collect();
    let runner = worlds[0].runner(0);
    for (address, events) in &served {
        let mut stream = connect(*address);
        let session = events.started();
        // From a core of one system to a core of another.
        crate::runner::on_core(runner, move |_| {
            session.tell(Do::Write(b"from another system\n".to_vec())).or_dead_letter();
        });
        expect(&mut stream, b"from another system\n");
        request(&mut stream, "echo hello", "hello\n");
    }
    // One ends, the others go on.
    worlds.remove(1).finish();
    for index in [0, 2] {
        request(&mut connect(served[index].0), "echo still here", "still here\n");
    }
    worlds.into_iter().for_each(World::finish);
}

fn start(on: BackendChoice, address: SocketAddr) -> odeon::Result<(System, SocketAddr)> {
    let system = System::builder().cores(Cores::Count(2)).backend(on).build()?;
    let (make, _events) = sessions(Habits::default());
    let listening = system.listener(address).start(make)?;
    Ok((system, listening.address()))
}

pub(crate) fn a_prompt_restart_binds_the_same_port(on: BackendChoice) {
    if child::apart(on, "systems::a_prompt_restart_binds_the_same_port") {
        return;
    }
    let mut address = SocketAddr::from((child::own_loopback(), 0));
    for _ in 0..10 {
        let (system, bound) = start(on, address).expect("the listener before is really closed");
        address = bound;
        let mut stream = connect(address);
        request(&mut stream, "echo hello", "hello\n");
        // The server closes first, so that its side is the one that waits.
        let end = thread::spawn(move || system.shutdown());
        assert_eq!(rest(&mut stream), b"");
        drop(stream);
        assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
    }
}

pub(crate) fn a_limit_of_a_listener_that_cannot_be_is_a_typed_error(on: BackendChoice) {
    let world = World::new(on, 1);
    let listener = || world.system.listener("127.0.0.1:0");
    for (listener, expected) in [
        (listener().max_connections(0), "max_connections is 0: it must be at least 1"),
        (
            listener().idle_timeout(Duration::ZERO),
            "idle_timeout is 0: it must be longer than nothing, or left out",
        ),
        (listener().outbox_bytes(0), "outbox_bytes is 0: it must be from 1 to 1,073,741,824"),
        (listener().outbox_bytes(1 << 31), "outbox_bytes is 2147483648: it must be from 1 to 1,073,741,824"),
        (
            listener().outbox_grace(Duration::ZERO),
            "outbox_grace is 0: it must be longer than nothing, or left out",
        ),
        (listener().backlog(0), "backlog is 0: it must be at least 1"),
    ] {
        let error = listener.start(|_| Echo).expect_err("it cannot be");
        assert!(matches!(error, Error::ListenerLimit { .. }));
        assert_eq!(error.to_string(), format!("ListenerBuilder::{expected}"));
    }
    world.finish();
}

pub(crate) fn a_port_in_use_is_a_typed_error(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = world.serve(|_| Echo);
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port is found");
    for taken in [address, elsewhere.local_addr().expect("it is bound")] {
        let Err(error) = world.system.listener(taken).start(|_| Echo) else { panic!("the port is taken") };
        let Error::Listen { address, source } = &error else { panic!("another error: {error}") };
        assert_eq!((*address, source.kind()), (taken, std::io::ErrorKind::AddrInUse));
        assert!(error.to_string().contains("in use"), "{error}");
    }
    world.finish();
}

pub(crate) fn a_listener_that_stops_leaves_its_connections(on: BackendChoice) {
    if child::apart(on, "systems::a_listener_that_stops_leaves_its_connections") {
        return;
    }
    let world = World::new(on, 2);
    let (make, events) = sessions(Habits::default());
    let listener = world.system.listener((child::own_loopback(), 0));
    let listening = listener.start(make).expect("a free port is found");
    let address = listening.address();
    let mut streams: Vec<_> = (0..10).map(|_| connect(address)).collect();
    for stream in &mut streams {
        request(stream, "echo before", "before\n");
        events.started();
    }
    listening.stop();
    // Both sockets are closed; the actors are those of the connections.
    world.wait_for("the listeners to end", |cores| cores.iter().map(|core| core.actors).sum::<usize>() == 10);
    TcpStream::connect(address).expect_err("nobody listens");
    for stream in &mut streams {
        request(stream, "echo after", "after\n");
    }
    drop(streams);
    world.finish();
}

pub(crate) fn a_shutdown_under_load_answers_what_was_read(on: BackendChoice) {
    for _ in 0..5 {
        let mut world = World::with(on, 2, load::patient);
        let (make, handled) = counted();
        let clients = Load::new(world.serve(make), 10);
        world.wait_for_figure("some load", 20_000, |ledger| ledger.handled);
        assert_eq!(world.system.shutdown(), ShutdownReport::default());
        assert_eq!(clients.ended(), handled.load(Ordering::Relaxed), "every answer arrives");
    }
}

pub(crate) fn a_shutdown_serves_the_backlog(on: BackendChoice) {
    for cores in [1, 2] {
        let mut world = World::new(on, cores);
        let (make, events) = sessions(Habits::default());
        let address = world.serve(make);
        // The cores stand still, so that connections and requests pile up in the kernel.
        let blocks: Vec<_> = block_cores(&world, cores);
        let mut streams: Vec<_> = (0..100).map(|_| connect(address)).collect();
        for stream in &mut streams {
            stream.write_all(b"big 3000\necho in time\n").expect("the kernel takes it");
        }
        let end = thread::spawn(move || world.system.shutdown());
        drop(blocks);
        let mut expected = pattern(1, 3000);
        expected.extend_from_slice(b"in time\n");
        for stream in &mut streams {
            assert!(rest(stream) == expected, "who connected in time is served");
        }
        drop(streams);
        assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
        drop(events);
    }
}

/// Has every core wait until the answer is dropped.
fn block_cores(world: &World, cores: usize) -> Vec<std::sync::mpsc::Sender<()>> {
    (0..cores)
        .map(|core| {
            let (go, wait) = std::sync::mpsc::channel();
            let runner = world.system.spawn_on(core, crate::runner::Runner).expect("the core has room");
            let (blocked, is_blocked) = std::sync::mpsc::channel();
            crate::runner::run(runner, move |_| {
                blocked.send(()).expect("the test waits");
                let _ = wait.recv();
                Flow::Stop
            });
            is_blocked.recv().expect("it runs");
            go
        })
        .collect()
}

pub(crate) fn a_shutdown_at_the_limit_serves_who_waits(on: BackendChoice) {
    let world = World::new(on, 2);
    let (make, _events) = sessions(Habits::default());
    let listener = world.system.listener("127.0.0.1:0").max_connections(1).start(make);
    let address = listener.expect("a free port is found").address();
    let mut first = connect(address);
    request(&mut first, "echo first", "first\n");
    // Accepted, and held for want of a credit.
    let mut waiting = connect(address);
    waiting.write_all(b"echo in time\n").expect("the kernel takes it");
    world.wait_for("the newcomer to be accepted", |cores| {
        cores.iter().map(|core| core.driver.sockets).sum::<usize>() == 4
    });
    let end = thread::spawn(move || world.system.shutdown());
    assert_eq!(rest(&mut first), b"");
    drop(first);
    assert_eq!(rest(&mut waiting), b"in time\n", "nobody who was accepted is dropped");
    drop(waiting);
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
}

pub(crate) fn a_shutdown_counts_what_it_cuts_off(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| {
        config.drain_deadline = Duration::from_secs(1);
        // Nor is one that has been silent for long closed by itself before.
        (config.close_deadline, config.linger_after) = (Duration::from_secs(20), PATIENCE);
    });
    let (make, events) = sessions(Habits { stay_after_end: true, ..Habits::default() });
    let address = world.serve(make);
    let _runner = world.runner(0);
    // One that does not close, and one that has said already that it sends no more: nobody waits for its thread to run.
    let mut stays = connect(address);
    events.started();
    let mut goes = connect(address);
    events.started();
    finish(&goes);
    assert_eq!(events.next(), Told::EndOfStream);
    let report = world.system.shutdown();
    assert_eq!(report.connections_cut_off, 1);
    assert_eq!(report.actors_cut_off, 0);
    assert_eq!(rest(&mut goes), b"");
    ends_by_reset(&mut stays);
}

pub(crate) fn a_shutdown_says_what_was_not_sent_and_by_whom(on: BackendChoice) {
    const BYTES: usize = 32 << 20;
    let mut world = World::with(on, 2, |config| {
        config.drain_deadline = Duration::from_millis(100);
        config.outbox_bytes_max = 2 * BYTES;
        config.spill_bytes_max = 16 * BYTES;
        (config.close_deadline, config.linger_after) = (Duration::from_secs(20), PATIENCE);
    });
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    // More than the kernel takes, for a peer that does not read.
    let mut stays = connect(address);
    events.started().tell(Do::Write(vec![b'x'; BYTES])).or_dead_letter();
    expect(&mut stays, b"x");
    let report = world.system.shutdown();
    let unsent = report.bytes_unsent as usize;
    // What a send has in flight counts until the kernel has answered that.
    assert!((1..=BYTES).contains(&unsent), "{report}");
    let name = std::any::type_name::<crate::session::Session>();
    let said = format!("1 connection ({name}), {} bytes unsent", report.bytes_unsent);
    assert_eq!(report.to_string(), said);
    ends_by_reset(&mut stays);
}

pub(crate) fn a_shutdown_counts_no_listener_that_it_cuts_off(on: BackendChoice) {
    // No time even for a look at what the kernel holds.
    let mut world = World::with(on, 2, |config| config.drain_deadline = Duration::ZERO);
    world.serve(|_| Echo);
    assert_eq!(world.system.shutdown(), ShutdownReport::default());
}

pub(crate) fn a_shutdown_counts_no_actor_whose_core_is_busy(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.drain_deadline = Duration::ZERO);
    let runners: Vec<_> = (0..4).map(|_| world.runner(0)).collect();
    // The orders to end arrive while one of these is busy, and their deadlines are over by then.
    for runner in runners {
        run(runner, |_| {
            let end = now().after(Duration::from_millis(200));
            while now() < end {
                thread::yield_now();
            }
            Flow::Continue
        });
    }
    let mut report = world.system.shutdown();
    // What had not begun is not handled any more: there is one for each of four.
    assert!(std::mem::take(&mut report.messages_undelivered) <= 4, "{report}");
    assert_eq!(report, ShutdownReport::default());
}

pub(crate) fn systems_start_and_end_in_a_row(on: BackendChoice) {
    for _ in 0..20 {
        let mut world = World::new(on, 2);
        let (make, _events) = sessions(Habits::default());
        let address = world.serve(make);
        request(&mut connect(address), "echo hello", "hello\n");
        world.finish();
    }
}

pub(crate) fn messages_on_their_way_at_the_end_may_panic_when_dropped(on: BackendChoice) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned, in the drop of a message");
        }
    }

    crate::panics::quietly();
    for _ in 0..3 {
        let mut world = World::new(on, 1);
        let runner = world.runner(0);
        let told = thread::spawn(move || {
            let mut told = 0;
            loop {
                let bomb = Bomb;
                let run = crate::runner::Run(Box::new(move |_| {
                    let _inside = &bomb;
                    Flow::Continue
                }));
                match runner.tell(run) {
                    Ok(()) => told += 1,
                    Err(refused) => {
                        let stopped = matches!(refused, SendError::Stopped(_));
                        std::mem::forget(refused);
                        if stopped {
                            return told;
                        }
                    }
                }
            }
        });
        world.wait_for_figure("some messages", 1, |ledger| ledger.dead_letters + ledger.panics);
        world.system.shutdown();
        assert!(told.join().expect("the thread ends") > 0);
    }
}

pub(crate) fn more_cores_than_processors_serve(on: BackendChoice) {
    let cores = 2 * thread::available_parallelism().map_or(2, usize::from) + 3;
    let mut world = World::new(on, cores);
    assert_eq!(world.system.cores(), cores);
    let address = world.serve(|_| Echo);
    thread::scope(|scope| {
        for seed in 0..20 {
            scope.spawn(move || {
                exchange(&connect(address), &mut Random::new(seed), &pattern(seed, 100_000));
            });
        }
    });
    world.finish();
}

pub(crate) fn a_handler_that_asks_its_own_system_is_told_so(on: BackendChoice) {
    let world = World::new(on, 1);
    let runner = world.system.spawn(crate::runner::Runner).expect("the core has room");
    let system = std::sync::Arc::new(world.system);
    let inside = system.clone();
    let refused = crate::runner::on_core(runner, move |_| {
        let refused = [
            matches!(inside.ledgers(), Err(Error::WithinHandler)),
            matches!(inside.spawn(crate::runner::Runner), Err(Error::WithinHandler)),
            matches!(inside.listener("127.0.0.1:0").start(|_| Echo), Err(Error::WithinHandler)),
        ];
        drop(inside);
        refused
    });
    assert_eq!(refused, [true; 3]);
    let Some(system) = std::sync::Arc::into_inner(system) else {
        panic!("the handler has dropped its share")
    };
    assert_eq!(system.shutdown(), ShutdownReport::default());
}
