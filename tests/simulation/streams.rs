//! Futures that send everything back: in pieces, by lines, with reads that are given up, by halves; or that fail.
//!
//! Knows: what a future may do with a stream. Must not know how bytes come to it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use odeon::fs::{OpenOptions, Region};
use odeon::net::{ReadHalf, WriteHalf};
use odeon::prelude::*;
use odeon::sim::{Check, Faults, Sim};
use odeon::sys::Random;
use odeon::task;
use odeon::time::{sleep, timeout};

use odeon::system::simulation::Simulation;

use super::echo::{self, Format};
use super::journal::{Journal, Present};
use super::world::{World, pick, small};

/// How the futures of a seed go about it.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Pieces,
    Lines,
    /// Gives most reads up, and begins anew.
    Impatient,
    /// Two futures, one for each direction.
    Halves,
    /// In blocks of a region, through a file.
    Blocks,
}

const MANNERS: [Manner; 5] =
    [Manner::Pieces, Manner::Lines, Manner::Impatient, Manner::Halves, Manner::Blocks];

/// Whether and how a future goes wrong, now and then.
struct Mood {
    random: Random,
    journal: Journal,
    brittle: bool,
}

impl Mood {
    /// Whether to go on, end, or fail; or a panic.
    fn ask(&mut self) -> io::Result<bool> {
        if !self.brittle || !self.random.chance(0.05) {
            return Ok(true);
        }
        match self.random.below(3) {
            0 => self.journal.panic(),
            1 => Err(io::Error::other("as planned")),
            _ => Ok(false),
        }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.owned_bytes_min = pick(random, [1, 20, 4 << 10]);
        plan.config.read_ahead_bytes_max = pick(random, [1, 10, 300, 64 << 10]);
        if plan.config.timers_max < 10 {
            plan.config.tasks_max = 2;
        }
    });
    let manner = pick(&mut world.random, MANNERS);
    let format = if matches!(manner, Manner::Lines) { Format::Lines } else { Format::Raw };
    let (seeds, journal, gentle) = (world.random.bits(), world.journal.clone(), world.gentle);
    let brittle = !gentle && world.random.chance(0.5);
    let mut listener = world.simulation.listener(World::address());
    if !gentle && brittle {
        listener = listener.idle_timeout(Duration::from_millis(300));
    }
    let listening = listener.serve(move |stream: Stream| async move {
        let _present = Present::new(&journal);
        // Numbers of cores differ from run to run.
        let random = Random::new(seeds ^ (stream.id() & 0xFFFF_FFFF));
        let served = serve(stream, manner, Mood { random, journal: journal.clone(), brittle }).await;
        // What comes after the stream.
        sleep(Duration::from_millis(3)).await;
        served
    });
    listening.expect("nobody listens there yet");
    echo::play(world, format)
}

async fn serve(mut stream: Stream, manner: Manner, mut mood: Mood) -> io::Result<()> {
    match manner {
        Manner::Lines => {
            while let Some(line) = stream.read_line(699).await? {
                if !mood.ask()? {
                    return Ok(());
                }
                stream.write_all(line + "\n").await?;
            }
        }
        Manner::Pieces => {
            let mut buffer = [0; 50];
            loop {
                let wanted = mood.random.index(50) + 1;
                let length = stream.read(&mut buffer[..wanted]).await?;
                if length == 0 {
                    break;
                }
                if !mood.ask()? {
                    stream.abort();
                    return Ok(());
                }
                stream.write_all(&buffer[..length]).await?;
                if mood.random.chance(0.1) {
                    stream.flush().await?;
                }
            }
        }
        Manner::Impatient => return impatient(stream, mood).await,
        Manner::Halves => return halves(stream, mood).await,
        Manner::Blocks => blocks(&mut stream, &mut mood).await?,
    }
    stream.shutdown_write().await
}

