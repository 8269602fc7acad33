//! Connections to others, from futures on a core.
//!
//! Knows: what `odeon::connect` promises. Must not know how a socket comes to be connected.

use std::future::Future;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_lite::future::poll_once;
use odeon::prelude::*;
use odeon::time::timeout;
use socket2::{Domain, Socket, Type};

use crate::client::{ends_by_reset, expect, pattern, rest};
use crate::ways::tell;
use crate::world::{PATIENCE, World};

/// Somebody to connect to.
fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port is found");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Nobody to connect to, and a socket that keeps it so: it has the port and does not listen.
pub(crate) fn deserted() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port is found");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("it is an address");
    (socket, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("somebody connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// A listener whose backlog is full, so that who connects is not answered, and the connections that fill it.
pub(crate) fn crowded() -> (Socket, SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port is found");
    listener.listen(1).expect("it is bound");
    let address = listener.local_addr().expect("it is bound").as_socket().expect("it is an address");
    let mut crowd = Vec::new();
    while crowd.len() < 16 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        // One is waiting in the backlog, and one more than it is to hold. Whether those behind are told so is not waited for.
        let time = if crowd.len() < 2 { PATIENCE } else { Duration::from_millis(100) };
        let connected = socket.connect_timeout(&address.into(), time);
        crowd.push(socket);
        if connected.is_err() {
            return (listener, address, crowd);
        }
    }
    panic!("the backlog is never full");
}

/// Echoes, and says how it ended.
struct Caller {
    told: Sender<StopReason>,
    said: u32,
}

#[derive(Message)]
struct Say(&'static str);

#[derive(Message)]
struct Put(Vec<u8>);

#[actor(codec = Raw)]
impl Caller {
    #[message]
    fn say(&mut self, Say(what): Say, cx: &mut Context<Self>) {
        self.said += 1;
        cx.write(format!("{}: {what}", self.said));
    }

    #[message]
    fn put(&mut self, Put(bytes): Put, cx: &mut Context<Self>) {
        cx.write(bytes);
    }

    #[frame]
    fn bytes(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.write(bytes);
    }

    #[stopped]
    fn stopped(&mut self, reason: StopReason) {
        tell(&self.told, reason);
    }
}

fn run<R: Send + 'static, F: Future<Output = R> + 'static>(
    world: &World,
    future: impl FnOnce() -> F + Send + 'static,
) -> R {
    world.system.spawn_task(0, future).expect("the core runs").wait().expect("the future ends")
}

pub(crate) fn a_connection_is_a_stream(on: BackendChoice) {
    let (world, (listener, address)) = (World::new(on, 1), server());
    let bytes = pattern(1, 3_000_000);
    let there = bytes.clone();
    let task = world.system.spawn_task(0, move || async move {
        let stream = odeon::connect(address).await?;
        let (mut reader, mut writer) = stream.split();
        let mut back = vec![0; there.len()];
        let writing = async {
            writer.write_all(&there).await?;
            writer.shutdown_write().await
        };
        let reading = async {
            reader.read_exact(&mut back).await?;
            std::io::Result::Ok(reader.read(&mut [0]).await? == 0)
        };
        let (written, ended) = futures_lite::future::zip(writing, reading).await;
        written?;
        std::io::Result::Ok((back == there, ended?))
    });
    let peer = accept(&listener);
    let (mut from, mut to) = (&peer, &peer);
    std::io::copy(&mut from, &mut to).expect("all of it comes back");
    drop(peer);
    let task = task.expect("the core runs");
    assert_eq!(task.wait().expect("it ends").expect("the peer is there"), (true, true));
    world.finish();
}

pub(crate) fn a_connection_is_an_actor(on: BackendChoice) {
    let (world, (listener, address)) = (World::new(on, 2), server());
    let (telling, told) = channel();
    let caller: Addr<Caller> = run(&world, move || async move {
        odeon::connect(address).start(|_| Caller { told: telling, said: 0 }).await.expect("somebody listens")
    });
    let mut peer = accept(&listener);
    caller.tell(Say("hello")).expect("it has room");
    expect(&mut peer, b"1: hello");
    peer.write_all(b"echo").expect("it is there");
    expect(&mut peer, b"echo");
    caller.stop();
    assert_eq!(rest(&mut peer), b"");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(StopReason::Stopped));
    drop(peer);
    world.settle();
    assert_eq!(world.sum(|ledger| ledger.connections_closed), 1);
    world.finish();
}

pub(crate) fn whoever_gets_no_task_is_told(on: BackendChoice) {
    let (world, (listener, address)) = (World::with(on, 1, |config| config.tasks_max = 1), server());
    let refused = run(&world, move || async move {
        odeon::connect(address).await.map(drop).map_err(|error| error.to_string())
    });
    assert_eq!(refused, Err("there are as many tasks on this core as Config::tasks_max allows".to_owned()));
    drop(accept(&listener));
    world.finish();
}

pub(crate) fn a_connect_where_nobody_listens_is_refused(on: BackendChoice) {
    let (world, (_nobody, address)) = (World::new(on, 1), deserted());
    for _ in 0..3 {
        let refused = run(&world, move || async move {
            let stream = odeon::connect(address).await.map(drop);
            let (told, _) = channel();
            let actor = odeon::connect(address).start(|_| Caller { told, said: 0 }).await.map(drop);
            [stream, actor].map(|refused| refused.map_err(|error| error.kind()))
        });
        assert_eq!(refused, [Err(ErrorKind::ConnectionRefused); 2]);
    }
    world.finish();
}

pub(crate) fn a_connect_that_nobody_answers_times_out(on: BackendChoice) {
    let (world, (_listener, address, _crowd)) = (World::new(on, 1), crowded());
    let timed_out = run(&world, move || async move {
        let connect = odeon::connect(address).timeout(Duration::from_millis(10));
        let stream = connect.clone().await.map(drop);
        let (told, _) = channel();
        let actor = connect.start(|_| Caller { told, said: 0 }).await.map(drop);
        [stream, actor].map(|timed_out| timed_out.map_err(|error| error.kind()))
    });
    assert_eq!(timed_out, [Err(ErrorKind::TimedOut); 2]);
    world.finish();
}

pub(crate) fn a_connect_that_is_dropped_connects_to_nobody(on: BackendChoice) {
    let (world, (_listener, full, _crowd)) = (World::new(on, 1), crowded());
    let (answers, address) = server();
    run(&world, move || async move {
        for turns in 0..20 {
            for address in [full, address] {
                // Never polled, polled once, and for some turns.
                // Nobody waits for their own time to be over.
                let connect = odeon::connect(address).timeout(Duration::from_secs(1_000));
                drop(connect.clone().into_future());
                let mut connecting = connect.clone().into_future();
                assert!(poll_once(&mut connecting).await.is_none(), "it takes a turn at least");
                for _ in 0..turns {
                    futures_lite::future::yield_now().await;
                }
                drop(connecting);
                let given_up = timeout(Duration::from_micros(turns * 50), connect).await;
                assert!(address != full || given_up.is_err(), "nobody answers");
            }
        }
    });
    world.settle();
    drop(answers);
    world.finish();
}

pub(crate) fn a_stream_that_nobody_takes_is_closed(on: BackendChoice) {
    let (world, (listener, address)) = (World::new(on, 1), server());
    let (go, goes) = channel();
    let task = world.system.spawn_task(0, move || async move {
        let mut connecting = odeon::connect(address).into_future();
        assert!(poll_once(&mut connecting).await.is_none(), "it takes a turn at least");
        while goes.try_recv().is_err() {
            futures_lite::future::yield_now().await;
        }
        drop(connecting);
    });
    let mut peer = accept(&listener);
    world.wait_for_figure("the connection to be there", 1, |ledger| ledger.connections_opened);
    tell(&go, ());
    task.expect("the core runs").wait().expect("it ends");
    assert_eq!(rest(&mut peer), b"", "as any stream that is dropped");
    drop(peer);
    world.finish();
}

pub(crate) fn an_actor_that_nobody_takes_is_aborted(on: BackendChoice) {
    let (world, (listener, address)) = (World::new(on, 1), server());
    let ((go, goes), (telling, told)) = (channel(), channel());
    let task = world.system.spawn_task(0, move || async move {
        let mut connecting = odeon::connect(address).start(|_| Caller { told: telling, said: 0 });
        assert!(poll_once(&mut connecting).await.is_none(), "it takes a turn at least");
        while goes.try_recv().is_err() {
            futures_lite::future::yield_now().await;
        }
        drop(connecting);
    });
    let mut peer = accept(&listener);
    peer.write_all(b"it is there").expect("it is there");
    expect(&mut peer, b"it is there");
    tell(&go, ());
    task.expect("the core runs").wait().expect("it ends");
    assert!(ends_by_reset(&mut peer));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(StopReason::Aborted));
    drop(peer);
    world.finish();
}

