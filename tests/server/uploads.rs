//! Bodies that go to a file, on real disks and sockets.
//!
//! Knows: what `Context::forward_to_file` promises. Must not know how a file is written.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::fs::OpenOptions;
use odeon::prelude::*;
use odeon::{FileForwardError, ForwardedFile, Timeout};

use crate::client::{connect, expect, finish, pattern, reset, rest};
use crate::files::Folder;
use crate::ways::tell;
use crate::world::{PATIENCE, World, until};

/// What the test is told.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// So many bytes, and the error of the kernel.
    Kept(u64, Option<i32>),
    Short(u64, StopReason),
    Ended(StopReason, u64),
}

/// A frame of eight bytes is the length of what is to be kept, or none of it at all.
pub(crate) struct Keeper {
    path: PathBuf,
    told: Sender<Told>,
}

const ALL: u64 = u64::MAX;

impl Actor for Keeper {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        tell(&self.told, Told::Ended(reason, cx.forwarded_bytes()));
    }
}

impl Connection for Keeper {
    type Codec = Fixed<8>;

    fn frame(&mut self, len: &[u8; 8], cx: &mut Context<Self>) -> Flow {
        let len = Some(u64::from_be_bytes(*len)).filter(|len| *len != ALL);
        cx.exclusive("keep", Timeout::Default, async move |me: &mut Keeper, cx: &mut Context<Keeper>| {
            let options = OpenOptions::new().write(true).create(true);
            let file = options.open(&me.path).await.expect("it can be made");
            cx.forward_to_file(file, 3, len).expect("nothing else is under way");
            Flow::Continue
        })
    }

