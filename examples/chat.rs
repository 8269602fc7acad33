//! A chat over lines of text: rooms, and a connection actor for every user.
//!
//!     cargo run --release --example chat -- --listen 127.0.0.1:7000
//!     nc 127.0.0.1 7000
//!
//! A user writes `/join ROOM`, `/who`, `/quit`, or a line that goes to everyone else in the room.
//!
//! Shows: actors that spawn actors, questions that a connection waits for before it reads on or ends, recipients, messages
//! between cores, a limit for everything that strangers can make grow, and what to do when something is full.
//!
//! The directory, on core 0, knows which rooms there are and who sits where. It alone opens and closes rooms, so joining a
//! room never crosses its end. A room hands lines on. A session is a user's connection, on whichever core accepted it. Each
//! line of a user is a question to one of these, and the next is read once it is answered: a user who writes faster than a
//! room can hand on has to wait.
//!
//! Its tests are in `chat/tests.rs`: the whole chat, simulated, for many seeds.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use odeon::prelude::*;
use odeon::{HandleError, Listening, Question, task, time};

mod support;
#[cfg(test)]
#[path = "chat/tests.rs"]
mod tests;

const CONNECTIONS_MAX: usize = 16_384;
const ROOMS_MAX: usize = 1_024;
const MEMBERS_MAX: usize = 256;
const ROOM_NAME_BYTES_MAX: usize = 32;
const LINE_BYTES_MAX: usize = 1_024;
/// Lines for one member that wait until the way to it is free.
const LATE_MAX: usize = 256;
/// Until whoever had no space is tried again.
const PAUSE: Duration = Duration::from_millis(1);

/// A line to show. Everyone is sent the same text, which is not copied.
#[derive(Message, Clone)]
struct Line(Arc<str>);

/// A room, and what its member is called there.
struct Membership {
    room: Addr<Room>,
    name: Arc<str>,
    guest: u64,
    others: usize,
}

struct Seat {
    guest: u64,
    room: Option<Arc<str>>,
}

struct OpenRoom {
    address: Addr<Room>,
    members: usize,
}

#[derive(Default)]
struct Directory {
    rooms: HashMap<Arc<str>, OpenRoom>,
    seats: HashMap<u64, Seat>,
    guests: u64,
}

// Room for a question of each session, and for as many that have ended.
#[actor(mailbox(capacity = 32_768))]
impl Directory {
    /// Moves a session to a room; or answers why it stays where it is.
    #[call]
    fn join(
        &mut self,
        session: u64,
        name: Arc<str>,
        lines: Recipient<Line>,
        cx: &mut Context<Self>,
    ) -> Result<Membership, String> {
        let seat = self.seats.entry(session).or_insert_with(|| {
            self.guests += 1;
            Seat { guest: self.guests, room: None }
        });
        let guest = seat.guest;
        if seat.room.as_ref() == Some(&name) {
            return Err(format!("* you are in {name} already"));
        }
        if !self.rooms.contains_key(&name) {
            self.open(&name, cx)?;
        }
        let room = self.rooms.get_mut(&name).ok_or("* this room has closed: try again")?;
        if room.members >= MEMBERS_MAX {
            return Err(format!("* {name} is full: it has {MEMBERS_MAX} members"));
        }
        let membership = Membership { room: room.address, name: name.clone(), guest, others: room.members };
        room.members += 1;
        if room.address.tell(Enter { guest, lines }).is_err() {
            self.depart(guest, &name, true);
            return Err(format!("* {name} is too busy to let you in: try again"));
        }
        let before = self.seats.insert(session, Seat { guest, room: Some(name) });
        if let Some(room) = before.and_then(|seat| seat.room) {
            self.depart(guest, &room, true);
        }
        Ok(membership)
    }

    /// A session has ended.
    #[call]
    fn leave(&mut self, session: u64, told: bool) {
        if let Some(Seat { guest, room: Some(room) }) = self.seats.remove(&session) {
            self.depart(guest, &room, told);
        }
    }

    fn open(&mut self, name: &Arc<str>, cx: &mut Context<Self>) -> Result<(), String> {
        if self.rooms.len() >= ROOMS_MAX {
            return Err(format!("* there are {ROOMS_MAX} rooms already: join one of them"));
        }
        let room = Room { name: name.clone(), ..Room::default() };
        let address =
            cx.spawn(room).map_err(|_| "* there is no place for a new room: join another".to_owned())?;
        self.rooms.insert(name.clone(), OpenRoom { address, members: 0 });
        Ok(())
    }

    /// Takes a member out of a room, of which the others are told or not, and closes the room behind the last.
    fn depart(&mut self, guest: u64, name: &str, told: bool) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.members -= 1;
        let address = room.address;
        if room.members > 0 {
            insist(move || address.exit(guest, told));
        } else {
            // Behind those of whom it has not heard yet that they have left.
            address.drain();
            self.rooms.remove(name);
        }
    }
}