/// More than the kernel holds for a peer that does not read.
const MUCH: usize = 8 << 20;

/// What finds no room in the outbox of a connection that was made from here.
pub(crate) fn an_outbox_has_the_bound_and_the_policy_that_were_asked_for(on: BackendChoice) {
    for (overflow, refused, dropped) in [(Overflow::Refuse, 1, 0), (Overflow::DropOldest, 0, 1)] {
        let (world, (listener, address)) = (World::new(on, 1), server());
        let (telling, _told) = channel();
        let caller: Addr<Caller> = run(&world, move || async move {
            let connect = odeon::connect(address).outbox_bytes(MUCH + 1000).outbox_overflow(overflow);
            connect.start(|_| Caller { told: telling, said: 0 }).await.expect("somebody listens")
        });
        let mut peer = accept(&listener);
        let write = |byte, len| {
            caller.tell(Put(vec![byte; len])).expect("it has room");
            world.ledgers();
        };
        // On its way, and more than is taken.
        write(b'a', MUCH);
        write(b'b', 600);
        write(b'c', 600);
        assert_eq!(world.sum(|ledger| ledger.writes_refused), refused);
        assert_eq!(world.sum(|ledger| ledger.writes_dropped), dropped);
        caller.stop();
        let kept = if refused > 0 { b'b' } else { b'c' };
        assert!(rest(&mut peer) == [vec![b'a'; MUCH], vec![kept; 600]].concat());
        drop(peer);
        world.finish();
    }
}

