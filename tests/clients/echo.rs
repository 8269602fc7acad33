//! The echo server: every byte comes back.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::{Server, exchange, installed};

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
}

pub fn bytes_come_back(backend: &str) {
    let server = Server::start("echo", backend);
    let mut stream = server.connect();
    for round in 1..100 {
        let question = pattern(round * 3);
        stream.write_all(&question).unwrap();
        let mut answer = vec![0; question.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, question);
    }
    let bytes = pattern(3 << 20);
    assert!(exchange(stream, &bytes) == bytes, "three megabytes come back in order, and then the end");
    server.stop("TERM");
}

pub fn netcat_gets_everything_back_after_its_end(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("echo", backend);
    let mut netcat = server.netcat();
    for number in 0..1_000 {
        netcat.say(&format!("line {number}"));
    }
    netcat.end_of_input();
    let ended = netcat.ended();
    assert!(ended.status.success());
    assert_eq!(ended.output.lines().count(), 1_000);
    assert!(ended.output.lines().enumerate().all(|(number, line)| line == format!("line {number}")));
    server.stop("TERM");
}

pub fn many_clients_are_served_on_two_cores(backend: &str) {
    let server = Server::start("echo", backend);
    let mut streams: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    for round in 0..5_u8 {
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&[at as u8, round]).unwrap();
        }
        for (at, stream) in streams.iter_mut().enumerate() {
            let mut answer = [0; 2];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [at as u8, round]);
        }
    }
    drop(streams);
    server.stop("TERM");
}

pub fn a_client_that_is_killed_harms_nobody(backend: &str) {
    let server = Server::start("echo", backend);
    let mut witness = server.connect();
    for round in 0..50_u8 {
        let mut victim = server.connect();
        victim.write_all(&pattern(10_000)).unwrap();
        // Closing with bytes unread resets the connection, under the server's answer.
        drop(victim);
        witness.write_all(&[round]).unwrap();
        let mut answer = [0];
        witness.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [round]);
    }
    drop(witness);
    server.stop("TERM");
}
