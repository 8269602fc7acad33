//! Connections that futures serve.
//!
//! Knows: what a stream promises. Must not know what it is made of.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use odeon::net::codec::FrameError;
use odeon::prelude::*;
use odeon::sys::Random;
use odeon::task;
use odeon::time::{sleep, timeout};
use odeon::{ListenerBuilder, ShutdownReport};
use socket2::SockRef;

use crate::client::{connect, ends_by_reset, exchange, expect, finish, is_reset, pattern, request, reset};
use crate::client::{rest, size};
use crate::load;
use crate::puppet::Gate;
use crate::world::{PATIENCE, World};

type Done = std::io::Result<()>;

impl World {
    /// Opens a listener with default options whose connections a future serves.
    pub(crate) fn attend<F, R>(&mut self, serve: F) -> SocketAddr
    where
        F: FnOnce(Stream) -> R + Clone + Send + 'static,
        R: Future<Output = Done> + 'static,
    {
        self.attend_with(|listener| listener, serve)
    }

    fn attend_with<F, R>(
        &mut self,
        options: impl FnOnce(ListenerBuilder<'_>) -> ListenerBuilder<'_>,
        serve: F,
    ) -> SocketAddr
    where
        F: FnOnce(Stream) -> R + Clone + Send + 'static,
        R: Future<Output = Done> + 'static,
    {
        let listener = options(self.system.listener("127.0.0.1:0"));
        let listening = listener.serve(serve).expect("a free port is found");
        self.listens();
        listening.address()
    }
}

/// Waits for what a future tells.
fn told<T>(answers: &Receiver<T>) -> T {
    answers.recv_timeout(PATIENCE).expect("the future tells something")
}

/// Sends everything back, by reads and writes of odd sizes.
async fn echo(mut stream: Stream) -> Done {
    let mut random = Random::new(stream.id());
    loop {
        let mut buffer = vec![0; size(&mut random, 17)];
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let (first, second) = buffer[..length].split_at(random.index(length + 1));
        stream.write_all(first).await?;
        let written = stream.write(second).await?;
        stream.write_all(&second[written..]).await?;
        if random.chance(0.1) {
            stream.flush().await?;
        }
    }
}

pub(crate) fn bytes_come_back_whatever_the_sizes_of_reads_and_writes(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(echo);
    let mut random = Random::new(1);
    for seed in 0..20 {
        let stream = connect(address);
        for _ in 0..3 {
            let bytes = pattern(seed, size(&mut random, 20));
            exchange(&stream, &mut random, &bytes);
        }
    }
    world.finish();
}

pub(crate) fn lines_are_read_whole_however_they_are_split(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        loop {
            match stream.read_line(10).await {
                Ok(None) => return Ok(()),
                Ok(Some(line)) => stream.write_all(format!("<{line}>")).await?,
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    let why = match error.get_ref().and_then(|error| error.downcast_ref::<FrameError>()) {
                        Some(FrameError::TooLarge { limit: 10, .. }) => "long",
                        Some(FrameError::NotUtf8 { .. }) => "odd",
                        other => panic!("another error: {other:?}"),
                    };
                    let skipped = stream.skip_until(b'\n').await?;
                    stream.write_all(format!("({why} {skipped})")).await?;
                }
                Err(error) => return Err(error),
            }
        }
    });
    let wire = b"one\r\n\n0123456789\r\n0123456789x\r\n\xff\xff\nx\rx\n0123456789\rx\nlast";
    let replies = b"<one><><0123456789>(long 13)(odd 3)<x\rx>(long 13)<last>";
    for piece in [1, 2, 3, 7, 100] {
        let mut stream = connect(address);
        for piece in wire.chunks(piece) {
            stream.write_all(piece).expect("the server reads");
        }
        finish(&stream);
        assert_eq!(rest(&mut stream).escape_ascii().to_string(), replies.escape_ascii().to_string());
    }
    world.finish();
}

