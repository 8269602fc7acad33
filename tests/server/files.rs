//! Files on a core, and files that are sent to a peer.
//!
//! Knows: what `odeon::fs` and `Stream::send_file` promise. Must not know how a file is read.

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use odeon::fs::{Directory, File, OpenOptions};
use odeon::prelude::*;
use odeon::task;

use crate::client::{connect, ends_by_reset, expect, finish, is_reset, pattern, reset, rest};
use crate::ways::tell;
use crate::world::{PATIENCE, World};

/// A folder of one case. Removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Another process of this number may have left some.
        loop {
            let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(format!("odeon-server-{process}-{number}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    made.expect("a folder can be made");
                    return Folder(path);
                }
            }
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with these bytes in it.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl World {
    /// Runs a future on the first core; answers what it did.
    pub(crate) fn run<R: Future<Output: Send> + 'static>(
        &self,
        future: impl FnOnce() -> R + Send + 'static,
    ) -> R::Output {
        let task = self.system.spawn_task(0, future).expect("the core runs");
        task.wait().expect("the future ends")
    }
}

fn kind<T>(outcome: std::io::Result<T>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

pub(crate) fn what_is_written_is_read_back(on: BackendChoice) {
    let (world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.0.join("new");
    let absent = folder.0.join("absent");
    world.run(move || async move {
        let bytes = pattern(1, 300_000);
        let options = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path).await.expect("a file is made");
        assert_eq!(kind(options.open(&path).await), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(File::open(absent).await), Some(ErrorKind::NotFound));
        let (written, _) = file.write_all_at(bytes.clone(), 10).await;
        written.expect("the disk has room");
        file.sync_data().await.expect("it reaches the disk");
        file.sync_all().await.expect("it reaches the disk");
        let (written, buffer) = file.write_all_synced_at(bytes.clone(), 10).await;
        written.expect("the disk has room");
        assert!(buffer == bytes);
        let metadata = file.metadata().await.expect("it is open");
        assert_eq!((metadata.len(), metadata.is_file(), metadata.is_dir()), (300_010, true, false));
        assert!(metadata.modified().is_some());
        let whole = odeon::fs::read(&path).await.expect("it is a file");
        assert!(whole[..10] == [0; 10] && whole[10..] == bytes);
        let (read, buffer) = file.read_at(Vec::from(b"before "), 300_000).await;
        assert_eq!((read.expect("it is open"), buffer.len()), (0, 7), "there is no room");
        let mut buffer = Vec::from(b"before ");
        buffer.reserve_exact(100);
        let (read, buffer) = file.read_at(buffer, 300_000).await;
        assert_eq!(read.expect("it is open"), 10);
        assert!(buffer.starts_with(b"before ") && buffer[7..] == bytes[299_990..]);
        let (read, _) = file.read_at(Vec::with_capacity(1), 400_000).await;
        assert_eq!(read.expect("it is open"), 0, "behind the end");
        odeon::fs::write(&path, b"short".to_vec()).await.expect("it is emptied first");
        assert_eq!(odeon::fs::read(&path).await.expect("it is a file"), b"short");
        assert_eq!(kind(Directory::open(&path).await), Some(ErrorKind::NotADirectory));
    });
    world.finish();
}

pub(crate) fn what_is_no_file_is_refused_or_read_and_nothing_waits_for_it(on: BackendChoice) {
    let (world, folder) = (World::new(on, 1), Folder::new());
    let pipe = folder.0.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("it is there").success());
    let end = pipe.clone();
    world.run(move || async move {
        let write = OpenOptions::new().write(true);
        // Nobody is at the other end: to read, this would wait.
        assert_eq!(kind(File::open(&pipe).await), Some(ErrorKind::NotSeekable));
        let nobody = write.open(&pipe).await.expect_err("nobody reads");
        assert_eq!(nobody.raw_os_error(), Some(libc::ENXIO));
        assert_eq!(kind(odeon::fs::read(&pipe).await), Some(ErrorKind::NotSeekable));
        for path in ["/dev/null", "/dev/zero"] {
            let device = File::open(path).await.expect("a device has places");
            assert!(!device.metadata().await.expect("it is open").is_file());
            let (read, bytes) = device.read_at(Vec::with_capacity(8), 5).await;
            assert_eq!(read.expect("it never waits"), bytes.len());
            assert_eq!(bytes, vec![0; if path == "/dev/zero" { 8 } else { 0 }]);
        }
    });
    // With somebody at the other end, who is not kept waiting either.
    let both = fs::OpenOptions::new().read(true).write(true).open(&end).expect("it waits for nobody");
    let path = end.clone();
    world.run(move || async move {
        for options in [OpenOptions::new().write(true), OpenOptions::new().read(true)] {
            assert_eq!(kind(options.open(&path).await), Some(ErrorKind::NotSeekable));
        }
    });
    drop(both);
    world.finish();
}

