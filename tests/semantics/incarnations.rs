//! Promise 6 for what is under way outside of an actor: its connections, requests about files, timers and questions end with the incarnation
//! that has begun them. Nothing of them comes to the next one, and nothing is left.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::{Timeout, fs};

use crate::failure::count;
use crate::world::{Notes, On, World, panic_quietly};

/// How often both are begun again, at least.
const RESTARTS: usize = 300;
/// The same in each simulated system.
const OF_A_SEED: usize = 6;
/// What comes to an actor that it has begun.
const KINDS: [&str; 5] = ["bytes", "a file", "a timer", "an answer", "a handler"];
/// Between what is done again and again.
const PAUSE: Duration = Duration::from_micros(100);
/// What is written at once: more than one receive takes.
const BYTES: usize = 20_000;
/// The same in simulated systems, where a few bytes may take long.
const BYTES_OF_A_SEED: usize = 400;

/// Says back what it hears.
struct Echo;

#[actor(codec = Raw)]
impl Echo {
    #[frame]
    fn bytes(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.write(bytes);
    }
}

/// Answers late, or never.
#[derive(Default)]
struct Slow(Vec<Reply<u64>>);

#[actor]
impl Slow {
    #[call(concurrent)]
    async fn late(_me: Handle<Self>, number: u64) -> u64 {
        odeon::time::sleep(Duration::from_micros(number * 37 % 2_000)).await;
        number
    }

    #[call]
    fn never(&mut self, reply: Reply<u64>) {
        // Only of those that wait still.
        self.0.retain(|reply| !reply.is_closed());
        self.0.push(reply);
    }
}

/// What all incarnations have in common.
#[derive(Clone)]
struct Scene {
    peer: SocketAddr,
    file: PathBuf,
    slow: Addr<Slow>,
    /// What came to another incarnation than that which has begun it, or was not what that is owed.
    strays: Notes<String>,
    /// Each that was made.
    made: Notes<()>,
    /// What came to whoever has begun it, by what it was.
    came: Notes<&'static str>,
    /// Held by everything that an incarnation begins.
    alive: Held,
    /// After so many it has seen enough.
    restarts: usize,
    bytes: usize,
}

/// One of all that there are.
#[derive(Clone, Default)]
struct Held(Arc<()>);

#[derive(Message, Clone)]
struct Due(u64, Held);

#[derive(Message)]
struct Hold;

struct Keeper {
    /// Which incarnation this is.
    which: u64,
    scene: Scene,
    random: Random,
    /// It fails when so much has come.
    fuse: u64,
}

impl Keeper {
    fn new(scene: &Scene, random: &mut Random) -> Keeper {
        scene.made.note(());
        let is_last = scene.made.len() > scene.restarts;
        let (mut random, scene) = (random.fork(), scene.clone());
        let fuse = if is_last { u64::MAX } else { random.below(12) };
        Keeper { which: random.bits(), scene, random, fuse }
    }

    /// Something has come that an incarnation has begun. Panics, or answers what becomes of the actor, when that was enough.
    fn come(&mut self, which: u64, what: &'static str) -> Flow {
        if which != self.which {
            self.scene.strays.note(format!("{what} of another"));
        }
        self.scene.came.note(what);
        let Some(left) = self.fuse.checked_sub(1) else {
            return if self.random.chance(0.3) { Flow::Fail } else { panic_quietly() };
        };
        self.fuse = left;
        Flow::Continue
    }

    /// Has a future run beside the handlers.
    fn begin<F>(&self, cx: &mut Context<Self>, name: &'static str, future: F)
    where
        F: Future<Output = Flow> + 'static,
    {
        let alive = self.scene.alive.clone();
        let _ = cx.concurrent(name, Timeout::Never, async move {
            let flow = future.await;
            drop(alive);
            flow
        });
    }
}

/// Sends a peer its number, and hears nothing else, on one connection after the other.
async fn talk(me: Handle<Keeper>, scene: Scene, which: u64) -> Flow {
    loop {
        // An accident may have come between.
        if let Ok(flow) = converse(&me, &scene, which).await {
            return flow;
        }
        odeon::time::sleep(PAUSE).await;
    }
}

async fn converse(me: &Handle<Keeper>, scene: &Scene, which: u64) -> io::Result<Flow> {
    // By an accident nobody may answer.
    let mut stream = odeon::connect(scene.peer).timeout(Duration::from_millis(500)).await?;
    let said = which.to_le_bytes().repeat(scene.bytes / 8);
    loop {
        stream.write_all(&said).await?;
        let (heard, bytes) = stream.read_exact_into(Vec::new(), scene.bytes).await;
        heard?;
        if bytes != said {
            scene.strays.note("bytes of another".to_owned());
        }
        odeon::time::sleep(PAUSE).await;
        match me.with(|me, _| me.come(which, "bytes")) {
            Ok(Flow::Continue) => {}
            ended => return Ok(ended.unwrap_or(Flow::Continue)),
        }
    }
}

/// Writes and reads, at a place of its own, with one descriptor after the other.
async fn store(me: Handle<Keeper>, scene: Scene, which: u64) -> Flow {
    loop {
        if let Ok(flow) = file(&me, &scene, which).await {
            return flow;
        }
        odeon::time::sleep(PAUSE).await;
    }
}

async fn file(me: &Handle<Keeper>, scene: &Scene, which: u64) -> io::Result<Flow> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).open(&scene.file).await?;
    let place = which % 1_000 * 4_096;
    loop {
        file.write_all_at(which.to_le_bytes().repeat(512), place).await.0?;
        let (read, _) = file.read_at(Vec::with_capacity(4_096), place).await;
        read?;
        // In a simulation a disk may take no time.
        odeon::time::sleep(PAUSE).await;
        match me.with(|me, _| me.come(which, "a file")) {
            Ok(Flow::Continue) => {}
            ended => return Ok(ended.unwrap_or(Flow::Continue)),
        }
    }
}

