//! Files that are written, read, emptied and sent, in any order and in parts, by futures that are dropped at any time.
//!
//! Knows: what a file may hold after all that. Must not know how requests get to the disk.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::fs::{self, File, OpenOptions};
use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{Disk, SimPeer};
use odeon::task;
use odeon::time::timeout;

use super::journal::{Journal, Life, Present};
use super::play::{self, Part};
use super::world::{World, pick};

/// What a file holds, as far as is known.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    /// Writes that nobody has waited for, or that have failed: each is done in part, wholly or not at all, and at any time.
    loose: Vec<(usize, Vec<u8>)>,
}

impl Model {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            let end = at + bytes.len();
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[at..end].copy_from_slice(bytes);
        }
    }

    fn end_max(&self) -> usize {
        self.loose.iter().map(|(at, bytes)| at + bytes.len()).fold(self.bytes.len(), usize::max)
    }

    fn allows(&self, place: usize, byte: u8) -> bool {
        let loose = |(at, bytes): &(usize, Vec<u8>)| {
            place.checked_sub(*at).and_then(|index| bytes.get(index)).is_some_and(|loose| *loose == byte)
        };
        let is_hole = byte == 0 && place >= self.bytes.len() && place < self.end_max();
        self.bytes.get(place) == Some(&byte) || is_hole || self.loose.iter().any(loose)
    }

    fn allows_all(&self, from: usize, bytes: &[u8]) -> bool {
        bytes.iter().enumerate().all(|(index, byte)| self.allows(from + index, *byte))
    }
}