pub(crate) fn a_line_may_be_longer_than_what_is_read_ahead(on: BackendChoice) {
    const LINE: usize = 1 << 20;
    let mut world = World::with(on, 1, |config| config.read_ahead_bytes_max = 1000);
    let address = world.attend(|mut stream: Stream| async move {
        let mut line = Vec::new();
        while stream.read_until(b'\n', LINE, &mut line).await? > 0 {
            // As much again by one read.
            let mut exact = vec![0; line.len()];
            stream.read_exact(&mut exact).await?;
            stream.write_all(&exact).await?;
            line.clear();
        }
        Ok(())
    });
    let mut bytes = pattern(2, 2 * LINE + 2);
    bytes.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = 0);
    bytes[LINE] = b'\n';
    let mut stream = connect(address);
    stream.write_all(&bytes).expect("the server reads");
    expect(&mut stream, &bytes[LINE + 1..]);
    drop(stream);
    world.finish();
}

pub(crate) fn a_write_waits_for_a_client_that_reads_slowly(on: BackendChoice) {
    const TOTAL: usize = 16 << 20;
    // What is not on its way, what the sockets of both ends hold, and the outbox.
    const BETWEEN_MAX: usize = 8 << 20;
    let mut world = World::new(on, 1);
    let written = Arc::new(AtomicUsize::new(0));
    let progress = written.clone();
    let address = world.attend_with(
        |listener| listener.outbox_bytes(64 << 10),
        |mut stream: Stream| async move {
            for piece in pattern(3, TOTAL).chunks(3001) {
                stream.write_all(piece).await?;
                progress.fetch_add(piece.len(), Ordering::Relaxed);
            }
            stream.flush().await
        },
    );
    let mut stream = connect(address);
    SockRef::from(&stream).set_recv_buffer_size(64 << 10).expect("the option exists");
    let (mut read, mut most) = (0, 0);
    for expected in pattern(3, TOTAL).chunks(64 << 10) {
        world.ledgers();
        most = most.max(written.load(Ordering::Relaxed) - read);
        expect(&mut stream, expected);
        read += expected.len();
    }
    assert!(most < BETWEEN_MAX, "{most} bytes were on their way at one time");
    assert_eq!(rest(&mut stream), b"");
    drop(stream);
    world.finish();
}

/// Writes until nothing more is taken for a while; answers how much was.
async fn write_until_stuck(stream: &mut Stream, bytes: &[u8]) -> std::io::Result<usize> {
    let mut written = 0;
    while let Ok(more) = timeout(Duration::from_millis(300), stream.write(&bytes[written..])).await {
        written += more?;
    }
    Ok(written)
}

