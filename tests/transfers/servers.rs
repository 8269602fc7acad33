//! Servers that send back what they receive, each by another interface, and tell how their connections end.
//!
//! Knows: actors and streams. Must not know clients, or what happens on the way.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use odeon::fs::{File, OpenOptions};
use odeon::prelude::*;
use odeon::sys::Random;
use odeon::{FileForwardError, ForwardError, ForwardedFile, ListenerBuilder, Timeout};

use crate::wire::{FRAME_BYTES_MAX, Shape, log_uniform};
use crate::world::{PATIENCE, World, until};

/// Longer than any stall of a test.
const IDLE: Duration = Duration::from_secs(12);

/// True if the network loses packets, a reset among them, which is not sent again.
pub(crate) fn loses() -> bool {
    std::env::var_os("ODEON_LOSSY").is_some()
}

/// How a connection ended, as its actor or its future was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    EndOfStream,
    /// With the error's number.
    Broken(i32),
    /// The peer did not read; or, where a future waited for it, did not write.
    Unread,
    /// The peer did not write.
    Idle,
    Malformed,
    /// What it was tied to has ended.
    Tied,
    Other(String),
}

impl From<StopReason> for Reason {
    fn from(reason: StopReason) -> Reason {
        match reason {
            StopReason::EndOfStream => Reason::EndOfStream,
            StopReason::Disconnected(number) => Reason::Broken(number),
            StopReason::OutboxFull => Reason::Unread,
            StopReason::Idle => Reason::Idle,
            StopReason::Malformed => Reason::Malformed,
            StopReason::ForwardEnded => Reason::Tied,
            other => Reason::Other(format!("{other:?}")),
        }
    }
}

impl From<io::Result<()>> for Reason {
    fn from(ended: io::Result<()>) -> Reason {
        match ended {
            Ok(()) => Reason::EndOfStream,
            Err(error) if error.kind() == ErrorKind::TimedOut => Reason::Unread,
            Err(error) => match error.raw_os_error() {
                Some(number) => Reason::Broken(number),
                None => Reason::Other(error.to_string()),
            },
        }
    }
}

/// The interface by which a server sends back what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Raw,
    Lines,
    Frames,
    Stream,
    /// Frames of which the codec sees the length only.
    Bodies,
    /// Whatever comes, as bodies.
    StreamBodies,
    /// As counted bytes.
    Owned,
    /// Through a file.
    Files,
    /// Frames, each of which goes to a file before anybody sees it.
    Kept,
    /// Through another connection, whose far end sends it back: two connections that are tied.
    Ties,
}

impl Kind {
    pub(crate) const ALL: [Kind; 10] = [
        Kind::Raw,
        Kind::Lines,
        Kind::Frames,
        Kind::Stream,
        Kind::Bodies,
        Kind::StreamBodies,
        Kind::Owned,
        Kind::Files,
        Kind::Kept,
        Kind::Ties,
    ];

    /// Bytes that its server holds at a time, besides what is bounded by the runtime.
    pub(crate) fn held_bytes_max(self) -> u64 {
        if self == Kind::StreamBodies { BODY_BYTES_MAX } else { 0 }
    }

    /// What it can be sent.
    pub(crate) fn shape(self) -> Shape {
        match self {
            Kind::Raw | Kind::Stream | Kind::StreamBodies | Kind::Owned | Kind::Files | Kind::Ties => {
                Shape::Bytes
            }
            Kind::Lines => Shape::Lines,
            Kind::Frames | Kind::Bodies | Kind::Kept => Shape::Frames,
        }
    }
}

/// A listener, and how its connections end.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) shape: Shape,
    reasons: Mutex<Receiver<Reason>>,
}

