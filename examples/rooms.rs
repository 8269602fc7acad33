//! Rooms in which everybody hears everybody, however many they are.
//!
//!     cargo run --release --example rooms -- --listen 127.0.0.1:7000
//!     nc 127.0.0.1 7000
//!
//! `/join ROOM` enters a room, any other line goes to everybody in it, whoever wrote it included.
//!
//! Shows: a room that lives on the core that its name belongs to; a topic, by which a line goes to each core once; what becomes of
//! those who cannot keep up: they are told how many lines they have missed, and keep nobody waiting.
//!
//! Limits: a client's next line is read once its room has the last. What a client does not read waits in its output, and then in its
//! mailbox; what has no place there it has missed.

use std::collections::HashMap;
use std::process::ExitCode;

use odeon::prelude::*;

mod support;

const CLIENTS_MAX: usize = 1_000;
const LINE_BYTES_MAX: usize = 1_024;
const ROOM_BYTES_MAX: usize = 64;
/// Lines of a room that wait for a client.
const LINES_MAX: u32 = 256;

/// A line that somebody has written.
#[derive(Message, Clone)]
struct Said(Bytes);

/// The rooms of one core. Nobody is in one that is not there.
#[derive(Default)]
struct Rooms(HashMap<Box<str>, Topic<Said>>);

#[actor]
impl Rooms {
    #[call]
    fn join(&mut self, room: Box<str>, client: u64, to: Recipient<Said>, lagged: Recipient<Lagged>) {
        self.0.entry(room).or_default().subscribe_with_lag(client, to, lagged);
    }

    #[call]
    fn leave(&mut self, room: Box<str>, client: u64) {
        if let Some(topic) = self.0.get_mut(&room) {
            topic.unsubscribe(client);
            if topic.subscribers() == 0 {
                self.0.remove(&room);
            }
        }
    }

    #[call]
    fn say(&mut self, room: Box<str>, line: Bytes) {
        if let Some(topic) = self.0.get_mut(&room) {
            topic.publish(Said(line));
        }
    }
}

/// A client's connection.
struct Session {
    id: u64,
    rooms: Sharded<Rooms>,
    room: Option<Box<str>>,
}

#[actor(codec = Lines<LINE_BYTES_MAX>, mailbox(capacity = LINES_MAX))]
impl Session {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        match (line.strip_prefix("/join "), self.room.clone()) {
            (Some(room), _) if room.len() > ROOM_BYTES_MAX => cx.write_line("* that name is too long"),
            (Some(room), before) => {
                if let Some(before) = before {
                    self.leave(before);
                }
                let room: Box<str> = room.into();
                self.room = Some(room.clone());
                let join = self.rooms.by_key(&room).join(room, self.id, cx.recipient(), cx.recipient());
                cx.pause_reading();
                join.then(cx, |_, joined, cx| {
                    cx.write_line(if joined.is_ok() { "* you are in" } else { "* not now: join again" });
                    cx.resume_reading();
                });
            }
            (None, Some(room)) => {
                let say = self.rooms.by_key(&room).say(room, cx.bytes_of(line.as_bytes()));
                // The line is heard before the client's end is.
                cx.pause_reading();
                say.then(cx, |_, said, cx| {
                    if said.is_err() {
                        cx.write_line("* nobody has heard this");
                    }
                    cx.resume_reading();
                });
            }
            (None, None) => cx.write_line("* first `/join ROOM`"),
        }
    }

    #[message]
    fn said(&mut self, Said(line): Said, cx: &mut Context<Self>) {
        cx.write_line(&line);
    }

    #[message]
    fn lagged(&mut self, Lagged { missed, .. }: Lagged, cx: &mut Context<Self>) {
        writeln!(cx, "* you have missed {missed}");
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "* {error}");
    }

    #[stopped]
    fn stopped(&mut self) {
        if let Some(room) = self.room.take() {
            self.leave(room);
        }
    }

    /// If that is not heard, the topic finds out with the next line that is said.
    fn leave(&self, room: Box<str>) {
        self.rooms.by_key(&room).leave(room, self.id).forward(Reply::nobody());
    }
}

fn main() -> ExitCode {
    support::serve("rooms", "", Config::default(), |system, address, _| {
        let rooms = system.sharded(|_core| Rooms::default())?;
        let session = move |peer: Peer| Session { id: peer.id(), rooms: rooms.clone(), room: None };
        system.listener(address).max_connections(CLIENTS_MAX).start(session)
    })
}