pub(crate) fn a_write_waits_for_slots_where_no_memory_is_left_either(on: BackendChoice) {
    const MANY: usize = 100;
    let mut world = World::with(on, 1, |config| {
        config.send_slots = [1, 0, 0, 0, 0];
        config.spill_bytes_max = 64 << 10;
        (config.write_stall, config.close_deadline) = (PATIENCE * 10, PATIENCE);
    });
    // The only slot belongs to somebody whose client does not read.
    let (tell, stuck) = channel();
    let hogs = world.attend(move |mut stream: Stream| async move {
        let bytes = pattern(1, 8 << 20);
        let written = write_until_stuck(&mut stream, &bytes).await?;
        tell.send(written).expect("the test waits");
        stream.write_all(&bytes[written..][..1000]).await
    });
    let mut hog = connect(hogs);
    SockRef::from(&hog).set_recv_buffer_size(64 << 10).expect("the option exists");
    let before = told(&stuck);
    assert_eq!(world.ledgers()[0].send_slots, 1);
    // Each has an eighth of what is left, until nobody has a byte.
    let (tell, steps) = channel();
    let address = world.system.listener("127.0.0.1:0").serve(move |mut stream: Stream| async move {
        tell.send(0).expect("the test waits");
        let bytes = pattern(2, 3000);
        let written = stream.write(&bytes).await?;
        tell.send(1).expect("the test waits");
        stream.write_all(&bytes[written..]).await
    });
    let address = address.expect("a free port is found").address();
    let (mut clients, mut counts) = (Vec::new(), [0; 2]);
    while clients.len() < MANY {
        clients.push(connect(address));
        while counts[0] < clients.len() {
            counts[told(&steps)] += 1;
        }
    }
    // A turn of its core later, all that could be written has been.
    world.ledgers();
    steps.try_iter().for_each(|step: usize| counts[step] += 1);
    assert!((1..MANY).contains(&counts[1]), "there are those who have written nothing: {counts:?}");
    // Nor do they try again and again.
    let slept = world.sum(|ledger| ledger.sleeps);
    world.wait_for_figure("the core to rest", slept + 1, |ledger| ledger.sleeps);
    // Whoever waits goes on when the slot comes back, each with all that is its own.
    expect(&mut hog, &pattern(1, 8 << 20)[..before + 1000]);
    let bytes = pattern(2, 3000);
    clients.iter_mut().for_each(|client| expect(client, &bytes));
    drop((hog, clients));
    world.listens();
    world.finish();
}

pub(crate) fn a_client_waits_for_a_stream_that_is_not_read(on: BackendChoice) {
    const TOTAL: usize = 32 << 20;
    let mut world = World::new(on, 1);
    let (go, gate) = channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let address = world.attend(|mut stream: Stream| async move {
        while gate.lock().expect("nobody panics").try_recv().is_err() {
            sleep(Duration::from_millis(1)).await;
        }
        let mut count = 0;
        let mut buffer = [0; 5000];
        loop {
            match stream.read(&mut buffer).await? {
                0 => break,
                length => count += length,
            }
        }
        stream.write_all(count.to_string()).await
    });
    let mut stream = connect(address);
    stream.set_nonblocking(true).expect("a socket can be made not to block");
    let bytes = pattern(4, TOTAL);
    let (mut written, mut quiet) = (0, 0);
    while quiet < 200 {
        match (&stream).write(&bytes[written..]) {
            Ok(more) => (written, quiet) = (written + more, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => quiet += 1,
            Err(error) => panic!("the connection is open: {error}"),
        }
        world.ledgers();
    }
    assert!(written < TOTAL, "the client's writes block");
    assert_eq!(world.ledgers()[0].receive_leases, 0, "what nobody reads lies in a buffer of its own");
    go.send(()).expect("the future waits for it");
    stream.set_nonblocking(false).expect("a socket can be made to block");
    stream.write_all(&bytes[written..]).expect("the server reads");
    finish(&stream);
    assert_eq!(rest(&mut stream), TOTAL.to_string().as_bytes());
    drop(stream);
    world.finish();
}

pub(crate) fn a_reset_reaches_a_read_that_waits(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (tell, answers) = channel();
    let address = world.attend(|mut stream: Stream| async move {
        stream.write_all("ready").await?;
        let error = stream.read(&mut [0; 10]).await.expect_err("the client resets");
        let again = stream.read(&mut [0; 10]).await.expect_err("it stays so");
        let write = stream.write_all("x").await.expect_err("nobody is there");
        // The future goes on, whatever has become of the connection.
        sleep(Duration::from_millis(1)).await;
        tell.send([error.kind(), again.kind(), write.kind()]).expect("the test waits");
        Err(error)
    });
    for _ in 0..20 {
        let mut stream = connect(address);
        expect(&mut stream, b"ready");
        reset(stream);
        assert_eq!(told(&answers), [ErrorKind::ConnectionReset; 3]);
    }
    world.finish();
}

pub(crate) fn a_reset_reaches_a_write_that_waits(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (tell, answers) = channel();
    let address = world.attend(|mut stream: Stream| async move {
        // More than all sockets hold.
        let bytes = pattern(5, 1 << 20).repeat(32);
        let kind = stream.write_all(&bytes).await.expect_err("the client resets").kind();
        tell.send(kind).expect("the test waits");
        Ok(())
    });
    for _ in 0..5 {
        let mut stream = connect(address);
        SockRef::from(&stream).set_recv_buffer_size(64 << 10).expect("the option exists");
        expect(&mut stream, &pattern(5, 1000));
        world.wait_for("the write to wait", |cores| cores[0].send_slots > 0);
        reset(stream);
        let kind = told(&answers);
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
    }
    world.finish();
}

pub(crate) fn a_half_closed_client_is_answered(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        let mut all = Vec::new();
        while stream.read_until(b',', 100, &mut all).await? > 0 {}
        assert_eq!(stream.read(&mut [0; 10]).await?, 0, "the end stays the end");
        sleep(Duration::from_millis(2)).await;
        stream.write_all(pattern(6, 300_000)).await?;
        stream.write_all(all).await
    });
    for _ in 0..10 {
        let mut stream = connect(address);
        stream.write_all(b"one,two,three").expect("the server reads");
        finish(&stream);
        expect(&mut stream, &pattern(6, 300_000));
        assert_eq!(rest(&mut stream), b"one,two,three");
    }
    world.finish();
}