/// Does whatever comes to its mind with a file of its own.
struct Clerk {
    journal: Journal,
    random: Random,
    gentle: bool,
    path: String,
    model: Model,
    /// What is still to come.
    todo: Arc<AtomicUsize>,
    _present: Present,
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.todo.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Clerk {
    async fn work(mut self) {
        for _ in 0..self.random.below(if cfg!(miri) { 3 } else { 6 }) {
            let empties = self.random.chance(0.3);
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(empties);
            match options.open(&self.path).await {
                Ok(file) => {
                    if empties {
                        self.model.bytes.clear();
                    }
                    for _ in 0..self.random.below(8) {
                        self.act(&file).await;
                    }
                }
                Err(error) => self.failed(&error),
            }
        }
        match fs::read(&self.path).await {
            Ok(bytes) => self.look(0, &bytes, bytes.len() >= self.model.bytes.len(), "all"),
            Err(error) if error.kind() == ErrorKind::NotFound && self.model.bytes.is_empty() => {}
            Err(error) => self.failed(&error),
        }
    }

    async fn act(&mut self, file: &File) {
        let most = pick(&mut self.random, [2, 100, 5_000]);
        let length = self.random.index(most);
        let bytes: Vec<u8> = (0..length).map(|_| self.random.bits() as u8).collect();
        let at = self.random.index(self.model.bytes.len() + 50);
        match self.random.below(7) {
            0 | 1 => {
                let (written, back) = file.write_all_at(bytes.clone(), at as u64).await;
                self.journal.expect(back == bytes, || "a write has handed something else back".to_owned());
                self.wrote(at, bytes, written.map(|()| length));
            }
            2 => {
                let (written, back) = file.write_at(bytes.clone(), at as u64).await;
                self.journal.expect(back == bytes, || "a write has handed something else back".to_owned());
                self.wrote(at, bytes, written);
            }
            3 => self.read(file, at, length).await,
            4 => {
                let time = Duration::from_micros(self.random.below(3_000));
                match timeout(time, file.write_all_at(bytes.clone(), at as u64)).await {
                    Ok((written, _)) => self.wrote(at, bytes, written.map(|()| length)),
                    Err(_) => self.model.loose.push((at, bytes)),
                }
            }
            5 => {
                let time = Duration::from_micros(self.random.below(3_000));
                // What it reads into stays with the request.
                let _ = timeout(time, file.read_at(Vec::with_capacity(length), at as u64)).await;
            }
            _ => self.sync(file).await,
        }
    }

    fn wrote(&mut self, at: usize, bytes: Vec<u8>, written: io::Result<usize>) {
        match written {
            Ok(count) => {
                let right = (count > 0 || bytes.is_empty()) && count <= bytes.len();
                self.journal.expect(right, || format!("{count} of {} bytes were written", bytes.len()));
                self.model.write(at, &bytes[..count]);
            }
            Err(error) => {
                self.failed(&error);
                self.model.loose.push((at, bytes));
            }
        }
    }

    async fn read(&mut self, file: &File, at: usize, length: usize) {
        let mut buffer = Vec::with_capacity(4 + length);
        buffer.extend_from_slice(b"head");
        let room = buffer.capacity() - 4;
        let (read, buffer) = file.read_at(buffer, at as u64).await;
        let Some(bytes) = buffer.strip_prefix(b"head") else {
            return self.journal.expect(false, || "a read goes behind what is there".to_owned());
        };
        match read {
            Ok(count) => {
                let ends = count > 0 || room == 0 || at >= self.model.bytes.len();
                self.look(at, bytes, ends && count == bytes.len(), "a part");
            }
            Err(error) => {
                self.failed(&error);
                self.journal
                    .expect(bytes.is_empty(), || "a read that failed has brought something".to_owned());
            }
        }
    }

    async fn sync(&mut self, file: &File) {
        let synced = if self.random.chance(0.5) { file.sync_all().await } else { file.sync_data().await };
        match (synced, file.metadata().await) {
            (Ok(()), Ok(metadata)) => {
                let (len, least, most) =
                    (metadata.len() as usize, self.model.bytes.len(), self.model.end_max());
                self.journal.expect((least..=most).contains(&len), || {
                    format!("{} has {len} bytes, and not {least} to {most}", self.path)
                });
            }
            (Err(error), _) | (_, Err(error)) => self.failed(&error),
        }
    }

    fn look(&self, at: usize, bytes: &[u8], right: bool, what: &str) {
        let right = right && self.model.allows_all(at, bytes);
        self.journal.expect(right, || format!("{what} of {} at {at}: {} bytes", self.path, bytes.len()));
    }

    /// By an accident.
    fn failed(&self, error: &io::Error) {
        let expected = !self.gentle && matches!(error.raw_os_error(), Some(libc::EIO | libc::ENOSPC));
        self.journal.expect(expected, || format!("{}: {error}", self.path));
    }
}

/// Has clerks work on its core.
struct Office {
    life: Life,
    clerks: Vec<Clerk>,
}

impl Actor for Office {
    type Message = Never;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        for clerk in self.clerks.drain(..) {
            task::spawn(clerk.work()).detach();
        }
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.life.stop();
    }
}

/// The files that are sent: as many, and as long.
const SITE: [usize; 3] = [0, 700, 70_000];

fn page(number: usize) -> Vec<u8> {
    (0..SITE[number]).map(|place| (place % 251) as u8 ^ number as u8).collect()
}

/// Sends the part of a file that each nine bytes ask for.
async fn serve(mut stream: Stream) -> io::Result<()> {
    let mut asked = [0; 9];
    loop {
        match stream.read_exact(&mut asked).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let [number, rest @ ..] = asked;
        let [offset, len] = [0, 4].map(|at| u32::from_be_bytes([0, 1, 2, 3].map(|byte| rest[at + byte])));
        let sent = match File::open(format!("/site/{number}")).await {
            Ok(file) => stream.send_file(&file, offset.into(), len.into()).await,
            Err(error) => Err(error),
        };
        if sent.is_err() {
            stream.abort();
            return sent;
        }
    }
}

/// Asks for parts of files, and knows what it is to get.
struct Reader {
    peer: SimPeer,
    script: Vec<u8>,
    sent: usize,
    expected: Vec<u8>,
    got: Vec<u8>,
    /// It asks for more than there is.
    greedy: bool,
}

