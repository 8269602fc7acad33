//! A chat over lines of text: rooms, and a connection actor for every user.
//!
//!     cargo run --release --example chat -- --listen 127.0.0.1:7000
//!     nc 127.0.0.1 7000
//!
//! A user writes `/join ROOM`, `/who`, `/quit`, or a line that goes to everyone else in the room.
//!
//! Shows: actors that spawn actors, answers by message that a connection waits for before it ends, recipients, messages
//! between cores, a limit for everything that strangers can make grow, and what to do when something is full.
//!
//! The directory, on core 0, knows which rooms there are and who sits where. It alone opens and closes rooms, so joining a
//! room never crosses its end. A room hands lines on. A session is a user's connection, on whichever core accepted it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::Arc;

use odeon::prelude::*;

mod support;

const CONNECTIONS_MAX: usize = 16_384;
const ROOMS_MAX: usize = 1_024;
const MEMBERS_MAX: usize = 256;
const ROOM_NAME_BYTES_MAX: usize = 32;
const LINE_BYTES_MAX: usize = 1_024;
/// Lines of one user that wait until the user has joined.
const WAITING_MAX: usize = 64;
/// Lines for one member that wait until the way to it is free.
const LATE_MAX: usize = 256;
/// Bytes for one user that its network has not taken.
const OUTBOX_BYTES: usize = 256 << 10;

/// A line to show. Everyone is sent the same text, which is not copied.
#[derive(Message, Clone)]
struct Line(Arc<str>);

/// The directory's answer to a session that wants to join: its new place, or why it stays where it is.
#[derive(Message)]
struct Joined(Result<Place, Arc<str>>);

/// A room, and what its member is called there.
struct Place {
    room: Addr<Room>,
    name: Arc<str>,
    guest: u64,
    others: usize,
}

#[derive(Message)]
struct Join {
    session: u64,
    room: Arc<str>,
    lines: Recipient<Line>,
    answer: Recipient<Joined>,
}

/// A session has ended.
#[derive(Message, Clone, Copy)]
struct Left {
    session: u64,
}

/// What the directory tells others, and tells itself to try again while there is no space for it: everyone relies on it.
#[derive(Message)]
enum News {
    Answer(Recipient<Joined>, Joined),
    Exit(Addr<Room>, Exit),
}

enum DirectoryMessage {
    Join(Join),
    Left(Left),
    News(News),
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

impl Actor for Directory {
    type Message = DirectoryMessage;

    // Each session has at most one `Join` under way, and in the end one `Left`.
    const MAILBOX_CAPACITY: u32 = 4 * CONNECTIONS_MAX as u32;

    fn handle(&mut self, message: DirectoryMessage, cx: &mut Context<Self>) -> Flow {
        match message {
            DirectoryMessage::Join(join) => {
                let answer = join.answer;
                pass(News::Answer(answer, Joined(self.join(join, cx))), cx);
            }
            DirectoryMessage::Left(left) => {
                if let Some(Seat { guest, room: Some(room) }) = self.seats.remove(&left.session) {
                    self.leave(guest, &room, cx);
                }
            }
            DirectoryMessage::News(news) => pass(news, cx),
        }
        Flow::Continue
    }
}

impl Directory {
    fn join(&mut self, join: Join, cx: &mut Context<Self>) -> Result<Place, Arc<str>> {
        let seat = self.seats.entry(join.session).or_insert_with(|| {
            self.guests += 1;
            Seat { guest: self.guests, room: None }
        });
        let guest = seat.guest;
        if seat.room.as_ref() == Some(&join.room) {
            return Err(format!("* you are in {} already", join.room).into());
        }
        if !self.rooms.contains_key(&join.room) {
            self.open(&join.room, cx)?;
        }
        let room = self.rooms.get_mut(&join.room).ok_or("* this room has closed: try again")?;
        if room.members >= MEMBERS_MAX {
            return Err(format!("* {} is full: it has {MEMBERS_MAX} members", join.room).into());
        }
        let place = Place { room: room.address, name: join.room.clone(), guest, others: room.members };
        room.members += 1;
        if place.room.tell(Enter { guest, lines: join.lines }).is_err() {
            self.leave(guest, &join.room, cx);
            return Err(format!("* {} is too busy to let you in: try again", join.room).into());
        }
        let before = self.seats.insert(join.session, Seat { guest, room: Some(join.room) });
        if let Some(room) = before.and_then(|seat| seat.room) {
            self.leave(guest, &room, cx);
        }
        Ok(place)
    }

