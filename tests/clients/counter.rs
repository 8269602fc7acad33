//! The counter: adding on whichever core, and the sum of all.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use odeon::sys::raise_descriptor_limit;

use crate::process::{Server, installed, lines_of};

const MISTAKE: &str = "error: it is `add N`, with a whole number of up to 63 bits, or `get`";

fn send(client: &mut BufReader<TcpStream>, request: &str) {
    client.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
}

fn answer(client: &mut BufReader<TcpStream>) -> String {
    let mut answer = String::new();
    client.read_line(&mut answer).unwrap();
    assert!(answer.ends_with('\n'), "a whole line, not `{answer}`");
    answer.trim_end().to_owned()
}

/// Has each client send a request, and expects the answer for each. Some at a time: sums wait for each other, and no question
/// waits for ever.
fn all_get(clients: &mut [BufReader<TcpStream>], request: &str, expected: &str) {
    for some in clients.chunks_mut(20) {
        some.iter_mut().for_each(|client| send(client, request));
        some.iter_mut().for_each(|client| assert_eq!(answer(client), expected));
    }
}

pub fn netcat_counts_to_42(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("counter", backend);
    let mut netcat = server.netcat();
    for request in ["add 40", "add 2", "get"] {
        netcat.say(request);
    }
    netcat.end_of_input();
    assert_eq!(netcat.ended().output, "ok\nok\n42\n");
    server.stop("TERM");
}

pub fn thousands_of_requests_at_once_are_answered_in_order(backend: &str) {
    let server = Server::start("counter", backend);
    let requests = "add 1\nget\n".repeat(1_000);
    let answers = lines_of(server.connect(), requests.as_bytes());
    let expected = (1..=1_000).flat_map(|sum| ["ok".to_owned(), sum.to_string()]);
    assert!(answers.iter().eq(expected.collect::<Vec<_>>().iter()), "each sum has what was added before it");
    server.stop("TERM");
}

pub fn what_is_added_on_two_cores_is_summed(backend: &str) {
    const CLIENTS: i64 = 50;
    let server = Server::start("counter", backend);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| BufReader::new(server.connect())).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let requests = format!("add {number}\nadd -1\n").repeat(100);
        client.get_mut().write_all(requests.as_bytes()).unwrap();
    }
    for client in &mut clients {
        assert!(client.lines().take(200).all(|answer| answer.unwrap() == "ok"));
    }
    let sum = 100 * (CLIENTS * (CLIENTS - 1) / 2 - CLIENTS);
    all_get(&mut clients, "get", &sum.to_string());
    drop(clients);
    server.stop("TERM");
}

pub fn what_is_no_request_is_told_so_in_its_turn(backend: &str) {
    let server = Server::start("counter", backend);
    let requests = "add 1\nadd\nadd x\nget\nget 1\nsub 1\n\nadd  -3 \nadd 9223372036854775808\nget\n";
    let mut expected = vec!["ok", MISTAKE, MISTAKE, "1", MISTAKE, MISTAKE, MISTAKE, "ok", MISTAKE, "-2"];
    assert_eq!(lines_of(server.connect(), requests.as_bytes()), expected);
    let requests = requests.to_owned() + &format!("add {}\nget\n", "1".repeat(100));
    let answers = lines_of(server.connect(), requests.as_bytes());
    expected[3] = "-1";
    expected[9] = "-4";
    assert_eq!(answers[..10], expected);
    assert!(answers[10].starts_with("error: "), "{answers:?}");
    assert_eq!(answers.len(), 11, "nothing is read behind a line beyond the limit");
    server.stop("TERM");
}

pub fn a_client_that_vanishes_keeps_nobody_waiting(backend: &str) {
    let server = Server::start("counter", backend);
    let mut witness = BufReader::new(server.connect());
    for _ in 0..10 {
        let mut victim = server.connect();
        victim.write_all("add 1\nget\n".repeat(1_000).as_bytes()).unwrap();
        victim.read_exact(&mut [0]).unwrap();
        // Closing with answers unread resets the connection.
        drop(victim);
        send(&mut witness, "get");
        let sum: u64 = answer(&mut witness).parse().unwrap();
        assert!((1..=10_000).contains(&sum), "{sum}");
    }
    drop(witness);
    server.stop("TERM");
}

pub fn clients_beyond_the_limit_wait_for_a_place(backend: &str) {
    const CLIENTS_MAX: usize = 1_000;
    if raise_descriptor_limit(4_096).unwrap() < 4_096 {
        eprintln!("skipped: a thousand clients are too many for the limit on open files");
        return;
    }
    let server = Server::start("counter", backend);
    let mut clients: Vec<_> = (0..CLIENTS_MAX).map(|_| BufReader::new(server.connect())).collect();
    all_get(&mut clients, "add 1", "ok");
    let mut late = server.connect();
    late.write_all(b"get\n").unwrap();
    all_get(&mut clients, "get", "1000");
    late.set_nonblocking(true).unwrap();
    assert_eq!(late.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "not served yet");
    late.set_nonblocking(false).unwrap();
    drop(clients.pop());
    let mut answer = [0; 5];
    late.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"1000\n");
    drop((clients, late));
    server.stop("TERM");
}

pub fn requests_under_way_at_the_end_are_answered(backend: &str) {
    let server = Server::start("counter", backend);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all("add 1\nget\n".repeat(20).as_bytes()).unwrap();
    }
    server.ask_to_end("TERM");
    for client in clients {
        let answers: Vec<String> = BufReader::new(client).lines().map(Result::unwrap).collect();
        assert_eq!(answers.len(), 40, "what was sent in time is answered");
        let sums = answers.chunks(2).map(|answers| {
            assert_eq!(answers[0], "ok");
            answers[1].parse::<u64>().unwrap()
        });
        assert!(sums.is_sorted());
    }
    server.ended();
}
