//! Messages between two actors, and actors that come and go.

use std::cell::Cell;
use std::rc::Rc;

use odeon::prelude::*;

use crate::workbench;

/// Sends the ball back until it has been over the net so often.
struct Player {
    other: Option<Addr<Player>>,
    over: Rc<Cell<bool>>,
}

#[derive(Message)]
enum Play {
    Meet(Addr<Player>),
    Ball(u64),
}

impl Accepts<Play> for Player {
    fn accept(message: Play) -> Play {
        message
    }
}

impl Actor for Player {
    type Message = Play;

    fn handle(&mut self, message: Play, _: &mut Context<Self>) -> Flow {
        match message {
            Play::Meet(other) => self.other = Some(other),
            Play::Ball(0) => self.over.set(true),
            Play::Ball(left) => {
                let other = self.other.expect("players have met before they play");
                other.tell(Play::Ball(left - 1)).or_dead_letter();
            }
        }
        Flow::Continue
    }
}

pub(crate) fn tell(count: u64) {
    let (mut bench, over) = (workbench(1), Rc::new(Cell::new(false)));
    let player = |other| Player { other, over: over.clone() };
    let first = bench.spawn_on(0, player(None)).expect("there is room for two");
    let second = bench.spawn_on(0, player(Some(first))).expect("there is room for two");
    first.tell(Play::Meet(second)).or_dead_letter();
    first.tell(Play::Ball(count)).or_dead_letter();
    bench.run_until(|| over.get());
}

/// The same, written with the macro.
struct Partner {
    other: Option<Addr<Partner>>,
    over: Rc<Cell<bool>>,
}

#[derive(Message)]
struct Meet(Addr<Partner>);

#[derive(Message)]
struct Ball(u64);

#[actor]
impl Partner {
    #[message]
    fn meet(&mut self, Meet(other): Meet) {
        self.other = Some(other);
    }

    #[message]
    fn ball(&mut self, Ball(left): Ball) {
        match left {
            0 => self.over.set(true),
            left => {
                let other = self.other.expect("partners have met before they play");
                other.tell(Ball(left - 1)).or_dead_letter();
            }
        }
    }
}

pub(crate) fn macro_tell(count: u64) {
    let (mut bench, over) = (workbench(1), Rc::new(Cell::new(false)));
    let partner = |other| Partner { other, over: over.clone() };
    let first = bench.spawn_on(0, partner(None)).expect("there is room for two");
    let second = bench.spawn_on(0, partner(Some(first))).expect("there is room for two");
    first.tell(Meet(second)).or_dead_letter();
    first.tell(Ball(count)).or_dead_letter();
    bench.run_until(|| over.get());
}

const GUESTS: u64 = 64;

/// Passes on what comes to one after the other of the others. Counts the balls that have been passed on often enough.
struct Guest {
    others: Vec<Addr<Guest>>,
    turn: usize,
    over: Rc<Cell<u64>>,
}

#[derive(Message)]
enum Mingle {
    Meet(Vec<Addr<Guest>>),
    Ball(u64),
}

impl Accepts<Mingle> for Guest {
    fn accept(message: Mingle) -> Mingle {
        message
    }
}

impl Actor for Guest {
    type Message = Mingle;

    fn handle(&mut self, message: Mingle, _: &mut Context<Self>) -> Flow {
        match message {
            Mingle::Meet(others) => self.others = others,
            Mingle::Ball(0) => self.over.set(self.over.get() + 1),
            Mingle::Ball(left) => {
                let other = self.others[self.turn];
                self.turn = if self.turn + 1 == self.others.len() { 0 } else { self.turn + 1 };
                other.tell(Mingle::Ball(left - 1)).or_dead_letter();
            }
        }
        Flow::Continue
    }
}

/// So many messages between 64 actors, each of which has a ball at the beginning.
pub(crate) fn many_to_many(count: u64) {
    let (mut bench, over) = (workbench(1), Rc::new(Cell::new(0)));
    let guest = |_| {
        let guest = Guest { others: Vec::new(), turn: 0, over: over.clone() };
        bench.spawn_on(0, guest).expect("there is room for the guests")
    };
    let guests: Vec<Addr<Guest>> = (0..GUESTS).map(guest).collect();
    let mut ring = guests.clone();
    for guest in guests {
        ring.rotate_left(1);
        guest.tell(Mingle::Meet(ring[..ring.len() - 1].to_vec())).or_dead_letter();
        guest.tell(Mingle::Ball(count / GUESTS)).or_dead_letter();
    }
    bench.run_until(|| over.get() == GUESTS);
}

const BRANCHES: u64 = 10;
const DEPTH: u32 = 3;

/// An actor of a tree: it is spawned, gets one message, and stops. Counts those that are left.
struct Node(Rc<Cell<u64>>);

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
        self.0.set(self.0.get() - 1);
        for _ in 0..if depth > 0 { BRANCHES } else { 0 } {
            let node = cx.spawn(Node(self.0.clone())).expect("there is room for the tree");
            node.tell(Grow(depth - 1)).or_dead_letter();
        }
        Flow::Stop
    }
}

/// Trees of 1,111 actors, one after the other, until there have been so many or a few more.
pub(crate) fn spawn_message_stop(count: u64) {
    let mut bench = workbench(1);
    let of_tree = (0..=DEPTH).map(|depth| BRANCHES.pow(depth)).sum();
    let mut grown = 0;
    while grown < count {
        let left = Rc::new(Cell::new(of_tree));
        let root = bench.spawn_on(0, Node(left.clone())).expect("there is room for a root");
        root.tell(Grow(DEPTH)).or_dead_letter();
        bench.run_until(|| left.get() == 0);
        grown += of_tree;
    }
}
