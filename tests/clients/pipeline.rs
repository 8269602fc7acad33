//! The pipeline: answers in the order of the requests, whichever is ready first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::process::{Server, installed, lines_of};

const MISTAKE: &str = "error: it is a number of milliseconds, up to 1000, and a word";

/// So many requests, of milliseconds that depend on their number.
fn requests(count: usize, milliseconds: impl Fn(usize) -> usize) -> String {
    (0..count).map(|number| format!("{} word{number}\n", milliseconds(number))).collect()
}

/// Expects so many answers in the order of the requests; answers what they say.
fn in_order(answers: &[String], count: usize) -> Vec<&str> {
    assert_eq!(answers.len(), count, "each request is answered, once");
    let said = answers.iter().enumerate().map(|(number, answer)| {
        let said = answer.strip_prefix(&format!("word{number}: "));
        said.unwrap_or_else(|| panic!("`{answer}` is no answer to request {number}"))
    });
    said.collect()
}

/// The same where none was refused: answers as the how manieth each was finished.
fn finished(answers: &[String], count: usize) -> Vec<usize> {
    let number = |said: &str| said.strip_prefix("finished as number ").and_then(|number| number.parse().ok());
    in_order(answers, count)
        .into_iter()
        .map(|said| number(said).unwrap_or_else(|| panic!("{said}")))
        .collect()
}

fn rest(client: TcpStream) -> Vec<String> {
    BufReader::new(client).lines().map(Result::unwrap).collect()
}

pub fn netcat_gets_a_slow_answer_before_a_fast_one(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("pipeline", backend);
    let mut netcat = server.netcat();
    netcat.say("300 slow\n0 fast");
    netcat.end_of_input();
    assert_eq!(netcat.ended().output, "slow: finished as number 2\nfast: finished as number 1\n");
    server.stop("TERM");
}

pub fn thousands_of_requests_at_once_are_answered_in_order(backend: &str) {
    const REQUESTS: usize = 5_000;
    let server = Server::start("pipeline", backend);
    let requests = requests(REQUESTS, |number| number * 7 % 20);
    let mut finished = finished(&lines_of(server.connect(), requests.as_bytes()), REQUESTS);
    assert!(!finished.is_sorted(), "they were ready in another order");
    finished.sort_unstable();
    assert!(finished.into_iter().eq(1..=REQUESTS));
    server.stop("TERM");
}

pub fn what_is_no_request_is_told_so_in_its_turn(backend: &str) {
    let server = Server::start("pipeline", backend);
    let mut requests = "50 one\n\n1001 two\n-1 three\nfour\n0 \n20 five six\n".to_owned();
    let answers = lines_of(server.connect(), requests.as_bytes());
    assert_eq!(answers[1..5], [MISTAKE; 4]);
    assert!(answers[0].starts_with("one: ") && answers[5].starts_with(": "), "{answers:?}");
    assert!(answers[6].starts_with("five six: ") && answers.len() == 7, "{answers:?}");
    requests += &format!("0 {}\n0 seven\n", "much".repeat(100));
    let answers = lines_of(server.connect(), requests.as_bytes());
    assert!(answers[6].starts_with("five six: ") && answers[7].starts_with("error: "), "{answers:?}");
    assert_eq!(answers.len(), 8, "nothing is read behind a line beyond the limit");
    server.stop("TERM");
}

pub fn a_client_that_vanishes_keeps_nobody_waiting(backend: &str) {
    let server = Server::start("pipeline", backend);
    let mut witness = BufReader::new(server.connect());
    for _ in 0..10 {
        let mut victim = server.connect();
        victim
            .write_all(("0 first\n".to_owned() + &requests(600, |number| number % 100)).as_bytes())
            .unwrap();
        victim.read_exact(&mut [0]).unwrap();
        // Closing with answers unread resets the connection.
        drop(victim);
        witness.get_mut().write_all(b"0 here\n").unwrap();
        let mut answer = String::new();
        witness.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("here: "), "{answer}");
    }
    drop(witness);
    server.stop("TERM");
}

/// Each client has as many requests under way as a connection may have, for a second: more than the workers take on.
pub fn a_worker_that_is_busy_says_so_in_its_turn(backend: &str) {
    const REQUESTS: usize = 512;
    let server = Server::start("pipeline", backend);
    let requests = requests(REQUESTS, |_| 1_000);
    let mut clients: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(requests.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    let (mut busy, mut done) = (0, 0);
    for client in clients {
        for said in in_order(&rest(client), REQUESTS) {
            *(if said.starts_with("finished") { &mut done } else { &mut busy }) += 1;
        }
    }
    assert!(done >= 1_024 && busy > 0, "{done} were done and {busy} refused");
    assert_eq!(lines_of(server.connect(), b"0 then\n").len(), 1);
    server.stop("TERM");
}

pub fn requests_under_way_at_the_end_are_answered(backend: &str) {
    let server = Server::start("pipeline", backend);
    let mut clients: Vec<_> = (0..20).map(|at| (server.connect(), if at == 0 { 700 } else { 20 })).collect();
    for (client, count) in &mut clients {
        client.write_all(requests(*count, |number| number % 7 * 40).as_bytes()).unwrap();
    }
    server.ask_to_end("TERM");
    for (client, count) in clients {
        finished(&rest(client), count);
    }
    server.ended();
}
