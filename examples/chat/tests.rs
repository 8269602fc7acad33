//! The whole chat, simulated: users that talk, come and go, and are cut off, for many seeds.
//!
//! `cargo test --example chat` runs it, and so does `cargo test`. A seed that fails is told with the command that repeats it.

use std::cell::Cell;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sim::{Check, Faults, Peer, Random, Sim};
use odeon::{task, time};

use super::{Line, open};

const ADDRESS: &str = "10.0.0.1:7000";

thread_local! {
    static PLANTED: Cell<bool> = const { Cell::new(false) };
}

/// True in the test that plants a mistake, to see that it is found.
pub(super) fn is_planted() -> bool {
    PLANTED.get()
}

/// The mistake: some lines are looked through first, each in a task of its own, and those behind them do not wait for it.
pub(super) fn tells_later(to: Recipient<Line>, line: &Line) -> bool {
    let (line, is_odd) = (line.clone(), line.0.ends_with(['1', '3', '5', '7', '9']));
    if is_odd {
        let look_through = async move {
            time::sleep(Duration::from_micros(200)).await;
            to.send(line).await.or_dead_letter();
        };
        task::spawn(look_through).detach();
    }
    is_odd
}

/// A user, and what they have seen.
struct User {
    peer: Peer,
    guest: u64,
    said: u32,
    /// Lines that were not taken, because something was full.
    refused: u32,
    /// Of each other guest: the numbers of their lines, in the order in which they came.
    heard: Vec<(u64, Vec<u32>)>,
}

impl User {
    /// Comes in, and into a room.
    fn new(sim: &Sim, room: &str) -> User {
        let mut peer = sim.connect(ADDRESS);
        assert!(peer.read_line().starts_with("* welcome"));
        peer.write_line(&format!("/join {room}"));
        let joined = peer.read_line();
        let guest = joined.strip_prefix("* you are guest").and_then(|rest| rest.split_once(' '));
        let guest = guest.unwrap_or_else(|| panic!("in no room: {joined}")).0.parse().unwrap();
        User { peer, guest, said: 0, refused: 0, heard: Vec::new() }
    }

    /// Says numbers, one a line.
    fn say(&mut self, count: u32) {
        for _ in 0..count {
            self.said += 1;
            self.peer.write_line(&self.said.to_string());
        }
    }

    /// Hears what has come by now.
    fn listen(&mut self) {
        for line in self.peer.take_lines() {
            if line == "* not now: try again" {
                self.refused += 1;
            } else if let Some((guest, number)) =
                line.strip_prefix("guest").and_then(|line| line.split_once(": "))
            {
                let (guest, number) = (guest.parse().unwrap(), number.parse().unwrap());
                match self.heard.iter_mut().find(|(other, _)| *other == guest) {
                    Some((_, numbers)) => numbers.push(number),
                    None => self.heard.push((guest, vec![number])),
                }
            } else {
                assert!(line.ends_with("has joined") || line.ends_with("has left"), "{line}");
            }
        }
    }

    /// What has come of a guest.
    fn heard_of(&self, guest: u64) -> &[u32] {
        self.heard.iter().find(|(other, _)| *other == guest).map_or(&[], |(_, numbers)| numbers)
    }
}

/// Lets some time pass: mostly a little.
fn pass(sim: &Sim, random: &mut Random) {
    sim.run_for(Duration::from_micros(random.below(3_000)));
}