pub(crate) fn what_is_queued_leaves_when_a_stream_is_dropped(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (tell, answers) = channel();
    let address = world.attend(|mut stream: Stream| async move {
        stream.write_all(pattern(7, 400_000)).await?;
        drop(stream);
        // The connection does not wait for the future.
        tell.send(()).expect("the test waits");
        sleep(Duration::from_millis(2)).await;
        Ok(())
    });
    for _ in 0..10 {
        let mut stream = connect(address);
        told(&answers);
        assert!(
            rest(&mut stream) == pattern(7, 400_000),
            "everything arrives byte for byte, and then the end"
        );
    }
    world.finish();
}

pub(crate) fn a_panic_resets_its_connection_only(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        while let Some(line) = stream.read_line(80).await? {
            assert_ne!(line, "panic", "as planned, in a future that serves");
            stream.write_all(line + "\n").await?;
        }
        Ok(())
    });
    let mut other = connect(address);
    request(&mut other, "hello", "hello\n");
    for round in 1..=5 {
        let mut stream = connect(address);
        request(&mut stream, "before", "before\n");
        stream.write_all(b"panic\n").expect("the kernel takes it");
        assert!(ends_by_reset(&mut stream));
        request(&mut other, "still", "still\n");
        assert_eq!(world.sum(|ledger| ledger.panics), round);
    }
    drop(other);
    world.finish();
}

pub(crate) fn an_error_ends_its_connection_in_order(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        stream.write_all("sorry").await?;
        Err(std::io::Error::other("as planned"))
    });
    let mut stream = connect(address);
    assert_eq!(rest(&mut stream), b"sorry");
    drop(stream);
    world.finish();
}

pub(crate) fn a_stream_that_is_aborted_is_reset(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        stream.write_all("half of it").await?;
        stream.flush().await?;
        stream.abort();
        Ok(())
    });
    assert!(is_reset(address));
    world.finish();
}

pub(crate) fn a_future_that_never_ends_is_cut_off(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.drain_deadline = Duration::from_millis(150));
    let address = world.attend(|mut stream: Stream| async move {
        stream.write_all("ready").await?;
        std::future::pending::<()>().await;
        Ok(())
    });
    let mut stream = connect(address);
    expect(&mut stream, b"ready");
    let report = world.system.shutdown();
    assert_eq!((report.connections_cut_off, report.actors_cut_off), (1, 0));
    assert!(ends_by_reset(&mut stream));
}