/// Twice as many as a core has in flight.
pub(crate) fn thousands_of_reads_at_once_are_answered(on: BackendChoice) {
    const READS: u64 = 2_000;
    let (world, folder) = (World::new(on, 1), Folder::new());
    let bytes = pattern(2, READS as usize * 8);
    let path = folder.file("numbers", &bytes);
    let read = world.run(move || async move {
        let file = std::rc::Rc::new(File::open(path).await.expect("it is there"));
        let reads: Vec<_> = (0..READS)
            .map(|number| {
                let file = file.clone();
                task::spawn(async move { file.read_at(Vec::with_capacity(8), number * 8).await })
            })
            .collect();
        let mut all = Vec::new();
        for read in reads {
            let (read, buffer) = read.await.expect("it ends");
            assert_eq!(read.expect("it is open"), buffer.len());
            all.extend(buffer);
        }
        all
    });
    assert!(read == bytes, "each read has what it asked for");
    world.finish();
}

/// The file as well, while what was asked of it is under way.
pub(crate) fn futures_that_are_dropped_leave_nothing(on: BackendChoice) {
    let (world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.file("some", &pattern(3, 100_000));
    let made = folder.0.join("made");
    world.run(move || async move {
        for round in 0..50_u64 {
            assert!(poll_once(File::open(&path)).await.is_none(), "it takes a turn at least");
            drop(Box::pin(File::open(&path)));
            let file = File::open(&path).await.expect("it is there");
            let read = |at: u64| file.read_at(Vec::with_capacity(50_000), at);
            assert!(poll_once(zip(read(0), read(50_000))).await.is_none());
            assert!(poll_once(zip(file.metadata(), file.sync_all())).await.is_none());
            if round % 3 == 0 {
                drop(file);
                assert!(poll_once(odeon::fs::write(&made, vec![1; 100_000])).await.is_none());
            }
        }
    });
    world.finish();
}

/// Reads and writes until it cannot.
pub(crate) async fn churn(from: PathBuf, offset: u64, to: PathBuf) -> std::io::Result<Infallible> {
    let file = File::open(from).await?;
    loop {
        let (read, buffer) = file.read_at(Vec::with_capacity(1 << 14), offset).await;
        read?;
        odeon::fs::write(&to, buffer).await?;
    }
}

pub(crate) fn a_system_is_dropped_while_files_are_used(on: BackendChoice) {
    let folder = Folder::new();
    let path = folder.file("some", &pattern(5, 1 << 20));
    for round in 0..10 {
        let world = World::with(on, 2, |config| config.drain_deadline = Duration::from_millis(5));
        for (core, number) in (0..2).flat_map(|core| (0..100).map(move |number| (core, number))) {
            let (from, to) = (path.clone(), folder.0.join(format!("{core}-{number}")));
            let begun = world.system.spawn_task(core, move || churn(from, number << 10, to));
            begun.expect("the core runs").detach();
        }
        for _ in 0..round % 4 {
            world.ledgers();
        }
        drop(world.system);
    }
}

pub(crate) fn no_path_leads_out_of_a_directory(on: BackendChoice) {
    let (world, folder) = (World::new(on, 1), Folder::new());
    folder.file("secret", b"secret");
    let inside = folder.0.join("inside");
    fs::create_dir_all(inside.join("deep")).expect("a folder can be made");
    fs::write(inside.join("deep/file"), b"public").expect("a file can be written");
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, inside.join(name)).expect("a link can be made");
    };
    link(&folder.0.join("secret"), "absolute");
    link(Path::new("../secret"), "relative");
    link(Path::new(".."), "up");
    world.run(move || async move {
        let secret = inside.with_file_name("secret");
        let below = Directory::open(&inside).await.expect("it is a directory");
        for good in ["deep/file", "./deep/file", "deep//file"] {
            let file = below.open_file(good).await.expect("it is below");
            assert_eq!(file.read_at(Vec::with_capacity(6), 0).await.1, b"public");
        }
        for bad in
            ["../secret", "deep/../../secret", "absolute", "relative", "up/secret", "up/inside/deep/file"]
        {
            assert!(below.open_file(bad).await.is_err(), "{bad} leads out");
        }
        assert!(below.open_file(&secret).await.is_err(), "an absolute path leads out");
        let create = OpenOptions::new().write(true).create(true).truncate(true);
        assert!(below.open_with(create.clone(), "../secret").await.is_err());
        assert!(below.open_with(create, "relative").await.is_err());
        assert_eq!(kind(below.open_file("deep/absent").await), Some(ErrorKind::NotFound));
        assert_eq!(kind(below.open_file("zero\0byte").await), Some(ErrorKind::InvalidInput));
        assert_eq!(odeon::fs::read(secret).await.expect("it is there"), b"secret", "nobody has emptied it");
    });
    world.finish();
}