impl Service {
    fn reasons(&self) -> MutexGuard<'_, Receiver<Reason>> {
        self.reasons.lock().expect("nobody panics while holding it")
    }

    /// How the connection ended that has ended next. It had one end only.
    pub(crate) fn reason(&self) -> Reason {
        self.reasons().recv_timeout(PATIENCE).expect("the end of a connection is told")
    }

    /// Asserts that nothing has been told that nobody has asked for.
    fn is_quiet(&self) {
        assert_eq!(self.reasons().try_recv().ok(), None, "each connection ends once");
    }
}

/// Waits until the kernel knows no socket of the services any more that somebody has, but so many each that listen.
fn sockets_are(services: &[Service], listening: usize) {
    until("sockets to be closed", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("this is Linux");
        services.iter().all(|service| {
            let local = format!(":{:04X} ", service.address.port());
            // Most of the table are connections of the past, of anybody: few are looked at closely.
            let owned = table.match_indices(&local).filter(|(at, port)| {
                let behind: Vec<&str> = table[at + port.len()..].split_whitespace().take(8).collect();
                // The address of the peer comes next where this is the socket's own, and the inode is none where nobody has it.
                behind[0].contains(':') && behind[7] != "0"
            });
            owned.count() == listening
        })
    });
}

impl World {
    /// Opens a listener whose connections send everything back.
    pub(crate) fn echo(&mut self, kind: Kind) -> Service {
        let (told, reasons) = channel();
        let address = match kind {
            Kind::Raw => self.open(move |_| Raws(told.clone())),
            Kind::Lines => self.open(move |_| LinesBack(told.clone())),
            Kind::Frames => self.open(move |_| FramesBack(told.clone())),
            Kind::Bodies => self.open(move |_| BodiesBack { told: told.clone(), cut: false }),
            Kind::Owned => self.open(move |_| OwnedBack(told.clone())),
            Kind::Kept => self.open(move |peer| Keeper {
                told: told.clone(),
                path: unseen(peer.id()),
                file: None,
                cut: false,
            }),
            Kind::Ties => {
                let far = self.open(|_| Raws(channel().0));
                self.open(move |_| Near { told: told.clone(), far })
            }
            Kind::Stream | Kind::StreamBodies | Kind::Files => {
                let listener = self.patient_listener().serve(move |stream: Stream| async move {
                    let ended = match kind {
                        Kind::Stream => send_back(stream).await,
                        Kind::Files => send_files_back(stream).await,
                        _ => send_bodies_back(stream).await,
                    };
                    tell(&told, ended.into());
                    Ok(())
                });
                self.listens();
                listener.expect("a free port is found").address()
            }
        };
        Service { address, shape: kind.shape(), reasons: Mutex::new(reasons) }
    }

    /// A listener whose connections wait for ever for their peers, unless these may be gone and nobody hears of it.
    fn patient_listener(&self) -> ListenerBuilder<'_> {
        let listener = self.system.listener("127.0.0.1:0");
        if loses() { listener.idle_timeout(IDLE) } else { listener }
    }

    fn open<A, F>(&mut self, make: F) -> SocketAddr
    where
        A: Connection,
        F: FnMut(Peer) -> A + Clone + Send + 'static,
    {
        let listening = self.patient_listener().start(make).expect("a free port is found");
        self.listens();
        listening.address()
    }

    /// Opens another, whose actors tell how they ended.
    pub(crate) fn other<A: Connection>(
        &mut self,
        make: impl FnMut(Sender<Reason>) -> A + Clone + Send + 'static,
    ) -> Service {
        let ((told, reasons), mut make) = (channel(), make);
        let address = self.serve(move |_| make(told.clone()));
        Service { address, shape: Shape::Bytes, reasons: Mutex::new(reasons) }
    }

    /// Waits until everything has been given back, by the runtime and to the kernel.
    pub(crate) fn rests(&self, services: &[Service]) {
        self.settle();
        services.iter().for_each(Service::is_quiet);
        sockets_are(services, self.ledgers().len());
    }

    /// The same, before and after the end of the system.
    pub(crate) fn ends(self, services: &[Service]) {
        self.rests(services);
        self.finish();
        sockets_are(services, 0);
    }
}