    fn forwarded(&mut self, forwarded: ForwardedFile, cx: &mut Context<Self>) -> Flow {
        let ForwardedFile { bytes, end, file } = forwarded;
        match end {
            Ok(()) => {
                tell(&self.told, Told::Kept(bytes, None));
                cx.exclusive(
                    "sync",
                    Timeout::Default,
                    async move |_: &mut Keeper, cx: &mut Context<Keeper>| {
                        file.sync_data().await.expect("the file is handed back open");
                        cx.write("kept");
                        Flow::Continue
                    },
                )
            }
            Err(FileForwardError::File(error)) => {
                tell(&self.told, Told::Kept(bytes, error.raw_os_error()));
                cx.write("full");
                Flow::Close
            }
            Err(FileForwardError::Stream(why)) => {
                tell(&self.told, Told::Short(bytes, why));
                Flow::Continue
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// A way to make keepers of one file, which tell what they have kept.
pub(crate) fn keepers(path: PathBuf, told: Sender<Told>) -> impl FnMut(Peer) -> Keeper + Clone + Send {
    move |_| Keeper { path: path.clone(), told: told.clone() }
}

struct Scene {
    world: World,
    address: SocketAddr,
    told: Receiver<Told>,
}

impl Scene {
    fn new(on: BackendChoice, path: PathBuf, change: impl FnOnce(&mut Config)) -> Scene {
        let mut world = World::with(on, 1, change);
        let (telling, told) = channel();
        let address = world.serve(keepers(path, telling));
        Scene { world, address, told }
    }

    fn announce(&self, len: u64) -> TcpStream {
        let mut client = connect(self.address);
        client.write_all(&len.to_be_bytes()).expect("the server is there");
        client
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("it is told")
    }
}

fn until_some_is_written(path: &PathBuf) {
    let len = || std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    until("some of it to be written", || len() > 0);
}

fn kept(path: &PathBuf) -> Vec<u8> {
    std::fs::read(path).expect("it was made")[3..].to_vec()
}

pub(crate) fn bodies_of_any_length_go_to_a_file(on: BackendChoice) {
    let folder = Folder::new();
    let path = folder.path("kept");
    let scene = Scene::new(on, path.clone(), |config| config.unwritten_bytes_max = 100_000);
    let mut client = connect(scene.address);
    let mut sum = 0;
    for (seed, len) in [(1, 5), (2, 0), (3, 100_000), (4, 5_000_000), (5, 4096)] {
        let body = pattern(seed, len);
        // In one piece with what is behind, as the kernel pleases.
        let all = [&(len as u64).to_be_bytes()[..], &body, &1_u64.to_be_bytes(), b"x"].concat();
        client.write_all(&all).expect("the server is there");
        expect(&mut client, b"kept");
        expect(&mut client, b"kept");
        assert_eq!([scene.next(), scene.next()], [Told::Kept(len as u64, None), Told::Kept(1, None)]);
        sum += len as u64 + 1;
        if len > 0 {
            let bytes = kept(&path);
            assert!(bytes[0] == b'x' && bytes[1..len] == body[1..], "{len} bytes");
        }
        assert_eq!(scene.world.ledgers()[0].receive_leases, 0);
    }
    drop(client);
    assert_eq!(scene.next(), Told::Ended(StopReason::EndOfStream, sum));
    scene.world.finish();
}

pub(crate) fn a_file_ends_with_the_stream(on: BackendChoice) {
    let folder = Folder::new();
    for len in [ALL, 300_001] {
        let path = folder.path(&len.to_string());
        let scene = Scene::new(on, path.clone(), |_| {});
        let mut client = scene.announce(len);
        let body = pattern(7, 300_000);
        client.write_all(&body).expect("the server is there");
        finish(&client);
        let (told, answer) = match len {
            ALL => (Told::Kept(300_000, None), &b"kept"[..]),
            _ => (Told::Short(300_000, StopReason::EndOfStream), &b""[..]),
        };
        assert_eq!(rest(&mut client), answer);
        assert_eq!([scene.next(), scene.next()], [told, Told::Ended(StopReason::EndOfStream, 300_000)]);
        assert!(kept(&path) == body);
        drop(client);
        scene.world.finish();
    }
}

pub(crate) fn a_reset_in_the_middle_leaves_what_came(on: BackendChoice) {
    let folder = Folder::new();
    let path = folder.path("kept");
    let scene = Scene::new(on, path.clone(), |_| {});
    let mut client = scene.announce(10_000_000);
    let body = pattern(9, 3_000_000);
    client.write_all(&body).expect("the server is there");
    // A reset comes ahead of what has not been read, a length that was announced among it.
    until_some_is_written(&path);
    reset(client);
    let broken = StopReason::Disconnected(libc::ECONNRESET);
    let Told::Short(bytes, why) = scene.next() else { panic!("it has not all come") };
    assert_eq!((why, scene.next()), (broken, Told::Ended(broken, bytes)));
    assert!(kept(&path) == body[..bytes as usize], "{bytes} bytes");
    scene.world.finish();
}

/// What is written to this device finds no room.
pub(crate) fn a_full_disk_is_told(on: BackendChoice) {
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let scene = Scene::new(on, PathBuf::from("/dev/full"), |_| {});
    let mut client = scene.announce(1_000_000);
    client.write_all(&pattern(1, 100_000)).expect("the server is there");
    expect(&mut client, b"full");
    let full = Told::Kept(0, Some(libc::ENOSPC));
    assert_eq!([scene.next(), scene.next()], [full, Told::Ended(StopReason::Stopped, 0)]);
    drop(client);
    scene.world.finish();
}

pub(crate) fn a_system_that_ends_in_the_middle_has_written_what_came(on: BackendChoice) {
    let folder = Folder::new();
    let path = folder.path("kept");
    let scene = Scene::new(on, path.clone(), |_| {});
    let mut client = scene.announce(10_000_000);
    let body = pattern(9, 200_000);
    client.write_all(&body).expect("the server is there");
    until_some_is_written(&path);
    let Scene { world, told, .. } = scene;
    assert_eq!(world.system.shutdown().connections_cut_off, 0);
    let told: Vec<Told> = told.iter().collect();
    let [Told::Short(bytes, StopReason::Stopped), Told::Ended(StopReason::Stopped, counted)] = told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(bytes, counted);
    assert!(kept(&path) == body[..bytes as usize]);
}
