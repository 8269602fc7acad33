//! The bank: money that moves between accounts which may wait for one another.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

use crate::process::{Server, installed, lines_of};

/// Sends requests, each when the last is answered.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(server: &Server) -> Client {
        Client(BufReader::new(server.connect()))
    }

    fn ask(&mut self, request: &str) -> String {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn balance(&mut self, account: usize) -> u64 {
        self.ask(&format!("balance {account}")).parse().unwrap()
    }
}

/// So many accounts wait for one another.
fn circle(count: usize) -> String {
    let names = vec!["bank::Account"; count + 1];
    format!("error: nothing has moved, for these wait for one another: {}", names.join(" → "))
}

pub fn netcat_moves_money(backend: &str) {
    if !installed("nc") {
        return;
    }
    let server = Server::start("bank", backend);
    let mut netcat = server.netcat();
    for request in ["deposit 1 100", "transfer 1 2 30", "balance 1", "balance 2", "transfer 2 3 31"] {
        netcat.say(request);
    }
    netcat.end_of_input();
    assert_eq!(netcat.ended().output, "ok\nok\n70\n30\nerror: there is not enough\n");
    server.stop("TERM");
}

pub fn accounts_that_cover_one_another_in_a_circle_are_told_so(backend: &str) {
    let server = Server::start("bank", backend);
    let mut client = Client::new(&server);
    for count in 1..=5 {
        for account in 0..count {
            let by = (account + 1) % count;
            assert_eq!(client.ask(&format!("cover {account} {by}")), "ok");
        }
        assert_eq!(client.ask("withdraw 0 5"), circle(count));
        // Nothing has changed, and nobody waits.
        assert_eq!(client.ask(&format!("deposit {} 3", count - 1)), "ok");
        assert_eq!((client.ask("withdraw 0 3"), client.balance(count - 1)), ("ok".to_owned(), 0));
    }
    assert_eq!(client.ask("deposit 9 1"), "ok");
    assert_eq!(client.ask("transfer 9 9 1"), circle(1));
    drop(client);
    server.stop("TERM");
}

pub fn transfers_that_cross_are_done_or_refused_and_nothing_is_lost(backend: &str) {
    const ACCOUNTS: usize = 4;
    const EACH: u64 = 1_000;
    let server = Server::start("bank", backend);
    let mut client = Client::new(&server);
    for account in 0..ACCOUNTS {
        assert_eq!(client.ask(&format!("deposit {account} {EACH}")), "ok");
    }
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let mut client = Client::new(&server);
            thread::spawn(move || {
                let mut answers = BTreeMap::<String, u32>::new();
                for turn in 0..200 {
                    let (from, to) = ((number + turn) % ACCOUNTS, (number * 3 + turn * 2 + 1) % ACCOUNTS);
                    let answer = client.ask(&format!("transfer {from} {to} 1"));
                    *answers.entry(answer).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let circles: Vec<_> = (1..=ACCOUNTS).map(circle).collect();
    for answer in answers.iter().flat_map(BTreeMap::keys) {
        // Nobody waits until the time is over.
        assert!(answer == "ok" || circles.contains(answer), "{answer}");
    }
    assert!(answers.iter().all(|answers| answers["ok"] > 0));
    let sum: u64 = (0..ACCOUNTS).map(|account| client.balance(account)).sum();
    assert_eq!(sum, ACCOUNTS as u64 * EACH);
    drop(client);
    server.stop("TERM");
}

pub fn what_is_no_request_is_told_so(backend: &str) {
    const MISTAKE: &str = "error: it is `deposit A N`, `withdraw A N`, `transfer A B N`, `cover A B` or `balance A`, with accounts \
                           below 100";
    let server = Server::start("bank", backend);
    let requests =
        "deposit 1\ndeposit 100 1\ndeposit 1 -1\ntransfer 1 100 1\nbalance 1 2\nrob 1 2\n\nbalance 99\n";
    let answers = lines_of(server.connect(), requests.as_bytes());
    assert_eq!(answers[..7], [MISTAKE; 7]);
    assert_eq!(answers[7..], ["0"]);
    server.stop("TERM");
}