pub(crate) fn a_shutdown_is_the_end_of_a_stream(on: BackendChoice) {
    let mut world = World::with(on, 1, load::patient);
    let address = world.attend(|mut stream: Stream| async move {
        let mut lines = 0;
        while let Some(line) = stream.read_line(80).await? {
            lines += 1;
            stream.write_all(line + "\n").await?;
        }
        // Longer than a turn, far less than the deadline.
        sleep(Duration::from_millis(50)).await;
        stream.write_all(format!("{lines} lines")).await
    });
    let mut streams: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
    for stream in &mut streams {
        request(stream, "one", "one\n");
        // In the kernel, perhaps, when the end comes.
        stream.write_all(b"two\n").expect("the kernel takes it");
    }
    let end = thread::spawn(move || world.system.shutdown());
    for stream in &mut streams {
        assert_eq!(rest(stream), b"two\n2 lines");
    }
    drop(streams);
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
}

/// Reads one piece, of which there are nine bytes; answers how many were read.
async fn read_piece(stream: &mut Stream, way: &str) -> std::io::Result<usize> {
    match way {
        "line" => stream.read_line(80).await.map(|line| line.map_or(0, |line| line.len())),
        "until" => stream.read_until(b'\n', 80, &mut Vec::new()).await,
        "exact" => stream.read_exact(&mut [0; 20]).await.map(|()| 20),
        "skip" => stream.skip_until(b'\n').await,
        _ => stream.read_exact_into(Vec::new(), way.parse().expect("a length")).await.0.map(|()| 20),
    }
}