/// Asks until it was heard, because others rely on it. If the core is too full for that, a room shows one guest too many.
fn insist<A: Actor, Q>(ask: impl Fn() -> Ask<A, Q> + 'static)
where
    Q: Question<A, Reply = ()> + Send,
{
    drop(task::spawn(async move {
        while let Err(AskError::Full | AskError::Timeout) = ask().await {
            time::sleep(PAUSE).await;
        }
    }));
}

#[derive(Message)]
struct Enter {
    guest: u64,
    lines: Recipient<Line>,
}

/// A room tells itself to try again what members could not take.
#[derive(Message)]
struct CatchUp;

struct Member {
    lines: Recipient<Line>,
    /// How often it has entered and not left: more than once while word of its leaving is on the way.
    entered: usize,
    /// Lines that could not be sent yet.
    late: VecDeque<Line>,
    /// Lines that were too many even for that.
    missed: u64,
}

#[derive(Default)]
struct Room {
    name: Arc<str>,
    members: BTreeMap<u64, Member>,
    /// Late lines are being tried again.
    catching_up: bool,
    /// Those who have said something meanwhile.
    held_up: Vec<Reply<()>>,
}

#[actor]
impl Room {
    #[message]
    fn enter(&mut self, Enter { guest, lines }: Enter, cx: &mut Context<Self>) {
        let member = self.members.entry(guest);
        let member = member.or_insert(Member { lines, entered: 0, late: VecDeque::new(), missed: 0 });
        member.entered += 1;
        if member.entered == 1 {
            self.tell_others(guest, format!("* guest{guest} has joined"), cx);
        }
    }

    #[call]
    fn exit(&mut self, guest: u64, told: bool, cx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(&guest) else { return };
        member.entered -= 1;
        if member.entered == 0 {
            self.members.remove(&guest);
            if told {
                self.tell_others(guest, format!("* guest{guest} has left"), cx);
            }
        }
    }

    /// Is answered when everyone else has been sent the line.
    #[call]
    fn say(&mut self, guest: u64, text: String, reply: Reply<()>, cx: &mut Context<Self>) {
        if self.members.contains_key(&guest) {
            self.tell_others(guest, format!("guest{guest}: {text}"), cx);
        }
        match self.catching_up {
            true => self.held_up.push(reply),
            false => reply.send(()),
        }
    }

    #[call]
    fn who(&self) -> String {
        let guests: Vec<String> = self.members.keys().map(|guest| format!("guest{guest}")).collect();
        format!("* in {}: {}", self.name, guests.join(", "))
    }

    fn tell_others(&mut self, guest: u64, text: String, cx: &mut Context<Self>) {
        let line = Line(text.into());
        for (_, member) in self.members.iter_mut().filter(|(other, _)| **other != guest) {
            member.tell(&line);
        }
        if !self.catching_up && self.is_late() {
            // Without space for it, the next line will do.
            self.catching_up = cx.me().tell(CatchUp).is_ok();
        }
    }

    #[message(concurrent, timeout = "never")]
    async fn catch_up(me: Handle<Self>, _: CatchUp) -> Result<(), HandleError> {
        while me.with(|room, _| room.is_late())? {
            time::sleep(PAUSE).await;
        }
        me.with(|room, _| room.held_up.drain(..).for_each(|reply| reply.send(())))
    }

    /// True if there are lines that could not be sent now either.
    fn is_late(&mut self) -> bool {
        self.members.values_mut().for_each(Member::catch_up);
        self.catching_up = self.members.values().any(|member| !member.late.is_empty());
        self.catching_up
    }
}

impl Member {
    fn tell(&mut self, line: &Line) {
        #[cfg(test)]
        if tests::is_planted() && tests::tells_later(self.lines, line) {
            return;
        }
        if self.missed == 0 && self.late.len() < LATE_MAX {
            self.late.push_back(line.clone());
        } else {
            self.missed += 1;
        }
        self.catch_up();
    }

    /// Sends what is late, in order. A member who missed lines is told where they are missing.
    fn catch_up(&mut self) {
        loop {
            if self.late.is_empty() && self.missed > 0 {
                let missed = std::mem::take(&mut self.missed);
                self.late
                    .push_back(Line(format!("* lines are missing here, too many at once: {missed}").into()));
            }
            let Some(line) = self.late.pop_front() else { return };
            match self.lines.tell(line) {
                Ok(()) => {}
                Err(SendError::Full(line)) => return self.late.push_front(line),
                // The directory will know soon.
                Err(SendError::Stopped(_)) => self.late.clear(),
            }
        }
    }
}

struct Session {
    id: u64,
    directory: Addr<Directory>,
    place: Option<Membership>,
    /// Why it ends is known to the user.
    said_goodbye: bool,
}

// Lines from another core that find no space here are lost unseen, so there is more than the way between cores holds.
// Who only listens may.
#[actor(
    codec = Lines<LINE_BYTES_MAX>,
    mailbox(capacity = 8_192),
    outbox(bytes = "256k"),
    timeouts(first_byte = "never")
)]
impl Session {
    #[started]
    fn welcome(&mut self, cx: &mut Context<Self>) {
        cx.write_line("* welcome: /join ROOM, /who, /quit; any other line goes to everyone else in the room");
    }

