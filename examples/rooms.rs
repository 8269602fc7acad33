//! Rooms in which everybody hears everybody, however many they are.
//!
//!     cargo run --release --example rooms -- --listen 127.0.0.1:7000 --slow drop-oldest
//!     nc 127.0.0.1 7000
//!
//! `/join ROOM` enters a room, any other line goes to everybody in it, whoever wrote it included. Two terminals see what either says. Here one
//! does not read for five seconds, while the other never stops; it ends by saying how many lines it has missed:
//!
//!     (printf '/join a\n'; sleep 10; echo back; sleep 1) | nc -N 127.0.0.1 7000 | (sleep 5; grep missed)
//!     (printf '/join a\n'; timeout 6 yes 'and so on, and so on') | nc -N 127.0.0.1 7000 > /dev/null
//!
//! Shows: a room that lives on the core that its name belongs to; a topic, by which a line goes to each core once; what becomes of
//! those who cannot keep up. They keep nobody waiting. A line that finds their mailbox full they have missed; beyond 64 KiB of output
//! that they do not read, `--slow` decides: the oldest lines are dropped, or the newest refused, or the connection is closed. Who goes
//! on reading is told how many lines it has missed.
//!
//! Limits: a client's next line is read once its room has the last. A room ends with the last one in it.

use std::collections::HashMap;
use std::process::ExitCode;

use odeon::Full;
use odeon::prelude::*;

mod support;

const CLIENTS_MAX: usize = 1_000;
const LINE_BYTES_MAX: usize = 1_024;
const ROOM_BYTES_MAX: usize = 64;
/// Lines of a room that wait for a client to be written.
const LINES_MAX: u32 = 256;
/// What is written and not read.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// A line that somebody has written.
#[derive(Message, Clone)]
struct Said(Bytes);

/// The rooms of one core. Nobody is in one that is not there.
#[derive(Default)]
struct Rooms(HashMap<Box<str>, Topic<Said>>);

// Room for a question of each session, and for as many that have ended.
#[actor(mailbox(capacity = 4_096))]
impl Rooms {
    #[call]
    fn join(
        &mut self,
        room: Box<str>,
        client: u64,
        to: Recipient<Said>,
        lagged: Recipient<Lagged>,
    ) -> Result<(), Full> {
        // One that nobody could enter, or whose last one has ended unheard.
        self.0.retain(|_, topic| topic.subscribers() > 0);
        self.0.entry(room).or_default().try_subscribe_with_lag(client, to, lagged)
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
    /// Lines for which its output had no room, and of which it was not told.
    unheard: u32,
}

// Who only listens may.
#[actor(codec = Lines<LINE_BYTES_MAX>, mailbox(capacity = LINES_MAX), timeouts(first_byte = "never"))]
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
                    cx.write_line(if matches!(joined, Ok(Ok(()))) {
                        "* you are in"
                    } else {
                        "* not now: join again"
                    });
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
        // The runtime counts anew once everything has been sent.
        if cx.lost_writes() < self.unheard {
            writeln!(cx, "* you have missed {}", self.unheard);
        }
        cx.write_line(&line);
        self.unheard = cx.lost_writes();
    }

    /// So many were lost before they came here.
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
    let own = "[--slow drop-oldest|refuse|close]";
    support::serve("rooms", own, Config::default(), |system, address, options| {
        let overflow = match options.get("--slow").map_or("drop-oldest", String::as_str) {
            "drop-oldest" => Overflow::DropOldest,
            "refuse" => Overflow::Refuse,
            "close" => Overflow::Close,
            other => return Err(support::Error::from(format!("nobody knows what `--slow {other}` is"))),
        };
        let rooms = system.sharded(|_core| Rooms::default())?;
        let session =
            move |peer: Peer| Session { id: peer.id(), rooms: rooms.clone(), room: None, unheard: 0 };
        let listener = system.listener(address).max_connections(CLIENTS_MAX).outbox_bytes(UNREAD_BYTES_MAX);
        Ok(listener.outbox_overflow(overflow).start(session)?)
    })
}