/// Users in one room say more than the ways between cores hold, and everybody hears all of it in order.
fn talk(sim: &Sim) {
    open(sim, ADDRESS).unwrap();
    let mut random = sim.random();
    let mut users: Vec<User> = (0..2 + random.below(4)).map(|_| User::new(sim, "lobby")).collect();
    for _ in 0..random.below(12) {
        let user = random.index(users.len());
        users[user].say(1 + random.below(12) as u32);
        if random.chance(0.5) {
            pass(sim, &mut random);
            users.iter_mut().for_each(User::listen);
        }
    }
    sim.run_until("everybody has heard everybody else", || {
        users.iter_mut().for_each(User::listen);
        let heard = |from: &User, by: &User| by.heard_of(from.guest).len() as u32 == from.said - from.refused;
        users.iter().all(|from| users.iter().all(|by| by.guest == from.guest || heard(from, by)))
    });
    for user in &users {
        for (guest, numbers) in &user.heard {
            assert!(
                numbers.is_sorted_by(|a, b| a < b),
                "guest{} has heard {numbers:?} of guest{guest}",
                user.guest
            );
        }
    }
}

/// Ways between cores that a few lines fill.
fn narrow() -> Check {
    Check::new().config(|config| config.lane_capacity = 8).seeds(200)
}

#[test]
fn everybody_hears_everybody_else_in_order() {
    narrow().run(talk);
}

#[test]
fn a_line_that_overtakes_others_is_found_and_its_seed_repeats_it() {
    let planted = |sim: &Sim| {
        PLANTED.set(true);
        talk(sim);
    };
    let failure = narrow().first_failure(planted).expect("it is found within the seeds of the suite");
    assert!(failure.message().contains("has heard"), "{failure}");
    let again = narrow().seed(failure.seed()).first_failure(planted);
    assert_eq!(again.as_ref(), Some(&failure));
    assert_eq!(
        narrow().seed(failure.seed()).first_failure(talk),
        None,
        "it is the mistake, and nothing else"
    );
}

/// Actors that are there, whatever they are.
fn actors(sim: &Sim) -> usize {
    sim.ledgers().unwrap().iter().map(|ledger| ledger.actors).sum()
}

#[test]
fn whoever_comes_and_goes_is_told_of_and_leaves_nothing() {
    Check::new().faults(Faults::from_seed).run(|sim| {
        // Some are cut off by the network as well.
        open(sim, ADDRESS).unwrap();
        sim.settle();
        let empty = actors(sim);
        let mut random = sim.random();
        let mut peers: Vec<Peer> = Vec::new();
        for _ in 0..random.below(30) {
            match random.below(4) {
                0 | 1 => peers.extend(sim.try_connect(ADDRESS)),
                2 if !peers.is_empty() => {
                    let peer = random.index(peers.len());
                    peers[peer].write(format!("/join room{}\nhello\n/who\n", random.below(3)));
                }
                _ if !peers.is_empty() => {
                    let mut peer = peers.swap_remove(random.index(peers.len()));
                    match random.below(3) {
                        0 => drop(peer.write("/quit\n")),
                        1 => peer.shutdown_write(),
                        _ => peer.reset(),
                    }
                }
                _ => {}
            }
            pass(sim, &mut random);
        }
        drop(peers);
        sim.run_until("everybody has left and every room is closed", || actors(sim) == empty);
    });
}

#[test]
fn those_who_stay_are_told_who_has_left_whatever_way() {
    Check::new().run(|sim| {
        open(sim, ADDRESS).unwrap();
        let mut stays = User::new(sim, "lobby").peer;
        let ways: [fn(Peer); 3] = [Peer::reset, Peer::close, |mut peer| {
            peer.write_line("/quit");
            peer.read_to_end();
        }];
        for way in ways {
            let leaves = User::new(sim, "lobby");
            stays.expect_line(&format!("* guest{} has joined", leaves.guest));
            way(leaves.peer);
            stays.expect_line(&format!("* guest{} has left", leaves.guest));
        }
    });
}

#[test]
fn a_server_that_stops_says_goodbye() {
    Check::new().faults(|_| Faults::none()).run(|sim| {
        open(sim, ADDRESS).unwrap();
        let mut user = User::new(sim, "lobby").peer;
        assert!(sim.shutdown().is_clean());
        assert_eq!(user.read_to_end(), b"* goodbye: the server stops\n");
    });
}
