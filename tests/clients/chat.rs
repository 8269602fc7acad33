//! The chat: users in rooms, on two cores, by netcat and by plain sockets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::process::{Process, Server, example, installed};

const WELCOME: &str = "* welcome: /join ROOM, /who, /quit; any other line goes to everyone else in the room";

/// A user by a plain socket.
struct User {
    lines: BufReader<TcpStream>,
}

impl User {
    fn new(server: &Server) -> User {
        let mut user = User { lines: BufReader::new(server.connect()) };
        user.sees(WELCOME);
        user
    }

    /// A user in a room with so many others, and the user's number.
    fn in_room(server: &Server, room: &str, others: usize) -> (User, u64) {
        let mut user = User::new(server);
        user.say(&format!("/join {room}"));
        let line = user.line();
        let number = line.strip_prefix("* you are guest").and_then(|rest| rest.split(' ').next());
        let number = number.and_then(|number| number.parse().ok()).expect("the answer names the guest");
        assert_eq!(line, format!("* you are guest{number} in {room}; others here: {others}"));
        (user, number)
    }

    fn say(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "a whole line, not `{line}`");
        line.trim_end().to_owned()
    }

    fn sees(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    fn sees_the_end(&mut self) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

fn sees(netcat: &Process, line: &str) {
    assert_eq!(netcat.output.next().as_deref(), Some(line));
}

pub fn three_netcats_talk_in_a_room(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("chat", backend);
    let mut users: Vec<Process> = Vec::new();
    for number in 1..=3 {
        let mut user = server.netcat();
        sees(&user, WELCOME);
        user.say("/join tea");
        sees(&user, &format!("* you are guest{number} in tea; others here: {}", number - 1));
        for other in &users {
            sees(other, &format!("* guest{number} has joined"));
        }
        users.push(user);
    }
    users[0].say("milk or lemon?");
    sees(&users[1], "guest1: milk or lemon?");
    sees(&users[2], "guest1: milk or lemon?");
    users[2].say("/who");
    sees(&users[2], "* in tea: guest1, guest2, guest3");
    users[1].say("/quit");
    sees(&users[0], "* guest2 has left");
    sees(&users[2], "* guest2 has left");
    let mut gone = users.remove(1);
    gone.end_of_input();
    let ended = gone.ended();
    assert!(ended.status.success());
    assert_eq!(ended.output, "", "nobody is told one's own lines, nor those after the end");
    users[1].say("neither");
    sees(&users[0], "guest3: neither");
    for user in &mut users {
        user.end_of_input();
    }
    server.stop("INT");
}

pub fn everyone_hears_everyone_across_cores(backend: &str) {
    const USERS: usize = 24;
    const LINES: usize = 100;
    let server = Server::start("chat", backend);
    let mut users: BTreeMap<u64, User> = BTreeMap::new();
    for others in 0..USERS {
        let (user, number) = User::in_room(&server, "hall", others);
        for other in users.values_mut() {
            other.sees(&format!("* guest{number} has joined"));
        }
        users.insert(number, user);
    }
    let burst: Vec<String> = (0..LINES).map(|line| format!("line {line}")).collect();
    for user in users.values_mut() {
        user.say(&burst.join("\n"));
    }
    let numbers: Vec<u64> = users.keys().copied().collect();
    for (number, user) in &mut users {
        let mut heard: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for _ in 0..(USERS - 1) * LINES {
            let line = user.line();
            let (speaker, text) = line.split_once(": ").unwrap_or_else(|| panic!("nobody says `{line}`"));
            let speaker = speaker.strip_prefix("guest").and_then(|speaker| speaker.parse().ok()).unwrap();
            heard.entry(speaker).or_default().push(text.to_owned());
        }
        assert!(heard.keys().eq(numbers.iter().filter(|it| *it != number)), "everyone else, and not oneself");
        assert!(heard.values().all(|heard| *heard == burst), "all lines of each, in order");
    }
    drop(users);
    server.stop("TERM");
}

pub fn a_user_whose_input_ends_is_still_answered(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("chat", backend);
    let mut netcat = server.netcat();
    for line in ["/join tea", "/who", "/join", "/dance"] {
        netcat.say(line);
    }
    netcat.end_of_input();
    let ended = netcat.ended();
    assert!(ended.status.success());
    let lines: Vec<&str> = ended.output.lines().collect();
    assert_eq!(lines[..2], [WELCOME, "* you are guest1 in tea; others here: 0"]);
    assert!(lines.contains(&"* in tea: guest1"), "{lines:?}");
    assert!(lines.contains(&"* which room? /join ROOM"), "{lines:?}");
    assert!(lines.contains(&"* there is no command /dance: try /join ROOM, /who or /quit"), "{lines:?}");
    server.stop("TERM");
}

pub fn users_change_rooms_and_are_told_what_is_wrong(backend: &str) {
    let server = Server::start("chat", backend);
    let mut user = User::new(&server);
    user.say("is anybody here?");
    user.sees("* you are in no room: /join ROOM");
    user.say("/who");
    user.sees("* you are in no room: /join ROOM");
    user.say("/join a room");
    user.sees("* a room's name has at most 32 bytes: letters, digits, and any of - _ . #");
    user.say("/join tea");
    user.sees("* you are guest1 in tea; others here: 0");
    user.say("/join tea");
    user.sees("* you are in tea already");
    let (mut other, _) = User::in_room(&server, "tea", 1);
    user.sees("* guest2 has joined");
    user.say("/join coffee");
    user.sees("* you are guest1 in coffee; others here: 0");
    other.sees("* guest1 has left");
    other.say("/who");
    other.sees("* in tea: guest2");
    user.say(&"much ".repeat(1_000));
    assert!(user.line().starts_with("* goodbye: "), "a line beyond the limit ends the connection, in words");
    user.sees_the_end();
    drop((user, other));
    server.stop("TERM");
}

/// A user's next line is read once the last was heard: a burst makes its writer wait, and nobody misses any of it.
pub fn a_burst_is_heard_in_full(backend: &str) {
    const LINES: usize = 1_000;
    let server = Server::start("chat", backend);
    let (mut listener, _) = User::in_room(&server, "tea", 0);
    let mut talker = User::new(&server);
    let burst: String = (0..LINES).map(|line| format!("line {line}\n")).collect();
    talker.say(&format!("/join tea\n{burst}/who\n/quit\nnobody hears this"));
    listener.sees("* guest2 has joined");
    for line in 0..LINES {
        listener.sees(&format!("guest2: line {line}"));
    }
    listener.sees("* guest2 has left");
    talker.sees("* you are guest2 in tea; others here: 1");
    talker.sees("* in tea: guest1, guest2");
    talker.sees_the_end();
    drop((listener, talker));
    server.stop("TERM");
}

pub fn a_room_that_is_full_has_a_place_when_somebody_leaves(backend: &str) {
    const MEMBERS_MAX: usize = 256;
    let server = Server::start("chat", backend);
    let join = |others| User::in_room(&server, "hall", others).0;
    let mut members: Vec<User> = (0..MEMBERS_MAX).map(join).collect();
    let mut late = User::new(&server);
    late.say("/join hall");
    late.sees("* hall is full: it has 256 members");
    late.say("/join tea");
    late.sees("* you are guest257 in tea; others here: 0");
    drop(members.pop());
    for number in 2..=MEMBERS_MAX {
        members[0].sees(&format!("* guest{number} has joined"));
    }
    members[0].sees("* guest256 has left");
    late.say("/join hall");
    late.sees("* you are guest257 in hall; others here: 255");
    members[0].sees("* guest257 has joined");
    drop((members, late));
    server.stop("TERM");
}

pub fn a_user_who_is_killed_has_left(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("chat", backend);
    let (mut witness, _) = User::in_room(&server, "tea", 0);
    let mut victim = server.netcat();
    sees(&victim, WELCOME);
    victim.say("/join tea");
    witness.sees("* guest2 has joined");
    victim.signal("KILL");
    witness.sees("* guest2 has left");
    drop(witness);
    server.stop("TERM");
}

pub fn the_end_of_the_chat_reaches_everyone(backend: &str) {
    for signal in ["INT", "TERM"] {
        let server = Server::start("chat", backend);
        let mut users: Vec<User> = (0..10).map(|others| User::in_room(&server, "tea", others).0).collect();
        for (at, user) in users.iter_mut().enumerate() {
            for number in at + 2..=10 {
                user.sees(&format!("* guest{number} has joined"));
            }
        }
        users.iter_mut().for_each(|user| user.say("/who"));
        server.ask_to_end(signal);
        for mut user in users {
            let mut rest = String::new();
            user.lines.read_to_string(&mut rest).unwrap();
            let lines: Vec<&str> = rest.lines().collect();
            assert_eq!(lines.last(), Some(&"* goodbye: the server stops"));
            let answers = lines.iter().filter(|line| line.starts_with("* in tea: ")).count();
            assert_eq!(answers, 1, "what was asked in time is answered: {rest}");
            assert_eq!(answers + 1, lines.len(), "nobody is told that others go as well: {rest}");
        }
        let errors = server.ended().errors;
        assert!(!errors.contains("not delivered"), "{errors}");
    }
}

#[test]
fn wrong_arguments_are_explained() {
    let ended = Process::start(Command::new(example("chat")).arg("--colour")).ended();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.errors.contains("`--colour`") && ended.errors.contains("usage: chat"), "{}", ended.errors);
    let helped = Process::start(Command::new(example("chat")).arg("--help")).ended();
    assert!(helped.status.success() && helped.output.contains("usage: chat"));
}