async fn impatient(mut stream: Stream, mut mood: Mood) -> io::Result<()> {
    let mut bytes = [0; 7];
    while mood.ask()? {
        let time = Duration::from_micros(mood.random.below(3000));
        match timeout(time, stream.read_exact(&mut bytes)).await {
            Ok(Ok(())) => stream.write_all(bytes).await?,
            // Whatever is left.
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                let length = stream.read(&mut bytes).await?;
                return stream.write_all(&bytes[..length]).await;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Writes what it reads to a file, from a block, and sends it from the block that it is read into again.
async fn blocks(stream: &mut Stream, mood: &mut Mood) -> io::Result<()> {
    let (path, options) =
        (format!("/{}", stream.id()), OpenOptions::new().read(true).write(true).create(true));
    let file = again(|| options.open(&path)).await;
    let region = again(|| async { Ok(Region::new(3, 50).await?) }).await;
    let (mut bytes, mut at) = ([0; 50], 0);
    loop {
        let wanted = mood.random.index(50) + 1;
        let length = stream.read(&mut bytes[..wanted]).await?;
        if length == 0 || !mood.ask()? {
            break;
        }
        let Some(mut block) = region.take() else {
            // The peer has not read what is in the others.
            stream.write_all(&bytes[..length]).await?;
            continue;
        };
        block.set_len(length);
        block.copy_from_slice(&bytes[..length]);
        let mut is_written = false;
        while !is_written {
            let written;
            (written, block) = file.write_all_at(block, at).await;
            is_written = written.is_ok();
        }
        block.set_len(0);
        while block.len() < length {
            let from = at + block.len() as u64;
            // By accident it fails, or is short.
            (_, block) = file.read_at(block, from).await;
        }
        at += length as u64;
        stream.write_bytes(block.freeze()).await?;
    }
    if mood.random.chance(0.5) {
        region.remove().await;
    }
    Ok(())
}

/// Until no accident is in the way of it.
async fn again<T, F: Future<Output = io::Result<T>>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        if let Ok(done) = attempt().await {
            return done;
        }
    }
}

/// What one future hands to the other.
#[derive(Default)]
struct Handed {
    bytes: Vec<u8>,
    over: bool,
    waker: Option<Waker>,
}

async fn halves(stream: Stream, mut mood: Mood) -> io::Result<()> {
    let (mut reader, writer) = stream.split();
    let handed = Rc::<RefCell<Handed>>::default();
    let writing = task::spawn(write(writer, handed.clone()));
    let read = read(&mut reader, &handed, &mut mood).await;
    hand(&handed, &[], true);
    if mood.random.chance(0.5) {
        drop(reader);
    }
    // It may have found no place.
    writing.await.unwrap_or(Ok(()))?;
    read
}

async fn read(reader: &mut ReadHalf, handed: &RefCell<Handed>, mood: &mut Mood) -> io::Result<()> {
    let mut buffer = [0; 33];
    while mood.ask()? {
        match reader.read(&mut buffer).await? {
            0 => break,
            length => hand(handed, &buffer[..length], false),
        }
    }
    Ok(())
}

fn hand(handed: &RefCell<Handed>, bytes: &[u8], over: bool) {
    let mut handed = handed.borrow_mut();
    handed.bytes.extend_from_slice(bytes);
    handed.over |= over;
    if let Some(waker) = handed.waker.take() {
        waker.wake();
    }
}

async fn write(mut writer: WriteHalf, handed: Rc<RefCell<Handed>>) -> io::Result<()> {
    loop {
        let (bytes, over) = poll_fn(|cx| {
            let mut handed = handed.borrow_mut();
            if handed.bytes.is_empty() && !handed.over {
                handed.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready((std::mem::take(&mut handed.bytes), handed.over))
        })
        .await;
        writer.write_all(bytes).await?;
        if over {
            return Ok(());
        }
    }
}

/// What has been read of a stream up to its end, and how that was told.
type Read = (Vec<u8>, Result<(), ErrorKind>);

/// Has these bytes sent, and the connection ended behind them, and answers what was read.
fn read_to_end(sim: &Sim, all: &[u8], closes: bool) -> Read {
    let (told, piece) = (Arc::<Mutex<Option<Read>>>::default(), 1 + sim.random().index(5_000));
    let tells = told.clone();
    let listening = sim.listener(World::address()).serve(move |mut stream: Stream| async move {
        let (mut got, mut piece) = (Vec::new(), vec![0; piece]);
        let end = loop {
            match stream.read(&mut piece).await {
                Ok(0) => break Ok(()),
                Ok(length) => got.extend_from_slice(&piece[..length]),
                Err(error) => break Err(error.kind()),
            }
        };
        let before = tells.lock().expect("nobody panics with it").replace((got, end));
        assert_eq!(before, None, "it is told once");
        Ok(())
    });
    let mut peer = sim.connect(listening.expect("nobody listens there yet").address());
    let mut sent = 0;
    sim.run_until("all is sent", || {
        sent += peer.write(&all[sent..]);
        sent == all.len() || peer.is_reset()
    });
    let _open = if closes {
        peer.close();
        None
    } else {
        peer.shutdown_write();
        Some(peer)
    };
    sim.run_until("its end is told", || told.lock().expect("nobody panics with it").is_some());
    let read = told.lock().expect("nobody panics with it").take();
    read.expect("it was told")
}

/// How it is told that a connection was cut off.
const ENDS: [ErrorKind; 4] =
    [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::TimedOut, ErrorKind::HostUnreachable];

#[test]
fn what_a_peer_sends_before_its_end_is_all_read_or_an_error_says_why_not() {
    let sizes: &[usize] = if cfg!(miri) { &[300] } else { &[0, 1, 5_000, 100_000] };
    for &size in sizes {
        let all: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        for closes in [false, true] {
            Check::new().seeds(10).run(|sim| {
                let (got, end) = read_to_end(sim, &all, closes);
                assert_eq!((got == all, end), (true, Ok(())), "{} of {size} bytes", got.len());
            });
            // Else nobody reads.
            let accidents = |seed| Faults { aborted_accept: 0.0, ..Faults::from_seed(seed) };
            Check::new().seeds(10).faults(accidents).run(|sim| {
                let (got, end) = read_to_end(sim, &all, closes);
                assert!(all.starts_with(&got), "other bytes have come than were sent");
                match end {
                    Ok(()) => assert_eq!(got.len(), all.len(), "an end that is none"),
                    Err(kind) => {
                        assert!(ENDS.contains(&kind), "{kind}");
                    }
                }
            });
        }
    }
}

/// Wherever the end of the system cuts two lines.
#[test]
fn the_half_of_a_line_is_never_the_last_line() {
    const WIRE: &str = "GET /abc\nDELETE /abc\n";
    for sent in 0..=WIRE.len() {
        let simulation = Simulation::new(small(sent as u64)).expect("the limits are possible");
        let read = Arc::new(Mutex::new(Vec::new()));
        let lines = read.clone();
        let listening = simulation.listener(World::address()).serve(|mut stream: Stream| async move {
            let note = |line| lines.lock().expect("nobody panics while holding it").push(line);
            loop {
                match stream.read_line(80).await {
                    Ok(Some(line)) => note(line),
                    Ok(None) => break note("the end".to_owned()),
                    Err(error) => break note(error.kind().to_string()),
                }
            }
            Ok(())
        });
        listening.expect("nobody listens there yet");
        let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
        peer.write(&WIRE.as_bytes()[..sent]);
        drop((simulation.shutdown(), peer));
        let whole = WIRE[..sent].rfind('\n').map_or(0, |end| end + 1);
        let mut expected: Vec<&str> = WIRE[..whole].lines().collect();
        expected.push(if sent == whole { "the end" } else { "connection aborted" });
        assert_eq!(*read.lock().expect("nobody panics"), expected, "of {sent} bytes");
    }
}

/// The client has finished, of which nobody was told because enough had arrived.
#[test]
fn a_last_line_without_an_end_is_whole_where_the_system_ends_before_it_is_read() {
    let mut plan = small(0);
    plan.config.read_ahead_bytes_max = 4;
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let read = Arc::new(Mutex::new(Vec::new()));
    let lines = read.clone();
    let listening = simulation.listener(World::address()).serve(|mut stream: Stream| async move {
        sleep(Duration::from_millis(20)).await;
        while let Some(line) = stream.read_line(80).await? {
            lines.lock().expect("nobody panics while holding it").push((line, stream.is_cut_short()));
        }
        Ok(())
    });
    listening.expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    peer.write(b"DELETE /abc");
    simulation.run_for(Duration::from_millis(5));
    peer.shutdown_write();
    simulation.run_for(Duration::from_millis(5));
    drop((simulation.shutdown(), peer));
    assert_eq!(*read.lock().expect("nobody panics"), [("DELETE /abc".to_owned(), false)]);
}

#[test]
fn a_write_waits_at_half_of_the_bound() {
    let mut simulation = Simulation::new(small(0)).expect("the limits are possible");
    const ALL: usize = if cfg!(miri) { 800 } else { 2000 };
    let written = Arc::new(AtomicUsize::new(0));
    let progress = written.clone();
    let listener = simulation.listener(World::address()).outbox_bytes(1000);
    let listening = listener.serve(|mut stream: Stream| async move {
        for _ in 0..ALL / 10 {
            stream.write_all([b'x'; 10]).await?;
            progress.fetch_add(10, Ordering::Relaxed);
        }
        Ok(())
    });
    listening.expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    peer.limit_unread(100);
    let mut read = 0;
    while read < ALL {
        simulation.settle();
        let queued = written.load(Ordering::Relaxed) - read;
        assert!(queued <= 100 + 500, "{queued} bytes are queued, or wait for the peer");
        // The kernel takes them all at once, as far as is known here.
        assert!(queued >= 100 || read + queued == ALL, "the peer waits, for {queued} bytes");
        read += peer.read(50).len();
    }
    simulation.settle();
    assert!(peer.is_ended());
    drop(simulation.shutdown());
}