/// Sends parts of one file, with a byte between them, then the same again.
pub(crate) fn parts_of_files_are_sent_in_order(on: BackendChoice) {
    for (send_slots, outbox) in
        [(Config::default().send_slots, 1 << 20), ([8, 4, 2, 0, 0], 3_000), ([2, 0, 0, 0, 0], 100)]
    {
        let mut world = World::with(on, 1, |config| {
            config.send_slots = send_slots;
            config.outbox_bytes_max = outbox;
        });
        let folder = Folder::new();
        let bytes = pattern(6, 1 << 20);
        let path = folder.file("some", &bytes);
        let size = bytes.len().min(outbox * 50);
        let parts: Vec<(usize, usize)> = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, size]
            .into_iter()
            .filter(|len| *len <= size)
            .flat_map(|len| [(0, len), (size - len, len)])
            .collect();
        let sent = parts.clone();
        let address = world.attend(move |mut stream: Stream| async move {
            let file = File::open(path).await?;
            for (offset, len) in sent {
                stream.write_all("<").await?;
                stream.send_file(&file, offset as u64, len as u64).await?;
                stream.write_all(">").await?;
            }
            Ok(())
        });
        for _ in 0..3 {
            let mut client = connect(address);
            for (offset, len) in &parts {
                expect(&mut client, b"<");
                expect(&mut client, &bytes[*offset..offset + len]);
                expect(&mut client, b">");
            }
            assert_eq!(rest(&mut client), b"");
        }
        world.finish();
    }
}

pub(crate) fn many_peers_are_sent_files_at_once(on: BackendChoice) {
    let mut world = World::with(on, 2, |config| config.send_slots = [64, 16, 8, 4, 2]);
    let folder = Folder::new();
    let bytes = pattern(7, 500_000);
    let path = folder.file("some", &bytes);
    let address = world.attend(move |mut stream: Stream| async move {
        let file = File::open(path).await?;
        stream.send_file(&file, 0, 500_000).await
    });
    let mut clients: Vec<_> = (0..40).map(|_| connect(address)).collect();
    for client in &mut clients {
        assert!(rest(client) == bytes);
    }
    drop(clients);
    world.finish();
}

pub(crate) fn a_file_that_ends_too_early_resets_its_connection(on: BackendChoice) {
    let (mut world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.file("some", b"short");
    let (telling, told) = channel();
    let address = world.attend(move |mut stream: Stream| async move {
        let file = File::open(path).await?;
        stream.write_all("10 bytes: ").await?;
        let sent = stream.send_file(&file, 0, 10).await;
        tell(&telling, (kind(sent), kind(stream.write_all("and on").await)));
        Ok(())
    });
    let mut client = connect(address);
    assert!(ends_by_reset(&mut client), "it is not taken for a whole answer");
    let expected = (Some(ErrorKind::UnexpectedEof), Some(ErrorKind::ConnectionAborted));
    let told = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!(told.0, expected.0);
    assert!(told.1.is_none() || told.1 == expected.1, "{told:?}");
    world.finish();
}

pub(crate) fn a_file_that_cannot_be_read_resets_its_connection(on: BackendChoice) {
    let (mut world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.file("some", b"nobody reads this");
    let (telling, told) = channel();
    let address = world.attend(move |mut stream: Stream| async move {
        let file = OpenOptions::new().write(true).open(path).await?;
        tell(&telling, stream.send_file(&file, 0, 10).await.map_err(|error| error.raw_os_error()));
        Ok(())
    });
    assert!(is_reset(address));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(Some(libc::EBADF))));
    world.finish();
}