    #[message]
    fn show(&mut self, Line(text): Line, cx: &mut Context<Self>) {
        cx.write_line(text.as_bytes());
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "/quit" => {
                self.said_goodbye = true;
                return Flow::Close;
            }
            "/who" => self.who(cx),
            "/join" => self.join(rest.trim(), cx),
            "" if rest.trim().is_empty() => {}
            _ if word.starts_with('/') => {
                writeln!(cx, "* there is no command {word}: try /join ROOM, /who or /quit");
            }
            _ => self.say(line, cx),
        }
        Flow::Continue
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "* goodbye: {error}");
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason, cx: &mut Context<Self>) {
        let server_stops = why == StopReason::Stopped && !self.said_goodbye;
        if server_stops {
            cx.write_line("* goodbye: the server stops");
        }
        // Then the others go as well, and there is nobody to be told that one has left.
        let (id, directory) = (self.id, self.directory);
        insist(move || directory.leave(id, !server_stops));
    }

    fn join(&mut self, name: &str, cx: &mut Context<Self>) {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '#');
        if name.is_empty() {
            return cx.write_line("* which room? /join ROOM");
        }
        if name.len() > ROOM_NAME_BYTES_MAX || !name.chars().all(allowed) {
            return writeln!(
                cx,
                "* a room's name has at most {ROOM_NAME_BYTES_MAX} bytes: letters, digits, and any of - _ . #"
            );
        }
        let joined = self.directory.join(self.id, name.into(), cx.recipient());
        read_on_after(joined, cx, |me, joined, cx| match joined {
            Ok(place) => {
                let Membership { name, guest, others, .. } = &place;
                writeln!(cx, "* you are guest{guest} in {name}; others here: {others}");
                me.place = Some(place);
            }
            Err(why) => cx.write_line(why),
        });
    }

    fn who(&mut self, cx: &mut Context<Self>) {
        match &self.place {
            Some(place) => read_on_after(place.room.who(), cx, |_, list, cx| cx.write_line(list)),
            None => cx.write_line(NOWHERE),
        }
    }

    fn say(&mut self, text: &str, cx: &mut Context<Self>) {
        let Some(Membership { room, guest, .. }) = &self.place else { return cx.write_line(NOWHERE) };
        if text.chars().any(|c| c.is_control() && c != '\t') {
            // They could do things to the terminals of the others.
            return cx.write_line("* not sent: control characters are not allowed");
        }
        read_on_after(room.say(*guest, text.to_owned()), cx, |_, (), _| {});
    }
}

const NOWHERE: &str = "* you are in no room: /join ROOM";

/// Asks, and reads the user's next line once that is answered. What others say is shown meanwhile.
fn read_on_after<A: Actor, Q>(
    question: Ask<A, Q>,
    cx: &mut Context<Session>,
    then: impl FnOnce(&mut Session, Q::Reply, &mut Context<Session>) + 'static,
) where
    Q: Question<A> + Send,
    Q::Reply: Send,
{
    cx.expect_answer();
    cx.pause_reading();
    question.then(cx, move |me, answer, cx| {
        cx.answered();
        cx.resume_reading();
        match answer {
            Ok(answer) => then(me, answer, cx),
            Err(AskError::Full) => cx.write_line("* not now: try again"),
            Err(_) => {
                // Nobody is left to be asked, or what became of the question is not known.
                cx.write_line("* goodbye: nobody answers");
                me.said_goodbye = true;
                return Flow::Close;
            }
        }
        Flow::Continue
    });
}

fn main() -> ExitCode {
    support::serve("chat", "", Config::default(), |system, address, _| open(system, address))
}

/// Opens the chat in a system, which is a simulated one in the tests.
fn open(system: &System, address: &str) -> odeon::Result<Listening> {
    let directory = system.spawn_on(0, Directory::default())?;
    system.listener(address).max_connections(CONNECTIONS_MAX).start(move |peer| Session {
        id: peer.id(),
        directory,
        place: None,
        said_goodbye: false,
    })
}
