//! Connections that join rooms on other cores, talk there, and leave.
//!
//! Knows: rooms, members, lines with a number. Must not know how a line travels.

use odeon::prelude::*;
use odeon::system::simulation::SimPeer;

use super::journal::{Journal, Life, Token};
use super::world::{World, pick};

#[derive(Message)]
struct Join {
    id: u64,
    to: Recipient<Said>,
    _token: Token,
}

#[derive(Message)]
struct Leave {
    id: u64,
    _token: Token,
}

#[derive(Message)]
struct Said {
    from: u64,
    text: String,
    _token: Token,
}

enum ToRoom {
    Join(Join),
    Leave(Leave),
    Said(Said),
}

struct Room {
    life: Life,
    journal: Journal,
    members: Vec<(u64, Recipient<Said>)>,
    lost: bool,
}

impl Accepts<Join> for Room {
    fn accept(message: Join) -> ToRoom {
        ToRoom::Join(message)
    }
}

impl Accepts<Leave> for Room {
    fn accept(message: Leave) -> ToRoom {
        ToRoom::Leave(message)
    }
}

impl Accepts<Said> for Room {
    fn accept(message: Said) -> ToRoom {
        ToRoom::Said(message)
    }
}

impl Actor for Room {
    type Message = ToRoom;
    const MAILBOX_CAPACITY: u32 = 4096;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        Flow::Continue
    }

    fn handle(&mut self, message: ToRoom, _: &mut Context<Self>) -> Flow {
        self.life.go_on();
        self.journal.sums().handled += 1;
        match message {
            ToRoom::Join(Join { id, to, .. }) => self.members.push((id, to)),
            ToRoom::Leave(Leave { id, .. }) => self.members.retain(|member| member.0 != id),
            ToRoom::Said(Said { from, text, .. }) => {
                for (_, member) in &self.members {
                    let token = Token::new(&self.journal);
                    send(&self.journal, member.tell(Said { from, text: text.clone(), _token: token }));
                }
            }
        }
        Flow::Continue
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.life.stop();
        // Whoever left has said so, unless a lane or a mailbox was full.
        let complete = self.journal.sums().all_left && !self.lost;
        self.journal.expect(!complete || self.members.is_empty(), || "somebody never left".to_owned());
    }
}

/// Counts what `tell` took, and what the sender gives up as a dead letter.
fn send<M>(journal: &Journal, sent: Result<(), SendError<M>>) {
    match sent {
        Ok(()) => journal.sums().sent += 1,
        Err(_) => journal.sums().refused += 1,
    }
    sent.or_dead_letter();
}

struct Session {
    life: Life,
    journal: Journal,
    id: u64,
    room: Addr<Room>,
    /// Its own lines come back from the room before it goes. Not where some of them may be lost.
    owes: bool,
}

impl Accepts<Said> for Session {
    fn accept(message: Said) -> Said {
        message
    }
}

impl Actor for Session {
    type Message = Said;
    const MAILBOX_CAPACITY: u32 = 1024;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.life.start();
        let join = Join { id: self.id, to: cx.me().recipient(), _token: Token::new(&self.journal) };
        send(&self.journal, self.room.tell(join));
        Flow::Continue
    }

    fn handle(&mut self, said: Said, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        self.journal.sums().handled += 1;
        cx.write_line(said.text);
        if self.owes && said.from == self.id {
            cx.answered();
        }
        Flow::Continue
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.life.stop();
        send(&self.journal, self.room.tell(Leave { id: self.id, _token: Token::new(&self.journal) }));
    }
}

impl Connection for Session {
    type Codec = Lines<600>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        if line == "quit" {
            return Flow::Close;
        }
        if self.owes {
            cx.expect_answer();
        }
        let said = Said { from: self.id, text: line.to_owned(), _token: Token::new(&self.journal) };
        send(&self.journal, self.room.tell(said));
        Flow::Continue
    }

    fn end_of_stream(&mut self, _: &mut Context<Self>) -> Flow {
        // Until it has said `quit`: others may still be heard.
        Flow::Continue
    }
}

struct Client {
    peer: SimPeer,
    id: usize,
    number: usize,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    /// The last number heard of each client, this one included.
    heard: Vec<usize>,
    quit: bool,
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut ample = false;
    let mut world = World::new(seed, |plan, random| {
        plan.config.actors_max = 1 << 20;
        ample = random.chance(0.5);
        if ample {
            plan.config.lane_capacity = if cfg!(miri) { 1 << 7 } else { 1 << 12 };
            plan.config.mailbox_bytes_max = 64 << 20;
        }
    });
    let lost = !ample || !world.gentle;
    let rooms = open(&mut world, lost);
    let count = 1 + world.random.index(if cfg!(miri) { 2 } else { 6 });
    let mut clients: Vec<Client> = (0..count).map(|id| Client::new(&mut world, id, count)).collect();
    for _ in 0..world.rounds(50) {
        for client in &mut clients {
            client.act(&mut world);
        }
        if world.random.chance(0.2) { world.pause_midway() } else { world.pass() }
    }
    if world.random.chance(0.7) {
        end_well(&mut world, &mut clients, !lost && rooms == 1);
    }
    let peers = clients.into_iter().map(|mut client| {
        client.listen();
        client.peer
    });
    let peers = peers.collect();
    world.finish(peers)
}