pub(crate) fn whoever_was_connected_to_has_the_grace_that_was_asked_for(on: BackendChoice) {
    let (world, (listener, address)) = (World::new(on, 1), server());
    let (telling, told) = channel();
    let caller: Addr<Caller> = run(&world, move || async move {
        let connect = odeon::connect(address).outbox_bytes(2 * MUCH).outbox_grace(Duration::from_millis(50));
        connect.start(|_| Caller { told: telling, said: 0 }).await.expect("somebody listens")
    });
    let mut peer = accept(&listener);
    caller.tell(Put(vec![7; 2 * MUCH])).expect("it has room");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(StopReason::OutboxFull));
    assert!(ends_by_reset(&mut peer));
    drop(peer);
    world.finish();
}

pub(crate) fn a_connection_comes_from_the_source_that_was_asked_for(on: BackendChoice) {
    let (world, (listener, address)) = (World::new(on, 1), server());
    let source = SocketAddr::from(([127, 0, 0, 7], 0));
    let task = world.system.spawn_task(0, move || async move {
        let stream = odeon::connect(address).source(source).await?;
        let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
        let refused = odeon::connect(address).source(foreign).await.map(drop).map_err(|error| error.kind());
        drop(stream);
        std::io::Result::Ok(refused)
    });
    let (mut peer, from) = listener.accept().expect("somebody connects");
    assert_eq!(from.ip(), source.ip());
    assert_eq!(rest(&mut peer), b"");
    drop(peer);
    let refused = task.expect("the core runs").wait().expect("it ends").expect("the address is ours");
    assert_eq!(refused, Err(ErrorKind::AddrNotAvailable));
    world.finish();
}