/// Says how a connection has ended.
pub(crate) fn tell(told: &Sender<Reason>, reason: Reason) {
    // The test may have failed, and its end is no news.
    let _ = told.send(reason);
}

/// Makes an actor of a type that sends back what its codec finds.
macro_rules! sends_back {
    ($name:ident, $codec:ty, |$frame:ident: $type:ty, $cx:ident| $answer:expr) => {
        struct $name(Sender<Reason>);

        impl Actor for $name {
            type Message = Never;

            fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
                match message {}
            }

            fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
                tell(&self.0, reason.into());
            }
        }

        impl Connection for $name {
            type Codec = $codec;

            fn frame(&mut self, $frame: $type, $cx: &mut Context<Self>) -> Flow {
                $answer;
                Flow::Continue
            }
        }
    };
}

sends_back!(Raws, Raw, |bytes: &[u8], cx| cx.write(bytes));
sends_back!(LinesBack, Lines<FRAME_BYTES_MAX>, |line: &str, cx| cx.write_line(line));
sends_back!(FramesBack, LengthDelimited<FRAME_BYTES_MAX>, |bytes: &[u8], cx| {
    cx.send_frame(bytes).expect("what could be read can be written")
});

sends_back!(OwnedBack, Raw, |bytes: &[u8], cx| {
    let owned = cx.bytes_of(bytes);
    cx.write_bytes(owned);
});

/// What comes goes to another connection, and what that receives comes back.
struct Near {
    told: Sender<Reason>,
    far: SocketAddr,
}

#[actor(codec = Raw)]
impl Near {
    #[started]
    fn connect(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("Near::connect", Timeout::Never, async |me: &mut Near, cx: &mut Context<Near>| {
            let near = cx.me();
            let far = odeon::connect(me.far).start(move |_| Far { near }).await;
            let tied = far.is_ok_and(|far| cx.forward_to(far).is_ok());
            if tied { Flow::Continue } else { Flow::Fail }
        })
    }

    #[frame]
    fn bytes(&mut self, _: &[u8]) {
        unreachable!("what arrives is forwarded");
    }

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        tell(&self.told, reason.into());
    }
}

struct Far {
    near: Addr<Near>,
}

#[actor(codec = Raw)]
impl Far {
    #[started]
    fn tie(&mut self, cx: &mut Context<Self>) -> Result<(), ForwardError> {
        cx.forward_to(self.near)
    }

    #[frame]
    fn bytes(&mut self, _: &[u8]) {
        unreachable!("what arrives is forwarded");
    }
}

/// A path for a file of this connection.
fn unseen(connection: u64) -> PathBuf {
    std::env::temp_dir().join(format!("odeon-transfer-{}-{connection}", std::process::id()))
}

/// Opens a file, and takes away its name, so that nobody else sees it.
async fn open_unseen(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).await?;
    fs::remove_file(path)?;
    Ok(file)
}

/// By a file.
async fn send_files_back(mut stream: Stream) -> io::Result<()> {
    let file = open_unseen(&unseen(stream.id())).await?;
    let (mut random, mut offset) = (Random::new(stream.id()), 0);
    loop {
        let mut buffer = vec![0; log_uniform(&mut random, 256 << 10) as usize];
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        buffer.truncate(length);
        let (written, _) = file.write_all_at(buffer, offset).await;
        written?;
        stream.send_file(&file, offset, length as u64).await?;
        offset += length as u64;
    }
}

/// By reads into buffers of its own, of any size, and writes of a part of them at a time.
async fn send_back(mut stream: Stream) -> io::Result<()> {
    let mut random = Random::new(stream.id());
    loop {
        let mut buffer = vec![0; log_uniform(&mut random, 128 << 10) as usize];
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let (first, second) = buffer[..length].split_at(random.index(length + 1));
        stream.write_all(first).await?;
        let written = stream.write(second).await?;
        stream.write_all(&second[written..]).await?;
    }
}