pub(crate) fn a_peer_that_does_not_read_holds_its_outbox_and_no_more(on: BackendChoice) {
    const OUTBOX: usize = 256 << 10;
    let mut world = World::with(on, 1, |config| config.outbox_bytes_max = OUTBOX);
    let folder = Folder::new();
    let bytes = pattern(8, 32 << 20);
    let path = folder.file("much", &bytes);
    let (telling, told) = channel();
    let address = world.attend(move |mut stream: Stream| async move {
        let file = File::open(path).await?;
        stream.send_file(&file, 0, 32 << 20).await?;
        tell(&telling, ());
        stream.write_all("behind").await
    });
    let mut client = connect(address);
    expect(&mut client, &bytes[..1]);
    // Nothing is read any more, for many turns in a row.
    let mut quiet = 0;
    while quiet < 1_000 {
        let ledger = &world.ledgers()[0];
        let bound = 2 + (OUTBOX >> 14);
        assert!(ledger.send_slots <= bound, "{} slots are held", ledger.send_slots);
        quiet = if ledger.file_requests == 0 && ledger.send_slots > 0 { quiet + 1 } else { 0 };
    }
    assert!(told.try_recv().is_err(), "nobody holds 32 MiB");
    expect(&mut client, &bytes[1..]);
    expect(&mut client, b"behind");
    drop(client);
    world.finish();
}

pub(crate) fn what_is_sent_of_a_file_may_be_given_up(on: BackendChoice) {
    let (mut world, folder) = (World::new(on, 1), Folder::new());
    let bytes = pattern(9, 32 << 20);
    let path = folder.file("much", &bytes);
    let turns = Arc::new(AtomicUsize::new(0));
    let address = world.attend(move |mut stream: Stream| async move {
        let file = File::open(path).await?;
        assert!(poll_once(stream.send_file(&file, 0, 1)).await.is_none(), "it takes a turn at least");
        let mut begun = Box::pin(stream.send_file(&file, 0, 32 << 20));
        for _ in 0..turns.fetch_add(1, Ordering::Relaxed) {
            assert!(poll_once(&mut begun).await.is_none(), "nobody reads as much");
            // That takes a turn.
            file.metadata().await?;
        }
        drop(begun);
        stream.abort();
        Ok(())
    });
    for _ in 0..20 {
        assert!(is_reset(address));
    }
    world.finish();
}

pub(crate) fn a_peer_that_vanishes_ends_what_it_is_sent(on: BackendChoice) {
    let (mut world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.file("much", &pattern(10, 16 << 20));
    let (telling, told) = channel();
    let address = world.attend(move |mut stream: Stream| async move {
        let file = File::open(path).await?;
        let sent = stream.send_file(&file, 0, 16 << 20).await;
        tell(&telling, kind(sent));
        Ok(())
    });
    for round in 0..10 {
        let mut client = connect(address);
        client.read_exact(&mut vec![0; 1 + round * 10_000]).expect("the server sends");
        reset(client);
        let end = told.recv_timeout(PATIENCE).expect("it is told").expect("it cannot have been sent");
        assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end}");
    }
    world.finish();
}

/// Requests for parts, pipelined; the answers are parts.
pub(crate) fn pipelined_requests_for_parts_are_answered_in_order(on: BackendChoice) {
    let (mut world, folder) = (World::new(on, 1), Folder::new());
    let bytes = pattern(11, 1 << 18);
    let path = folder.file("some", &bytes);
    let address = world.attend(move |mut stream: Stream| async move {
        let file = File::open(path).await?;
        while let Some(line) = stream.read_line(20).await? {
            let (offset, len) = line.split_once(' ').expect("a request has two numbers");
            let [offset, len] = [offset, len].map(|number| number.parse().expect("it is a number"));
            stream.send_file(&file, offset, len).await?;
        }
        Ok(())
    });
    let mut client = connect(address);
    let parts: Vec<_> = (0..300).map(|number| (number * 701, 1 + number * number % 50_000)).collect();
    let requests: String = parts.iter().map(|(offset, len)| format!("{offset} {len}\n")).collect();
    client.write_all(requests.as_bytes()).expect("the server reads");
    finish(&client);
    for (offset, len) in parts {
        expect(&mut client, &bytes[offset..offset + len]);
    }
    assert_eq!(rest(&mut client), b"");
    drop(client);
    world.finish();
}
