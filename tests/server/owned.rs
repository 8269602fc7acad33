//! Counted bytes that are sent from where they lie, and when they are let go.
//!
//! Knows: sessions, an owner that says when it is dropped. Must not know the pools.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};

use odeon::prelude::*;

use crate::client::{connect, ends_by_reset, expect, pattern};
use crate::session::{Do, Events, Habits, Told, sessions};
use crate::ways::tell;
use crate::world::{PATIENCE, World};

/// More than the kernel holds for a peer that does not read.
const MUCH: usize = 8 << 20;

/// Hangs up when it is dropped.
struct Owner {
    bytes: Vec<u8>,
    _line: Sender<()>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes, and how to know whether somebody still has them.
fn owned(bytes: &[u8]) -> (Bytes, Receiver<()>) {
    let (line, kept) = channel();
    (Bytes::from_owner(Owner { bytes: bytes.to_vec(), _line: line }), kept)
}

fn assert_kept(kept: &Receiver<()>) {
    assert_eq!(kept.try_recv(), Err(TryRecvError::Empty));
}

fn expect_let_go(kept: &Receiver<()>) {
    assert_eq!(kept.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

/// A server with room for much output, and so many clients with their sessions.
fn meet(world: &mut World, count: usize) -> (Vec<(TcpStream, Addr<crate::session::Session>)>, Events) {
    let (make, events) = sessions(Habits::default());
    let listener = world.system.listener("127.0.0.1:0").outbox_bytes(2 * MUCH).start(make);
    let address = listener.expect("a free port is found").address();
    world.listens();
    let meet = |_| (connect(address), events.started());
    ((0..count).map(meet).collect(), events)
}

pub(crate) fn counted_bytes_arrive_whole_and_are_let_go_once_everybody_has_them(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (mut clients, _events) = meet(&mut world, 6);
    let content = pattern(7, 1 << 20);
    let (bytes, kept) = owned(&content);
    for (_, session) in &clients {
        session.tell(Do::Write(b"before ".to_vec())).or_dead_letter();
        session.tell(Do::Give(bytes.clone())).or_dead_letter();
        session.tell(Do::Give(bytes.slice(1..).expect("it is long enough"))).or_dead_letter();
        session.tell(Do::Write(b" behind".to_vec())).or_dead_letter();
    }
    drop(bytes);
    for (client, _) in clients.iter_mut() {
        assert_kept(&kept);
        let mut got = vec![0; 7 + content.len() * 2 - 1 + 7];
        client.read_exact(&mut got).expect("everything comes");
        assert!(got == [b"before ", &content[..], &content[1..], b" behind"].concat());
    }
    expect_let_go(&kept);
    let [without, copied, _] = zero_copy(&world);
    if may_copy_nothing(&world, on) {
        assert!(without > 0, "the kernel was asked to send them from where they lie");
        assert!(copied <= without, "{copied} of {without} were copied after all");
    } else {
        assert_eq!([without, copied], [0, 0]);
    }
    drop(clients);
    world.finish();
}

/// True if the kernel can send bytes from where they lie.
pub(crate) fn may_copy_nothing(world: &World, on: BackendChoice) -> bool {
    on == BackendChoice::Uring && world.system.features().contains("sends without a copy")
}

/// Sends without a copy, those that were copied after all, and those from regions.
pub(crate) fn zero_copy(world: &World) -> [u64; 3] {
    [
        world.sum(|ledger| ledger.driver.sends_without_copy),
        world.sum(|ledger| ledger.driver.sends_copied_after_all),
        world.sum(|ledger| ledger.driver.sends_from_regions),
    ]
}

/// On the way to this machine the kernel copies, and says so; the connection does not ask it again.
pub(crate) fn a_connection_learns_that_the_kernel_copies_after_all(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (mut clients, _events) = meet(&mut world, 1);
    let (client, session) = &mut clients[0];
    let content = pattern(12, 100_000);
    let give = |client: &mut TcpStream| {
        let (bytes, kept) = owned(&content);
        session.tell(Do::Give(bytes)).or_dead_letter();
        expect(client, &content);
        expect_let_go(&kept);
    };
    give(client);
    let [without, copied, regions] = zero_copy(&world);
    let asked = may_copy_nothing(&world, on);
    assert_eq!((without > 0, regions), (asked, 0));
    assert_eq!(copied, without, "all that have been let go");
    for _ in 0..20 {
        give(client);
    }
    assert_eq!(zero_copy(&world), [without, copied, 0], "it is not asked again");
    drop(clients);
    world.finish();
}

pub(crate) fn nothing_goes_without_a_copy_where_that_is_switched_off(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.zero_copy_min = usize::MAX);
    let (mut clients, _events) = meet(&mut world, 1);
    let (client, session) = &mut clients[0];
    let content = pattern(13, 1 << 20);
    let (bytes, kept) = owned(&content);
    session.tell(Do::Give(bytes)).or_dead_letter();
    expect(client, &content);
    expect_let_go(&kept);
    assert_eq!(zero_copy(&world), [0; 3]);
    drop(clients);
    world.finish();
}

/// It answers, closes, and its peer never reads: the kernel would keep what it was lent for as long.
pub(crate) fn counted_bytes_are_let_go_when_the_peer_never_reads_what_was_said_last(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.close_deadline = std::time::Duration::from_millis(50));
    let (mut clients, events) = meet(&mut world, 1);
    let (mut client, session) = clients.remove(0);
    let (bytes, kept) = owned(&pattern(14, MUCH));
    session.tell(Do::Give(bytes)).or_dead_letter();
    session.tell(Do::Close).or_dead_letter();
    assert_eq!(events.stopped(), StopReason::Stopped);
    expect_let_go(&kept);
    world.wait_for_figure("the connection to end", 1, |ledger| ledger.connections_closed);
    assert_eq!(world.sum(|ledger| ledger.connections_cut_off), 1);
    assert!(ends_by_reset(&mut client), "a stream that was cut short does not look like one that ended");
    world.finish();
}

/// Panics when it is dropped.
struct Grudge(Owner);

impl AsRef<[u8]> for Grudge {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl Drop for Grudge {
    fn drop(&mut self) {
        panic!("as planned, in the drop of an owner");
    }
}

pub(crate) fn an_owner_that_panics_as_it_is_dropped_ends_nobody(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (mut clients, _events) = meet(&mut world, 1);
    let (client, session) = &mut clients[0];
    let (line, kept) = channel();
    let bytes = Bytes::from_owner(Grudge(Owner { bytes: vec![7; 10_000], _line: line }));
    session.tell(Do::Give(bytes)).or_dead_letter();
    expect(client, &[7; 10_000]);
    expect_let_go(&kept);
    world.wait_for_figure("the panic to be counted", 1, |ledger| ledger.drop_panics);
    crate::client::request(client, "echo still served", "still served\n");
    drop(clients);
    world.finish();
}

pub(crate) fn a_stream_sends_counted_bytes_in_pieces(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.outbox_bytes_max = 300_000);
    let content = pattern(10, 3 << 20);
    let (bytes, kept) = owned(&content);
    let serve = move |mut stream: Stream| async move {
        stream.write_bytes(bytes).await?;
        stream.write_all("last").await
    };
    let listening = world.system.listener("127.0.0.1:0").serve(serve).expect("a free port is found");
    world.listens();
    let mut client = connect(listening.address());
    expect(&mut client, &content);
    assert_eq!(crate::client::rest(&mut client), b"last");
    drop(client);
    world.settle();
    // The listener holds some for the next connection.
    assert_kept(&kept);
    listening.stop();
    expect_let_go(&kept);
    world.system.shutdown();
}

pub(crate) fn all_is_copied_where_there_are_no_parts(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| {
        config.send_parts_max = 0;
        config.zero_copy_min = usize::MAX;
    });
    let (mut clients, events) = meet(&mut world, 1);
    let (client, session) = &mut clients[0];
    let (bytes, kept) = owned(&pattern(11, 100_000));
    session.tell(Do::Give(bytes)).or_dead_letter();
    session.tell(Do::Say(1)).or_dead_letter();
    assert_eq!(events.next(), Told::Handled(1));
    expect_let_go(&kept);
    expect(client, &pattern(11, 100_000));
    assert_eq!(zero_copy(&world), [0; 3]);
    drop(clients);
    world.finish();
}

