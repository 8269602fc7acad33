//! The workers: every number has its answer, in the order of the requests.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;

use crate::process::{Server, lines_of};

const MISTAKE: &str = "error: it is a number from 2 on, of up to 36 bits";

pub fn thousands_of_numbers_are_answered_in_order(backend: &str) {
    let server = Server::start("workers", backend);
    let requests: String = (2..2_002).map(|number| format!("{number}\n")).collect();
    let smallest = |number: &u64| (2..=*number).find(|factor| number.is_multiple_of(*factor));
    let expected: Vec<_> = (2..2_002).map(|number: u64| smallest(&number).unwrap().to_string()).collect();
    assert_eq!(lines_of(server.connect(), requests.as_bytes()), expected);
    server.stop("TERM");
}

pub fn many_clients_share_the_workers(backend: &str) {
    let server = Server::start("workers", backend);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        // The largest prime of 36 bits is the slowest number.
        client.write_all("68719476731\n91\n".repeat(10).as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    for client in clients {
        let answers: Vec<String> = BufReader::new(client).lines().map(Result::unwrap).collect();
        assert_eq!(answers, ["68719476731", "7"].repeat(10));
    }
    server.stop("TERM");
}

pub fn what_is_no_number_is_told_so_in_its_turn(backend: &str) {
    let server = Server::start("workers", backend);
    let answers = lines_of(server.connect(), b"97\nx\n1\n68719476736\n\n15\n");
    assert_eq!(answers, ["97", MISTAKE, MISTAKE, MISTAKE, MISTAKE, "3"]);
    server.stop("TERM");
}