pub(crate) fn limits_that_cannot_be_are_refused(on: BackendChoice) {
    let (world, (_listener, address)) = (World::new(on, 1), server());
    let refused = run(&world, move || async move {
        let connect = odeon::connect(address);
        [
            connect.clone().idle_timeout(Duration::ZERO).await.map(drop),
            connect.clone().outbox_bytes(0).await.map(drop),
            connect.outbox_bytes((1 << 30) + 1).await.map(drop),
        ]
        .map(|refused| refused.map_err(|error| error.kind()))
    });
    assert_eq!(refused, [Err(ErrorKind::InvalidInput); 3]);
    let nowhere = futures_lite::future::block_on(async move { odeon::connect(address).await.map(drop) });
    assert_eq!(
        nowhere.map_err(|error| error.kind()),
        Err(ErrorKind::Unsupported),
        "this thread runs no core"
    );
    world.finish();
}

pub(crate) fn sockets_beyond_the_limit_are_refused(on: BackendChoice) {
    let world = World::with(on, 1, |config| config.actors_max = 16);
    let (listener, address) = server();
    let held = run(&world, move || async move {
        let mut held = Vec::new();
        loop {
            match odeon::connect(address).await {
                Ok(stream) => held.push(stream),
                Err(error) => return (held.len(), error.to_string()),
            }
        }
    });
    assert!(held.0 > 0 && held.1.contains("actors_max"), "{held:?}");
    drop(listener);
    world.finish();
}

pub(crate) fn the_system_ends_what_connects_and_what_is_connected(on: BackendChoice) {
    let (_listener, full, _crowd) = crowded();
    let (listener, address) = server();
    for turns in 0..6 {
        let world = World::new(on, 2);
        let (telling, told) = channel();
        let (waits, waited) = channel();
        for core in 0..2 {
            let (telling, waits) = (telling.clone(), waits.clone());
            let task = world.system.spawn_task(core, move || async move {
                let started = odeon::connect(address).start(|_| Caller { told: telling, said: 0 }).await;
                tell(&waits, started.is_ok());
                // It has nobody to connect to, and no time.
                odeon::connect(full).timeout(Duration::from_secs(1_000)).await.map(drop)
            });
            task.expect("the core runs").detach();
        }
        for _ in 0..2 {
            assert_eq!(waited.recv_timeout(PATIENCE), Ok(true));
        }
        for _ in 0..turns {
            world.ledgers();
        }
        let mut peers = [accept(&listener), accept(&listener)];
        let ending = std::thread::spawn(move || world.system.shutdown());
        for peer in &mut peers {
            assert_eq!(rest(peer), b"", "it is ended in order");
        }
        drop(peers);
        let report = ending.join().expect("it ends");
        assert_eq!(report.connections_cut_off, 0, "{report:?}");
        for _ in 0..2 {
            assert_eq!(told.recv_timeout(PATIENCE), Ok(StopReason::Stopped));
        }
    }
}

/// Connections come and go, to a listener of the same system.
pub(crate) fn a_system_connects_to_itself(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = world.serve(|_| crate::echo::Echo);
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let task = world.system.spawn_task(number % 2, move || async move {
                let mut stream = odeon::connect(address).await?;
                let (sent, mut back) = (pattern(number as u64, 10_000), vec![0; 10_000]);
                stream.write_all(&sent).await?;
                stream.read_exact(&mut back).await?;
                std::io::Result::Ok(sent == back)
            });
            task.expect("the core runs")
        })
        .collect();
    for task in tasks {
        assert!(task.wait().expect("it ends").expect("it is served"));
    }
    world.finish();
}
