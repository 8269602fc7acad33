//! The rooms: everybody hears everybody, and who does not read misses lines and keeps nobody waiting.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::process::Server;

type Client = BufReader<TcpStream>;

fn say(client: &mut Client, line: &str) {
    client.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn hear(client: &mut Client) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn join(server: &Server, room: &str) -> Client {
    let mut client = BufReader::new(server.connect());
    say(&mut client, &format!("/join {room}"));
    assert_eq!(hear(&mut client), "* you are in");
    client
}

pub fn everybody_in_a_room_hears_every_line_in_order(backend: &str) {
    let server = Server::start("rooms", backend);
    let mut clients: Vec<Client> = (0..20).map(|_| join(&server, "green")).collect();
    let mut elsewhere = join(&server, "blue");
    for number in 0..50 {
        say(&mut clients[0], &format!("line {number}"));
    }
    for client in &mut clients {
        for number in 0..50 {
            assert_eq!(hear(client), format!("line {number}"));
        }
    }
    say(&mut elsewhere, "/join green");
    assert_eq!(hear(&mut elsewhere), "* you are in");
    say(&mut elsewhere, "at last");
    for client in clients.iter_mut().chain([&mut elsewhere]) {
        assert_eq!(hear(client), "at last");
    }
    drop((clients, elsewhere));
    server.stop("TERM");
}

pub fn who_leaves_is_missed_by_nobody(backend: &str) {
    let server = Server::start("rooms", backend);
    let mut stays = join(&server, "green");
    for number in 0..100 {
        let mut guest = join(&server, "green");
        say(&mut guest, &format!("guest {number}"));
        assert_eq!(hear(&mut guest), format!("guest {number}"));
        assert_eq!(hear(&mut stays), format!("guest {number}"));
    }
    say(&mut stays, "alone");
    assert_eq!(hear(&mut stays), "alone");
    drop(stays);
    server.stop("TERM");
}

/// So many lines are far more than a client that does not read, the kernel and the output of its connection hold.
const MANY: usize = 1_200;

/// Somebody is in a room and does not read, while somebody else says lines and hears each.
fn does_not_read(server: &Server) -> Client {
    let slow = join(server, "green");
    let mut speaker = join(server, "green");
    for number in 0..MANY {
        let line = format!("{number} {}", "x".repeat(1_000));
        say(&mut speaker, &line);
        assert_eq!(hear(&mut speaker), line);
    }
    slow
}

pub fn who_does_not_read_is_told_how_much_it_has_missed(backend: &str) {
    for (policy, keeps_the_newest) in [("drop-oldest", true), ("refuse", false)] {
        let server = Server::start_with("rooms", backend, &["--slow", policy]);
        let mut slow = does_not_read(&server);
        let (mut heard, mut missed, mut tries) = (Vec::new(), 0, 0);
        say(&mut slow, "I am back");
        loop {
            let line = hear(&mut slow);
            if let Some(count) = line.strip_prefix("* you have missed ") {
                missed += count.parse::<usize>().unwrap();
            } else if line != "I am back" {
                heard.push(line.split(' ').next().unwrap().parse::<usize>().unwrap());
            } else if missed == 0 {
                // What waited has been read, but not all of it when this was said.
                tries += 1;
                assert!(tries < MANY, "{policy}: it is told nothing");
                say(&mut slow, "I am back");
            } else {
                break;
            }
        }
        assert_eq!(heard.len() + missed, MANY, "{policy}");
        assert!(heard.is_sorted() && heard[0] == 0, "{policy}: {heard:?}");
        // Where the newest are refused, one that comes late may find that this one reads again.
        assert!(!keeps_the_newest || heard.contains(&(MANY - 1)), "{policy}: {heard:?}");
        drop(slow);
        server.stop("TERM");
    }
}

pub fn who_does_not_read_is_closed_where_that_is_wanted(backend: &str) {
    let server = Server::start_with("rooms", backend, &["--slow", "close"]);
    let mut slow = does_not_read(&server);
    let mut line = String::new();
    let heard = std::iter::from_fn(|| slow.read_line(&mut line).ok().filter(|bytes| *bytes > 0)).count();
    assert!(heard < MANY, "the connection was closed with lines that nobody has read");
    let ended = server.stop("TERM");
    assert!(ended.errors.contains("rooms::Session"), "that is reported: {ended:?}");
}

pub fn what_is_no_line_of_a_room_is_told_so(backend: &str) {
    let server = Server::start("rooms", backend);
    let mut client = BufReader::new(server.connect());
    say(&mut client, "hello");
    assert_eq!(hear(&mut client), "* first `/join ROOM`");
    say(&mut client, &format!("/join {}", "x".repeat(65)));
    assert_eq!(hear(&mut client), "* that name is too long");
    drop(client);
    server.stop("TERM");
}