/// Opens rooms on random cores, and a listener. Answers how many rooms.
fn open(world: &mut World, lost: bool) -> usize {
    let count = pick(&mut world.random, [1, 1, 3]);
    let rooms: Vec<Addr<Room>> = (0..count)
        .map(|_| {
            let (life, journal) = (Life::new(&world.journal), world.journal.clone());
            let core = world.random.index(4);
            let room = Room { life, journal, members: Vec::new(), lost };
            world.simulation.spawn_on(core, room).expect("there is room for rooms")
        })
        .collect();
    let journal = world.journal.clone();
    let make = move |peer: Peer| {
        // The number of the core, in the upper bits, is another in each run.
        let number = (peer.id() & 0xff_ffff) as usize;
        let room = rooms[number % rooms.len()];
        Session { life: Life::new(&journal), journal: journal.clone(), id: peer.id(), room, owes: !lost }
    };
    world.simulation.listener(World::address()).start(make).expect("nobody listens there yet");
    count
}

/// Everybody says goodbye and hears the end. `all`: everybody must have heard all of their own lines, before or after that.
fn end_well(world: &mut World, clients: &mut [Client], all: bool) {
    if all && world.random.chance(0.5) {
        world.until("everybody hears themselves", |_| {
            clients.iter_mut().for_each(Client::listen);
            clients.iter().all(|client| client.quit || client.heard[client.id] == client.number)
        });
    }
    world.until("everybody leaves", |_| {
        clients.iter_mut().for_each(Client::leave);
        clients.iter().all(|client| client.peer.is_ended() || client.peer.is_reset())
    });
    world.simulation.settle();
    world.journal.sums().all_left = true;
    if world.gentle {
        assert!(clients.iter().all(|client| !client.peer.is_reset()), "nobody was to be cut off");
        let heard = clients.iter().all(|client| client.heard[client.id] == client.number);
        assert!(!all || heard, "what was said before the goodbye is heard");
    }
}

impl Client {
    fn new(world: &mut World, id: usize, count: usize) -> Client {
        let peer = world.connect().expect("the backlog has room");
        let (unsent, unread) = (Vec::new(), Vec::new());
        Client { peer, id, number: 0, unsent, unread, heard: vec![0; count], quit: false }
    }

    fn act(&mut self, world: &mut World) {
        let random = &mut world.random;
        match random.below(10) {
            0..5 if !self.quit => {
                self.number += 1;
                let filling = "x".repeat(pick(random, [0, 10, 300]));
                self.unsent.extend(format!("{} {} {filling}\n", self.id, self.number).bytes());
            }
            5 if !self.quit && random.chance(0.1) => self.quit(),
            _ => {}
        }
        let part = random.index(self.unsent.len() + 1);
        let taken = self.peer.write(&self.unsent[..part]);
        self.unsent.drain(..taken);
        if random.chance(0.7) {
            self.listen();
        }
    }

    fn quit(&mut self) {
        self.quit = true;
        self.unsent.extend(b"quit\n");
    }

    fn leave(&mut self) {
        if !self.quit {
            self.quit();
        }
        self.send();
        self.listen();
    }

    fn send(&mut self) {
        let taken = self.peer.write(&self.unsent);
        self.unsent.drain(..taken);
        if self.unsent.is_empty() && self.quit {
            self.peer.shutdown_write();
        }
    }

    /// Reads whole lines: of everybody, the numbers only grow.
    fn listen(&mut self) {
        if !self.unsent.is_empty() {
            self.send();
        }
        loop {
            let bytes = self.peer.read(usize::MAX);
            if bytes.is_empty() {
                break;
            }
            self.unread.extend(bytes);
        }
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8(line).expect("lines are text");
            let mut words = line.split_whitespace().map(|word| word.parse::<usize>());
            let (Some(Ok(from)), Some(Ok(number))) = (words.next(), words.next()) else {
                panic!("not a line that anybody said: {line:?}");
            };
            assert!(number > self.heard[from], "{} heard {number} after {}", self.id, self.heard[from]);
            self.heard[from] = number;
        }
    }
}