    fn open(&mut self, name: &Arc<str>, cx: &mut Context<Self>) -> Result<(), Arc<str>> {
        if self.rooms.len() >= ROOMS_MAX {
            return Err(format!("* there are {ROOMS_MAX} rooms already: join one of them").into());
        }
        let room = Room { name: name.clone(), members: BTreeMap::new(), catching_up: false };
        let address = cx.spawn(room).map_err(|error| Arc::from(format!("* no new room: {error}")))?;
        self.rooms.insert(name.clone(), OpenRoom { address, members: 0 });
        Ok(())
    }

    /// Takes a member out of a room, and closes the room behind the last.
    fn leave(&mut self, guest: u64, name: &str, cx: &mut Context<Self>) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.members -= 1;
        if room.members > 0 {
            pass(News::Exit(room.address, Exit { guest }), cx);
        } else {
            room.address.stop();
            self.rooms.remove(name);
        }
    }
}

fn pass(news: News, cx: &mut Context<Directory>) {
    let refused = match news {
        News::Answer(to, joined) => match to.tell(joined) {
            Err(SendError::Full(joined)) => News::Answer(to, joined),
            Ok(()) | Err(SendError::Stopped(_)) => return,
        },
        News::Exit(room, exit) => match room.tell(exit) {
            Err(SendError::Full(exit)) => News::Exit(room, exit),
            Ok(()) | Err(SendError::Stopped(_)) => return,
        },
    };
    cx.me().tell(refused).or_dead_letter();
}

impl Accepts<Join> for Directory {
    fn accept(message: Join) -> DirectoryMessage {
        DirectoryMessage::Join(message)
    }
}

impl Accepts<Left> for Directory {
    fn accept(message: Left) -> DirectoryMessage {
        DirectoryMessage::Left(message)
    }
}

impl Accepts<News> for Directory {
    fn accept(message: News) -> DirectoryMessage {
        DirectoryMessage::News(message)
    }
}

#[derive(Message)]
struct Enter {
    guest: u64,
    lines: Recipient<Line>,
}

#[derive(Message)]
struct Exit {
    guest: u64,
}

#[derive(Message)]
struct Say {
    guest: u64,
    text: Box<str>,
}

#[derive(Message)]
struct Who {
    answer: Recipient<Listed>,
}

/// A room tells itself to try again what members could not take.
#[derive(Message)]
struct CatchUp;

enum RoomMessage {
    Enter(Enter),
    Exit(Exit),
    Say(Say),
    Who(Who),
    CatchUp,
}

struct Member {
    lines: Recipient<Line>,
    /// Lines that could not be sent yet.
    late: VecDeque<Line>,
    /// Lines that were too many even for that.
    missed: u64,
}

struct Room {
    name: Arc<str>,
    members: BTreeMap<u64, Member>,
    /// A `CatchUp` is in the mailbox.
    catching_up: bool,
}

impl Actor for Room {
    type Message = RoomMessage;

    // As of sessions.
    const MAILBOX_CAPACITY: u32 = 16_384;

    fn handle(&mut self, message: RoomMessage, cx: &mut Context<Self>) -> Flow {
        match message {
            RoomMessage::Enter(Enter { guest, lines }) => {
                self.tell_others(guest, format!("* guest{guest} has joined"));
                self.members.insert(guest, Member { lines, late: VecDeque::new(), missed: 0 });
            }
            RoomMessage::Exit(Exit { guest }) => {
                if self.members.remove(&guest).is_some() {
                    self.tell_others(guest, format!("* guest{guest} has left"));
                }
            }
            RoomMessage::Say(Say { guest, text }) => {
                if self.members.contains_key(&guest) {
                    self.tell_others(guest, format!("guest{guest}: {text}"));
                }
            }
            RoomMessage::Who(Who { answer }) => answer.tell(Listed(self.list())).or_dead_letter(),
            RoomMessage::CatchUp => {
                self.catching_up = false;
                self.members.values_mut().for_each(Member::catch_up);
            }
        }
        let late = self.members.values().any(|member| !member.late.is_empty());
        if late && !self.catching_up {
            // Without space for it, one of the messages that take the space up will do.
            self.catching_up = cx.me().tell(CatchUp).is_ok();
        }
        Flow::Continue
    }
}