#[actor]
impl Keeper {
    /// Begins whatever an actor can begin.
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        let (which, alive) = (self.which, self.scene.alive.clone());
        self.begin(cx, "talks", talk(cx.handle(), self.scene.clone(), which));
        self.begin(cx, "stores", store(cx.handle(), self.scene.clone(), which));
        let soon = Duration::from_micros(self.random.below(2_000));
        cx.send_after(soon, Due(which, alive.clone())).expect("there is room");
        cx.send_every(Duration::from_millis(1), Due(which, alive.clone())).expect("there is room");
        let held = alive.clone();
        self.scene.slow.late(which % 1_000).then(cx, move |me, _, _| {
            drop(held);
            me.come(which, "an answer")
        });
        self.scene.slow.never().timeout(Duration::from_secs(3600)).then(cx, move |me, _, _| {
            drop(alive);
            me.come(which, "an answer that never comes")
        });
        cx.me().tell(Hold).expect("there is room");
    }

    #[message]
    fn due(&mut self, Due(which, _alive): Due) -> Flow {
        self.come(which, "a timer")
    }

    /// It may have been sent by the one before.
    #[message]
    async fn hold(&mut self, _: Hold) -> Flow {
        let which = self.which;
        odeon::time::sleep(Duration::from_micros(self.random.below(500))).await;
        self.come(which, "a handler")
    }
}

/// How often this process has a file open.
fn opened(path: &PathBuf) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter(|open| std::fs::read_link(open.path()).is_ok_and(|file| file == *path)).count()
}

pub fn what_is_under_way_ends_with_its_incarnation_and_leaves_nothing(on: On) {
    let world = World::with_accidents(on, 2, |config| {
        (config.receive_buffers, config.receive_buffer_bytes) = (8, 4096);
        config.send_slots = [16, 8, 4, 2, 2];
    });
    let mut random = on.random();
    let (peer, file) = (world.listen(|_| Echo), unique(on));
    let (restarts, bytes) =
        if let On::Seed(_) = on { (OF_A_SEED, BYTES_OF_A_SEED) } else { (RESTARTS, BYTES) };
    let scenes = [0, 1].map(|core| Scene {
        peer,
        file: file.clone(),
        slow: world.spawn(1 - core, Slow::default()),
        strays: Notes::new(),
        made: Notes::new(),
        came: Notes::new(),
        alive: Held::default(),
        restarts,
        bytes,
    });
    // Those that are begun again for another have as much under way.
    let restart = if random.chance(0.5) { Restart::one_for_one() } else { Restart::one_for_all() };
    let keepers = world.with_supervisor(restart.intensity(u32::MAX, Duration::from_secs(1)), |group| {
        [0, 1].map(|core| {
            let (scene, mut random) = (scenes[core].clone(), random.fork());
            group.spawn_on(core, move || Keeper::new(&scene, &mut random)).expect("there is room")
        })
    });
    world.until("all that fails", || scenes.iter().all(|scene| scene.made.len() > restarts));
    let mut came = [Vec::new(), Vec::new()];
    world.until("some of each", || {
        (0..2).for_each(|core| came[core].extend(scenes[core].came.take()));
        came.iter().all(|came| KINDS.iter().all(|kind| came.contains(kind)))
    });
    // With as much under way.
    keepers[0].stop();
    keepers[1].abort();
    scenes.iter().for_each(|scene| scene.slow.stop());
    world.until("nothing to be left", || {
        let ledgers = world.ledgers();
        let is_idle = |ledger: &odeon::Ledger| {
            let [sockets, operations, _, _, rest @ ..] = ledger.held();
            // Who listens.
            sockets == 1 && operations <= 1 && rest == [0; 9]
        };
        let actors: usize = ledgers.iter().map(|ledger| ledger.actors).sum();
        // On each core who listens, and the foot; and the supervisors: that of these, and the root.
        actors == 6 && ledgers.iter().all(is_idle)
    });
    for Scene { strays, alive, .. } in scenes {
        assert_eq!(strays.take(), [""; 0]);
        assert_eq!(Arc::strong_count(&alive.0), 1, "all that was begun is gone");
    }
    assert_eq!(opened(&file), 0, "files are closed");
    assert!(count(&world, |ledger| ledger.restarts) >= restarts as u64);
    assert_eq!(count(&world, |ledger| ledger.given_up), 0);
    // A simulated disk has its own.
    let _ = std::fs::remove_file(file);
    world.end();
}

/// A name that no other case has, nor another process.
fn unique(on: On) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let name = format!("odeon-semantics-{process}-{number}");
    // A simulated disk has one folder.
    if let On::Seed(_) = on { PathBuf::from(name) } else { std::env::temp_dir().join(name) }
}