/// Hands a part of each frame to another thread.
struct Keeper(Sender<Bytes>);

#[actor(codec = LengthDelimited<60_000>)]
impl Keeper {
    #[frame]
    fn frame(&mut self, frame: &[u8], cx: &mut Context<Self>) {
        tell(&self.0, cx.bytes_of(&frame[1..]));
        cx.write(b"kept");
    }
}

/// Half of the receive buffers are kept by now at most, and the rest was copied. Whoever has them is on a thread that knows nothing of cores.
pub(crate) fn what_is_kept_of_a_frame_outlives_its_connection_and_its_system(on: BackendChoice) {
    let mut world =
        World::with(on, 1, |config| (config.receive_buffers, config.receive_buffer_bytes) = (4, 65_536));
    let (keeping, kept) = channel();
    let address = world.serve(move |_| Keeper(keeping.clone()));
    let mut contents: Vec<Vec<u8>> = Vec::new();
    let mut client = connect(address);
    // A frame that arrives in pieces is put together in memory of its own: of enough of them, some do not.
    let mut keeps = 0;
    while contents.len() < 8 || keeps == 0 {
        assert!(contents.len() < 1000, "nothing is ever kept");
        let content = pattern(contents.len() as u64 % 8, 50_000);
        client
            .write_all(&[&(content.len() as u32).to_be_bytes(), &content[..]].concat())
            .expect("it is there");
        expect(&mut client, b"kept");
        contents.push(content);
        keeps = world.sum(|ledger| ledger.receive_kept as u64);
    }
    assert!(keeps <= 2, "{keeps} of four buffers are kept");
    let count = contents.len();
    let (look, looks) = channel::<()>();
    let holder = std::thread::spawn(move || {
        let kept: Vec<Bytes> = kept.iter().take(count).collect();
        // Some go while the system runs, the others when it is gone.
        let mut kept: Vec<Bytes> = kept.into_iter().skip(1).collect();
        looks.recv().expect("the test goes on");
        kept.reverse();
        kept.iter().map(|bytes| bytes.as_ref().to_vec()).collect::<Vec<_>>()
    });
    drop(client);
    world.wait_for_figure("the connection to end", 1, |ledger| ledger.connections_closed);
    world.system.shutdown();
    tell(&look, ());
    let mut held = holder.join().expect("what is kept is there");
    held.reverse();
    assert!(held == contents.iter().skip(1).map(|content| content[1..].to_vec()).collect::<Vec<_>>());
}