impl Room {
    fn tell_others(&mut self, guest: u64, text: String) {
        let line = Line(text.into());
        for (_, member) in self.members.iter_mut().filter(|(other, _)| **other != guest) {
            member.tell(&line);
        }
    }

    fn list(&self) -> Arc<str> {
        let guests: Vec<String> = self.members.keys().map(|guest| format!("guest{guest}")).collect();
        format!("* in {}: {}", self.name, guests.join(", ")).into()
    }
}

impl Member {
    fn tell(&mut self, line: &Line) {
        self.catch_up();
        if self.late.len() < LATE_MAX {
            self.late.push_back(line.clone());
            self.catch_up();
        } else {
            self.missed += 1;
        }
    }

    /// Sends what is late, in order. A member who missed lines is told after the last before them.
    fn catch_up(&mut self) {
        while let Some(line) = self.late.pop_front() {
            match self.lines.tell(line) {
                Ok(()) => {}
                Err(SendError::Full(line)) => return self.late.push_front(line),
                // The directory will know soon.
                Err(SendError::Stopped(_)) => return self.late.clear(),
            }
        }
        if self.missed > 0 {
            let notice = format!("* {} lines are missing here: too many at once", self.missed);
            if self.lines.tell(Line(notice.into())).is_ok() {
                self.missed = 0;
            }
        }
    }
}

impl Accepts<CatchUp> for Room {
    fn accept(_: CatchUp) -> RoomMessage {
        RoomMessage::CatchUp
    }
}

impl Accepts<Enter> for Room {
    fn accept(message: Enter) -> RoomMessage {
        RoomMessage::Enter(message)
    }
}

impl Accepts<Exit> for Room {
    fn accept(message: Exit) -> RoomMessage {
        RoomMessage::Exit(message)
    }
}

impl Accepts<Say> for Room {
    fn accept(message: Say) -> RoomMessage {
        RoomMessage::Say(message)
    }
}

impl Accepts<Who> for Room {
    fn accept(message: Who) -> RoomMessage {
        RoomMessage::Who(message)
    }
}

/// A room's answer to `/who`.
#[derive(Message)]
struct Listed(Arc<str>);

enum SessionMessage {
    Line(Line),
    Joined(Joined),
    Listed(Listed),
}

struct Session {
    id: u64,
    directory: Addr<Directory>,
    place: Option<Place>,
    /// The directory has been asked for a room and has not answered.
    joining: bool,
    /// What the user wrote while joining.
    waiting: VecDeque<Box<str>>,
    /// Lines of the user that there was no space for.
    unsent: u64,
    /// It was the user who ended it.
    left: bool,
}

impl Actor for Session {
    type Message = SessionMessage;

    // Lines from another core that find no space here are lost unseen, so there is more than the way between cores holds.
    const MAILBOX_CAPACITY: u32 = 8_192;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.write_line("* welcome: /join ROOM, /who, /quit; any other line goes to everyone else in the room");
        Flow::Continue
    }

    fn handle(&mut self, message: SessionMessage, cx: &mut Context<Self>) -> Flow {
        match message {
            SessionMessage::Line(Line(text)) => cx.write_line(text),
            SessionMessage::Joined(Joined(joined)) => {
                self.joining = false;
                cx.answered();
                match joined {
                    Ok(place) => self.enter(place, cx),
                    Err(why) => cx.write_line(why),
                }
            }
            SessionMessage::Listed(Listed(text)) => {
                cx.answered();
                cx.write_line(text);
            }
        }
        self.go_on(cx)
    }

    fn stopped(&mut self, why: StopReason, cx: &mut Context<Self>) {
        if why == StopReason::Stopped && !self.left {
            cx.write_line("* goodbye: the server stops");
        }
        let left = Left { session: self.id };
        if let Err(SendError::Full(_)) = self.directory.tell(left) {
            // A full core here would only mean that the room shows one guest too many.
            let _ = cx.spawn(Farewell { left, directory: self.directory });
        }
    }
}