pub(crate) fn what_a_shutdown_leaves_a_part_of_is_not_read_as_whole(on: BackendChoice) {
    let mut world = World::with(on, 1, load::patient);
    let (tell, answers) = channel();
    let address = world.attend(|mut stream: Stream| async move {
        let way = stream.read_line(80).await?.expect("it is the first");
        stream.write_all(format!("{way}\n")).await?;
        let read = read_piece(&mut stream, &way).await.map_err(|error| error.kind());
        let mut left = [0; 20];
        let length = stream.read(&mut left).await?;
        assert_eq!(stream.read(&mut left).await?, 0, "then it ends");
        let told = (way, read, left[..length].to_vec(), stream.is_cut_short());
        tell.send(told).expect("the test waits");
        Ok(())
    });
    let cut = Err(ErrorKind::ConnectionAborted);
    let half = b"DELETE /a".as_slice();
    let (eof, none) = (Err(ErrorKind::UnexpectedEof), b"".as_slice());
    // Whether the client finishes, what is read then, and what is left.
    let cases = [
        ("line", false, half, cut, half),
        ("until", false, half, cut, half),
        ("exact", false, half, cut, half),
        ("skip", false, half, cut, none),
        ("20", false, half, cut, none),
        // Received by the kernel into the buffer.
        ("100000", false, half, cut, none),
        ("line", true, half, Ok(9), none),
        ("until", true, half, Ok(9), none),
        ("exact", true, half, eof, half),
        ("skip", true, half, Ok(9), none),
        ("20", true, half, eof, none),
        ("100000", true, half, eof, none),
        ("line", false, none, Ok(0), none),
        ("until", false, none, Ok(0), none),
        ("exact", false, none, eof, none),
        ("skip", false, none, Ok(0), none),
        ("20", false, none, cut, none),
    ];
    let streams = cases.map(|(way, finishes, sent, ..)| {
        let mut stream = connect(address);
        let line = format!("{way}\n");
        request(&mut stream, &line[..way.len()], &line);
        stream.write_all(sent).expect("the server reads");
        if finishes {
            finish(&stream);
        }
        stream
    });
    let end = thread::spawn(move || world.system.shutdown());
    let mut told: Vec<_> = cases.iter().map(|_| told(&answers)).collect();
    // They stay as long as there is anything to be told.
    drop(streams);
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
    assert!(answers.try_recv().is_err(), "each tells once");
    let mut expected =
        cases.map(|(way, finishes, _, read, left)| (way.to_owned(), read, left.to_vec(), !finishes)).to_vec();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

pub(crate) fn a_shutdown_waits_for_a_future_whose_connection_has_gone(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (gate, (tell, answers)) = (Gate::default(), channel());
    let closed = gate.clone();
    let address = world.attend(|mut stream: Stream| async move {
        stream.write_all("ready").await?;
        let gone = stream.read(&mut [0]).await.is_err();
        tell.send("gone").expect("the test waits");
        closed.pass().await;
        // Longer than whoever waits for nobody needs to end.
        sleep(Duration::from_millis(100)).await;
        tell.send(if gone { "cleaned up" } else { "not gone" }).expect("the test waits");
        Ok(())
    });
    let other = world.attend(|mut stream: Stream| async move {
        stream.write_all("ready").await?;
        stream.read(&mut [0]).await.map(drop)
    });
    let (mut stream, mut other) = (connect(address), connect(other));
    expect(&mut stream, b"ready");
    expect(&mut other, b"ready");
    reset(stream);
    assert_eq!(told(&answers), "gone");
    world.wait_for("the connection to be gone", |cores| cores[0].epilogues == 1);
    let end = thread::spawn(move || world.system.shutdown());
    // By then it has begun.
    assert_eq!(rest(&mut other), b"");
    drop(other);
    gate.open();
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
    assert_eq!(answers.try_recv(), Ok("cleaned up"));
}

pub(crate) fn many_streams_leave_nothing(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = world.attend(echo);
    let mut random = Random::new(8);
    for _ in 0..3 {
        let streams: Vec<TcpStream> = (0..300).map(|_| connect(address)).collect();
        for (mut stream, number) in streams.iter().zip(0_u32..) {
            stream.write_all(&number.to_be_bytes()).expect("the server reads");
        }
        for (mut stream, number) in streams.iter().zip(0_u32..) {
            let mut back = [0; 4];
            stream.read_exact(&mut back).expect("everything comes back");
            assert_eq!(back, number.to_be_bytes());
        }
        for stream in streams {
            match random.below(3) {
                0 => reset(stream),
                1 => finish(&stream),
                _ => {}
            }
        }
        world.settle();
    }
    world.finish();
}

pub(crate) fn a_read_that_is_given_up_loses_nothing(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        let mut given_up = 0;
        let mut patience = |elapsed: bool| given_up += u32::from(elapsed);
        let brief = Duration::from_micros(300);
        for round in 0..100 {
            let mut exact = [0; 6];
            let line = loop {
                match timeout(brief, stream.read_line(20)).await {
                    Ok(line) => break line?.expect("there are more"),
                    Err(_) => patience(true),
                }
            };
            while timeout(brief, stream.read_exact(&mut exact)).await.map_err(|_| patience(true)).is_err() {}
            assert_eq!((line, &exact), (format!("line {round}"), b"exact!"));
        }
        stream.write_all(if given_up > 0 { "all, in spite of all" } else { "nothing was given up" }).await
    });
    let mut stream = connect(address);
    let wire: String = (0..100).map(|round| format!("line {round}\r\nexact!")).collect();
    for piece in wire.as_bytes().chunks(5) {
        stream.write_all(piece).expect("the server reads");
        // A few turns of the core.
        (0..20).for_each(|_| drop(world.ledgers()));
    }
    assert_eq!(String::from_utf8_lossy(&rest(&mut stream)), "all, in spite of all");
    drop(stream);
    world.finish();
}