impl Reader {
    fn new(world: &mut World) -> Reader {
        let mut peer = world.connect().expect("the backlog has room");
        let random = &mut world.random;
        if random.chance(0.3) {
            peer.limit_unread(pick(random, [500, 5_000]));
        }
        let (mut script, mut expected, mut greedy) = (Vec::new(), Vec::new(), false);
        for _ in 0..random.below(if cfg!(miri) { 2 } else { 6 }) {
            let number = random.index(SITE.len());
            let page = page(number);
            let offset = random.index(page.len() + 1);
            let mut len = random.index(page.len() - offset + 1);
            expected.extend_from_slice(&page[offset..offset + len]);
            if random.chance(0.1) {
                expected.extend_from_slice(&page[offset + len..]);
                (len, greedy) = (page.len() - offset + 1, true);
            }
            script.push(number as u8);
            script.extend([offset, len].into_iter().flat_map(|number| (number as u32).to_be_bytes()));
            if greedy {
                break;
            }
        }
        Reader { peer, script, sent: 0, expected, got: Vec::new(), greedy }
    }

    fn act(&mut self, random: &mut Random) {
        if random.chance(0.5) {
            let part = random.index(self.script.len() - self.sent + 1);
            self.sent += self.peer.write(&self.script[self.sent..][..part]);
        }
        if random.chance(0.3) {
            let most = pick(random, [1, 1000, usize::MAX]);
            self.got.extend(self.peer.read(most));
        }
    }

    fn hurry(&mut self) -> bool {
        self.sent += self.peer.write(&self.script[self.sent..]);
        self.peer.shutdown_write();
        self.got.extend(self.peer.read(usize::MAX));
        self.peer.is_ended() || self.peer.is_reset()
    }
}

struct Files {
    disk: Disk,
    todo: Arc<AtomicUsize>,
    readers: Vec<Reader>,
}

impl Files {
    fn new(world: &mut World) -> Files {
        let (disk, todo) = (world.simulation.network().disk(), Arc::<AtomicUsize>::default());
        (0..SITE.len()).for_each(|number| disk.put(&format!("/site/{number}"), &page(number)));
        for core in 0..world.simulation.cores() {
            let clerks = (0..world.random.below(4)).map(|number| Clerk {
                journal: world.journal.clone(),
                random: world.random.fork(),
                gentle: world.gentle,
                path: format!("/{core}-{number}"),
                model: Model::default(),
                todo: todo.clone(),
                _present: Present::new(&world.journal),
            });
            let clerks: Vec<Clerk> = clerks.collect();
            todo.fetch_add(clerks.len(), Ordering::Relaxed);
            let office = Office { life: Life::new(&world.journal), clerks };
            world.simulation.spawn_on(core, office).expect("there is room");
        }
        let listener = world.simulation.listener(World::address());
        listener.serve(serve).expect("nobody listens there yet");
        let readers = (0..world.random.below(4)).map(|_| Reader::new(world)).collect();
        Files { disk, todo, readers }
    }
}

impl Part for Files {
    fn act(&mut self, world: &mut World) {
        self.readers.iter_mut().for_each(|reader| reader.act(&mut world.random));
    }

    fn hurry(&mut self) -> bool {
        let reading = self.readers.iter_mut().filter_map(|reader| (!reader.hurry()).then_some(())).count();
        reading == 0 && self.todo.load(Ordering::Relaxed) == 0
    }

    fn look_at(&mut self, journal: &Journal, whole: bool) {
        let open = self.disk.open_files();
        journal.expect(open == 0, || format!("{open} files were left open"));
        for Reader { peer, expected, got, greedy, .. } in self.readers.drain(..) {
            journal.note([got.len() as u64, expected.len() as u64, 0]);
            let ended = peer.is_ended() && !peer.is_reset();
            journal.expect(expected.starts_with(&got), || {
                "other bytes were sent than the files have".to_owned()
            });
            let right = if whole { ended != greedy } else { true };
            let all = got.len() == expected.len() && !greedy;
            journal.expect(right && (!ended || all || !whole), || {
                format!("{} of {} bytes came; in order: {ended}", got.len(), expected.len())
            });
        }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |_, _| ());
    let files = Files::new(&mut world);
    play::play(world, vec![Box::new(files)])
}