impl Connection for Session {
    type Codec = Lines<LINE_BYTES_MAX>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        if !self.joining {
            return self.line(line, cx);
        }
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(line.into());
        } else {
            self.unsent += 1;
        }
        Flow::Continue
    }

    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "* goodbye: {error}");
    }
}

impl Session {
    fn new(id: u64, directory: Addr<Directory>) -> Session {
        Session {
            id,
            directory,
            place: None,
            joining: false,
            waiting: VecDeque::new(),
            unsent: 0,
            left: false,
        }
    }

    /// What was written while joining comes up.
    fn go_on(&mut self, cx: &mut Context<Self>) -> Flow {
        while !self.joining
            && let Some(line) = self.waiting.pop_front()
        {
            let flow = self.line(&line, cx);
            if flow != Flow::Continue {
                return flow;
            }
        }
        Flow::Continue
    }

    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "/quit" => {
                self.left = true;
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

    /// Tells the user once what of a burst there was no space for.
    fn confess(&mut self, cx: &mut Context<Self>) {
        if self.unsent > 0 {
            writeln!(cx, "* {} of your lines were not sent: too many at once", self.unsent);
            self.unsent = 0;
        }
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
        let me = cx.me();
        let (lines, answer) = (me.recipient(), me.recipient());
        match self.directory.tell(Join { session: self.id, room: name.into(), lines, answer }) {
            Ok(()) => {
                self.joining = true;
                cx.expect_answer();
            }
            Err(error) => writeln!(cx, "* not now: {error}"),
        }
    }

    fn enter(&mut self, place: Place, cx: &mut Context<Self>) {
        let Place { name, guest, others, .. } = &place;
        writeln!(cx, "* you are guest{guest} in {name}; others here: {others}");
        self.place = Some(place);
    }

    fn who(&mut self, cx: &mut Context<Self>) {
        let Some(place) = &self.place else { return cx.write_line(NOWHERE) };
        match place.room.tell(Who { answer: cx.me().recipient() }) {
            Ok(()) => cx.expect_answer(),
            Err(error) => writeln!(cx, "* not now: {error}"),
        }
    }

    fn say(&mut self, text: &str, cx: &mut Context<Self>) {
        let Some(Place { room, guest, .. }) = &self.place else { return cx.write_line(NOWHERE) };
        if text.chars().any(|c| c.is_control() && c != '\t') {
            // They could do things to the terminals of the others.
            return cx.write_line("* not sent: control characters are not allowed");
        }
        match room.tell(Say { guest: *guest, text: text.into() }) {
            Ok(()) => self.confess(cx),
            Err(_) => self.unsent += 1,
        }
    }
}

const NOWHERE: &str = "* you are in no room: /join ROOM";

impl Accepts<Line> for Session {
    fn accept(message: Line) -> SessionMessage {
        SessionMessage::Line(message)
    }
}

impl Accepts<Joined> for Session {
    fn accept(message: Joined) -> SessionMessage {
        SessionMessage::Joined(message)
    }
}

impl Accepts<Listed> for Session {
    fn accept(message: Listed) -> SessionMessage {
        SessionMessage::Listed(message)
    }
}

/// Carries the news that a session has ended to a directory that could not take it at once.
struct Farewell {
    left: Left,
    directory: Addr<Directory>,
}

#[derive(Message)]
struct Again;

impl Actor for Farewell {
    type Message = Again;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.handle(Again, cx)
    }

    fn handle(&mut self, _: Again, cx: &mut Context<Self>) -> Flow {
        match self.directory.tell(self.left) {
            Err(SendError::Full(_)) => {
                cx.me().tell(Again).or_dead_letter();
                Flow::Continue
            }
            Ok(()) | Err(SendError::Stopped(_)) => Flow::Stop,
        }
    }
}

impl Accepts<Again> for Farewell {
    fn accept(message: Again) -> Again {
        message
    }
}

fn main() -> ExitCode {
    support::serve("chat", |system, address| {
        let directory = system.spawn_on(0, Directory::default())?;
        system
            .listener(address)
            .max_connections(CONNECTIONS_MAX)
            .outbox_bytes(OUTBOX_BYTES)
            .start(move |peer| Session::new(peer.id(), directory))
    })
}