pub(crate) fn silence_is_told_to_a_read_that_waits(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend_with(
        |listener| listener.idle_timeout(Duration::from_millis(60)),
        |mut stream: Stream| async move {
            // Whoever does not read is not told, however long that takes.
            sleep(Duration::from_millis(150)).await;
            stream.write_all("ready\n").await?;
            let mut word = [0; 5];
            loop {
                match stream.read_exact(&mut word).await {
                    Ok(()) => return stream.write_all(word).await,
                    Err(error) if error.kind() == ErrorKind::TimedOut => stream.write_all("hello?\n").await?,
                    Err(error) => return Err(error),
                }
            }
        },
    );
    let mut stream = connect(address);
    expect(&mut stream, b"ready\n");
    stream.write_all(b"he").expect("the server reads");
    expect(&mut stream, b"hello?\n");
    stream.write_all(b"llo").expect("the server reads");
    let rest = rest(&mut stream);
    assert!(rest.ends_with(b"hello") && rest.starts_with(&b"hello?\n".repeat(rest.len() / 7)));
    drop(stream);
    world.finish();
}

pub(crate) fn a_client_that_takes_nothing_is_told_to_a_write_that_waits(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.write_stall = Duration::from_millis(150));
    let (tell, answers) = channel();
    let address = world.attend(|mut stream: Stream| async move {
        let bytes = pattern(5, 1 << 20).repeat(32);
        // Once the client is there.
        stream.read_exact(&mut [0]).await?;
        let error = stream.write_all(&bytes).await.expect_err("the client does not read");
        tell.send(error.kind()).expect("the test waits");
        Ok(())
    });
    let mut stream = connect(address);
    SockRef::from(&stream).set_recv_buffer_size(64 << 10).expect("the option exists");
    stream.write_all(b"!").expect("the server reads");
    assert_eq!(told(&answers), ErrorKind::TimedOut);
    assert!(ends_by_reset(&mut stream));
    world.wait_for_figure("its end", 1, |ledger| ledger.connections_cut_off);
    drop(stream);
    world.finish();
}

pub(crate) fn halves_go_their_own_ways(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|stream: Stream| async move {
        let (mut reader, mut writer) = stream.split();
        let writing = task::spawn(async move {
            writer.write_all(pattern(9, 3 << 20)).await?;
            writer.shutdown_write().await?;
            let error = writer.write_all("more").await.expect_err("nothing more can be written");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            Ok::<(), std::io::Error>(())
        });
        // Though the client reads nothing before it has sent everything.
        let mut got = vec![0; 9 << 20];
        reader.read_exact(&mut got).await?;
        assert!(got == pattern(10, 9 << 20), "everything arrives byte for byte");
        writing.await.map_err(std::io::Error::other)??;
        // Our end is told before theirs.
        assert_eq!(reader.skip_until(b'.').await?, 4);
        Ok(())
    });
    let mut stream = connect(address);
    stream.write_all(&pattern(10, 9 << 20)).expect("the server reads");
    assert!(rest(&mut stream) == pattern(9, 3 << 20), "everything arrives byte for byte, and then the end");
    stream.write_all(b"end.").expect("the server still reads");
    finish(&stream);
    world.settle();
    assert_eq!(world.sum(|ledger| ledger.panics), 0);
    drop(stream);
    world.finish();
}

pub(crate) fn what_comes_after_the_reading_half_has_gone_is_thrown_away(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|stream: Stream| async move {
        let (mut reader, mut writer) = stream.split();
        reader.read_exact(&mut [0; 5]).await?;
        drop(reader);
        sleep(Duration::from_millis(5)).await;
        writer.write_all("thanks").await
    });
    let mut stream = connect(address);
    stream.write_all(b"first").expect("the server reads");
    stream.write_all(&pattern(11, 4 << 20)).expect("the server reads");
    expect(&mut stream, b"thanks");
    finish(&stream);
    drop(stream);
    world.finish();
}

pub(crate) fn whoever_gets_no_task_is_reset(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.tasks_max = 1);
    let address = world.attend(echo);
    let mut stream = connect(address);
    request(&mut stream, "hello", "hello\n");
    assert!(is_reset(address));
    request(&mut stream, "still here", "still here\n");
    drop(stream);
    world.settle();
    request(&mut connect(address), "hello again", "hello again\n");
    world.finish();
}