/// What an actor receives by its length.
struct BodiesBack {
    told: Sender<Reason>,
    /// The stream has ended within a body.
    cut: bool,
}

impl Actor for BodiesBack {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
        let reason = if self.cut { StopReason::Malformed } else { reason };
        tell(&self.told, reason.into());
    }
}

impl Connection for BodiesBack {
    type Codec = Fixed<4>;

    fn frame(&mut self, head: &[u8; 4], cx: &mut Context<Self>) -> Flow {
        let length = u32::from_be_bytes(*head) as usize;
        let mut buffer = Vec::with_capacity(if length.is_multiple_of(2) { 4 + length } else { 0 });
        buffer.extend_from_slice(head);
        cx.read_exact_into(buffer, length).expect("there is one at a time");
        Flow::Continue
    }

    fn body(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) -> Flow {
        match body {
            Ok(body) => cx.write(body),
            Err(error) => self.cut = error.why() == StopReason::EndOfStream,
        }
        Flow::Continue
    }
}

/// What an actor has the runtime store by its length, and reads again.
struct Keeper {
    told: Sender<Reason>,
    path: PathBuf,
    /// Here while nothing goes to it.
    file: Option<File>,
    /// The stream has ended within what was to be stored.
    cut: bool,
}

#[actor(codec = Fixed<4>)]
impl Keeper {
    #[frame]
    fn length(&mut self, head: &[u8; 4], cx: &mut Context<Self>) -> Flow {
        let length = u64::from(u32::from_be_bytes(*head));
        cx.exclusive(
            "Keeper::length",
            Timeout::Never,
            async move |me: &mut Keeper, cx: &mut Context<Keeper>| {
                let file = match me.file.take() {
                    Some(file) => file,
                    None => open_unseen(&me.path).await.expect("there is room on the disk"),
                };
                cx.forward_to_file(file, 0, Some(length)).expect("there is one at a time");
                Flow::Continue
            },
        )
    }

    #[forwarded]
    fn kept(&mut self, forwarded: ForwardedFile, cx: &mut Context<Self>) -> Flow {
        let ForwardedFile { bytes, end, file } = forwarded;
        match end {
            Ok(()) => {}
            Err(FileForwardError::Stream(why)) => {
                self.cut = why == StopReason::EndOfStream;
                return Flow::Continue;
            }
            Err(error) => panic!("{error}"),
        }
        cx.exclusive(
            "Keeper::kept",
            Timeout::Never,
            async move |me: &mut Keeper, cx: &mut Context<Keeper>| {
                let mut body = Vec::with_capacity(bytes as usize);
                while (body.len() as u64) < bytes {
                    let at = body.len() as u64;
                    let read;
                    (read, body) = file.read_at(body, at).await;
                    assert!(read.is_ok_and(|read| read > 0), "so much was stored");
                }
                cx.write((bytes as u32).to_be_bytes());
                // A longer one may have been there before.
                cx.write(&body[..bytes as usize]);
                me.file = Some(file);
                Flow::Continue
            },
        )
    }

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        let reason = if self.cut { StopReason::Malformed } else { reason };
        tell(&self.told, reason.into());
    }
}

const BODY_BYTES_MAX: u64 = 64 << 20;

/// By bodies of any size, of which the last is what there is.
async fn send_bodies_back(mut stream: Stream) -> io::Result<()> {
    let mut random = Random::new(stream.id());
    loop {
        let length = log_uniform(&mut random, BODY_BYTES_MAX) as usize;
        let (read, body) = stream.read_exact_into(Vec::new(), length).await;
        if read.as_ref().is_err_and(|error| error.kind() != ErrorKind::UnexpectedEof) {
            return read;
        }
        stream.write_all(body).await?;
        if read.is_err() {
            return Ok(());
        }
    }
}
