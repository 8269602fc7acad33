//! A crowd of actors: how fast they come and go, and what one of them weighs.

use std::cell::Cell;
use std::env;
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};

use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::stage::system;

/// Children of each actor of a tree that is no leaf.
pub(crate) const BRANCHES: u64 = 10;

/// How many leaves a tree has with so many levels below its root.
pub(crate) fn leaves(depth: u32) -> u64 {
    BRANCHES.pow(depth)
}

/// And how many actors in all.
pub(crate) fn actors(depth: u32) -> u64 {
    (0..=depth).map(leaves).sum()
}

/// An actor of the tree. It is spawned, gets one message, and stops; the leaves, which are spawned in a row, are all alive
/// at one time.
struct Node(Rc<Tree>);

struct Tree {
    depth: u32,
    leaves: Cell<u64>,
    started: Cell<Time>,
    report: Sender<f64>,
}

#[derive(Message)]
struct Grow(u32);

impl Accepts<Grow> for Node {
    fn accept(message: Grow) -> Grow {
        message
    }
}

impl Actor for Node {
    type Message = Grow;

    fn handle(&mut self, Grow(depth): Grow, cx: &mut Context<Self>) -> Flow {
        let tree = &self.0;
        if depth == tree.depth {
            tree.started.set(now());
            tree.leaves.set(leaves(depth));
        }
        if depth == 0 {
            tree.leaves.set(tree.leaves.get() - 1);
            if tree.leaves.get() == 0 {
                let took = now().since(tree.started.get()).as_nanos() as f64;
                tree.report.send(took).expect("the bench waits for the last leaf");
            }
            return Flow::Stop;
        }
        for _ in 0..BRANCHES {
            let node = cx.spawn(Node(self.0.clone())).expect("there is room for the tree");
            node.tell(Grow(depth - 1)).or_dead_letter();
        }
        Flow::Stop
    }
}

/// A tree of so many levels below its root.
pub(crate) fn spawn_message_stop(depth: u32) -> impl FnMut() -> f64 {
    let system = system(1);
    let (report, ends) = channel();
    move || {
        let report = report.clone();
        let tree = move || {
            let started = Cell::new(Time::ZERO);
            Node(Rc::new(Tree { depth, leaves: Cell::new(0), started, report }))
        };
        let root = system.spawn_with(0, tree).expect("there is room for a root");
        root.tell(Grow(depth)).or_dead_letter();
        ends.recv().expect("every leaf is reached") / actors(depth) as f64
    }
}

/// An actor that does nothing; what it is made of is not the runtime's to answer for.
struct Idle {
    _state: u64,
}

impl Actor for Idle {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

/// Spawns so many idle actors, and says when they have started.
struct Spawner(Sender<()>);

#[derive(Message)]
enum Spawn {
    Idle(usize),
    Done,
}

impl Accepts<Spawn> for Spawner {
    fn accept(message: Spawn) -> Spawn {
        message
    }
}

impl Actor for Spawner {
    type Message = Spawn;

    fn handle(&mut self, message: Spawn, cx: &mut Context<Self>) -> Flow {
        match message {
            Spawn::Idle(count) => {
                for _ in 0..count {
                    cx.spawn(Idle { _state: 0 }).expect("there is room for a million");
                }
                cx.me().tell(Spawn::Done).or_dead_letter();
            }
            // Actors run in the order in which they became ready: by now every one of the others has.
            Spawn::Done => self.0.send(()).expect("the bench waits for the actors"),
        }
        Flow::Continue
    }
}

/// The argument by which this program is told to weigh actors and nothing else.
pub(crate) const WEIGH: &str = "--weigh-idle-actors";

/// What the program finds in a process of its own, which is told whose actors to weigh: here, memory lies about that other figures
/// have given back.
pub(crate) fn weigh_apart(whose: &str) -> f64 {
    let program = env::current_exe().expect("a program knows where it is");
    let output = Command::new(program).args([WEIGH, whose]).output().expect("it can be started again");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints a number")
}

/// The slope of the resident memory between a few idle actors and many, less their state.
pub(crate) fn weigh([few, many]: [usize; 2]) -> f64 {
    let system = system(1);
    let (report, ends) = channel();
    let spawner = system.spawn(Spawner(report)).expect("there is room for a spawner");
    let spawn = |more| {
        spawner.tell(Spawn::Idle(more)).or_dead_letter();
        ends.recv().expect("the actors start");
    };
    slope([few, many], spawn) - size_of::<Idle>() as f64
}

/// By how much the resident memory grows for each actor more, from a few to many, as `spawn` adds so many of them.
pub(crate) fn slope([few, many]: [usize; 2], mut spawn: impl FnMut(usize)) -> f64 {
    spawn(few);
    let before = resident_bytes();
    spawn(many - few);
    (resident_bytes() - before) / (many - few) as f64
}

/// Resident memory of this process, exact: the figure in `status` is an estimate.
fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux shows what is resident");
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a line says so");
    let kilobytes: f64 = line.trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes * 1024.0
}
