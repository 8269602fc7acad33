//! Systems that are dropped with everything in flight.
//!
//! Knows: what may be under way, in a mix that a seed chooses. Must not know how any of it ends.
//!
//! With `ODEON_SOAK=1` in the environment a thousand systems are dropped.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;

use crate::bodies::stores;
use crate::bustle::{Held, bustle};
use crate::child::{self, report};
use crate::client::connect;
use crate::connects::crowded;
use crate::echo::Echo;
use crate::files::{Folder, churn};
use crate::proxies::nears;
use crate::puppet::{act, keep, number};
use crate::session::{Do, Events, Habits, Told, sessions};
use crate::soak::is_soak;
use crate::uploads::keepers;
use crate::world::{PATIENCE, World};

/// A system with a server of each kind.
struct Scene {
    world: World,
    /// Nobody else listens at this address, so it can be seen that this system does not any more.
    lines: SocketAddr,
    sessions: Events,
    echo: SocketAddr,
    /// Tied to a connection to the echo.
    ties: SocketAddr,
    bodies: SocketAddr,
    uploads: SocketAddr,
    clients: Vec<TcpStream>,
    /// What actors hold that do a bit of everything.
    held: Held,
}

impl Scene {
    fn new(on: BackendChoice, cores: usize, folder: &Folder) -> Scene {
        let mut world = World::with(on, cores, |config| {
            config.drain_deadline = Duration::from_millis(2);
            config.close_deadline = Duration::from_millis(20);
            config.receive_buffers = 4;
        });
        let (make, sessions) = sessions(Habits::default());
        let listening = world.system.listener((child::own_loopback(), 0)).start(make);
        let lines = listening.expect("a free port is found").address();
        world.listens();
        let echo = world.serve(|_| Echo);
        // What they tell is not kept.
        let ties = world.serve(nears(echo, channel().0));
        let (bodies, _) = stores(&mut world, b"");
        let uploads = world.serve(keepers(folder.path("upload"), channel().0));
        Scene {
            world,
            lines,
            sessions,
            echo,
            ties,
            bodies,
            uploads,
            clients: Vec::new(),
            held: Held::default(),
        }
    }

    /// Somebody connects, and leaves something under way.
    fn meet(&mut self, random: &mut Random) {
        let bytes = vec![b'x'; 1 + random.index(1 << 20)];
        let (address, said) = match random.index(8) {
            0 => (self.echo, &b""[..]),
            // Much in both directions, and nobody reads it.
            1 => (self.echo, &bytes[..]),
            2 => (self.ties, &bytes[..]),
            3 => (self.lines, &b"big 1000000\nbig 1000000\nclose\n"[..]),
            4 => (self.lines, &b"big 1000\npanic\n"[..]),
            // Half of what is announced.
            5 => (self.bodies, &b"200000\n0123456789"[..]),
            6 => (self.uploads, &[&0_u64.to_be_bytes()[..], &u64::MAX.to_be_bytes(), &bytes].concat()[..]),
            _ => (self.lines, &b"half a requ"[..]),
        };
        let mut stream = connect(address);
        stream.set_nonblocking(true).expect("a socket can be made not to block");
        // As much as the kernel takes.
        let _ = stream.write(said);
        self.clients.push(stream);
    }

    /// A task on one of the cores waits for something.
    fn begin(&self, random: &mut Random, full: SocketAddr, folder: &Folder) {
        let cores = self.world.system.cores();
        let (core, other) = (random.index(cores), random.index(cores));
        let system = &self.world.system;
        let begun = match random.index(6) {
            4 | 5 => return bustle(&self.world, &self.held, random),
            0 => system.spawn_task(core, move || async move {
                let _never = odeon::connect(full).timeout(PATIENCE).await;
            }),
            1 => {
                let (from, to) = (folder.path("read"), folder.path("written"));
                system.spawn_task(core, move || async move {
                    let _failed = churn(from, 0, to).await;
                })
            }
            2 => {
                let (puppet, _end) = self.world.mortal::<64>(other);
                system.spawn_task(core, move || async move {
                    let _unanswered = puppet.ask(keep()).await;
                })
            }
            _ => {
                let (puppet, _end) = self.world.mortal::<64>(other);
                let later = act(|_, cx, _| {
                    assert!(cx.send_after(PATIENCE, number(1)).is_ok(), "there is room");
                });
                puppet.tell(later).or_dead_letter();
                return;
            }
        };
        begun.expect("the core runs").detach();
    }

    /// Sessions that have begun by now have something to write.
    fn write(&self, random: &mut Random) {
        while let Some(told) = self.sessions.at_hand() {
            if let Told::Started(session) = told {
                let bytes = vec![b'y'; 500_000];
                let order = if random.chance(0.5) { Do::Write(bytes) } else { Do::Give(bytes.into()) };
                session.tell(order).or_dead_letter();
            }
        }
    }
}

pub(crate) fn a_system_may_be_dropped_with_everything_in_flight(on: BackendChoice) {
    if child::apart(on, "drops::a_system_may_be_dropped_with_everything_in_flight") {
        return;
    }
    crate::panics::quietly();
    let (folder, (_listener, full, _crowd)) = (Folder::new(), crowded());
    folder.file("read", &[7; 100_000]);
    let seeds = if is_soak() { 1_000 } else { 100 };
    for seed in 0..seeds {
        drop_one(on, seed, full, &folder);
    }
    report(&format!("{}: {seeds} systems have been dropped", child::name(on)));
}

fn drop_one(on: BackendChoice, seed: u64, full: SocketAddr, folder: &Folder) {
    let mut random = Random::new(seed);
    let mut scene = Scene::new(on, 1 + random.index(2), folder);
    for _ in 0..random.index(12) {
        scene.meet(&mut random);
    }
    for _ in 0..random.index(6) {
        scene.begin(&mut random, full, folder);
    }
    for _ in 0..random.index(4) {
        scene.world.ledgers();
    }
    if random.chance(0.5) {
        scene.write(&mut random);
    }
    if random.chance(0.3) {
        scene.clients.clear();
    }
    drop(scene.world.system);
    assert_eq!(scene.held.others(), 0, "seed {seed}: what actors held is dropped");
    TcpStream::connect(scene.lines).expect_err("nobody listens any more");
}
