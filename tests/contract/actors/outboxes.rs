//! Peers that do not read: what becomes of what is written to them, and that nobody else feels it.
//!
//! Knows: policies, graces, what is counted. Must not know how much is held for a peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use odeon::{Ledger, Overflow};

use super::hand::{Hand, Told, act};
use super::peer::Peer;
use super::stage::{On, Service, Stage, as_usual, play};

const BOUND: usize = 256 << 10;
/// In each line that is written.
const LINE: usize = 10_000;
const GRACE: Duration = Duration::from_millis(100);

/// A peer that does not read, with whom it is connected to, and one who is served meanwhile.
struct Scene<'a> {
    stage: &'a Stage<'a>,
    service: Service,
    slow: Peer<'a>,
    hand: Addr<Hand>,
    other: Peer<'a>,
}

/// Says back each line.
fn echo(_: &mut Hand, line: &str, cx: &mut Context<Hand>) {
    cx.write_line(line);
}

impl<'a> Scene<'a> {
    fn new(stage: &'a Stage<'a>, overflow: Overflow, grace: Option<Duration>) -> Scene<'a> {
        let service = stage.serve_with(
            |listener| {
                let listener = listener.outbox_bytes(BOUND).outbox_overflow(overflow);
                grace.into_iter().fold(listener, |listener, grace| listener.outbox_grace(grace))
            },
            echo,
        );
        let (slow, hand) = stage.connect_narrow(&service);
        let (other, _) = stage.connect(&service);
        Scene { stage, service, slow, hand, other }
    }

    fn line(number: u64) -> String {
        format!("{number:0width$}\n", width = LINE - 1)
    }

    /// The other one is served as if nothing were wrong.
    fn serves_the_other(&mut self) {
        self.other.write("still served?\n");
        self.other.expect("still served?\n");
    }

    /// Writes numbered lines until a figure has come so far; answers for each how many the actor knows to be lost by then.
    fn write_until(&mut self, left_out: u64, figure: fn(&Ledger) -> u64) -> Vec<u32> {
        let mut lost = Vec::new();
        while self.stage.sum(figure) < left_out {
            assert!(lost.len() < 5_000, "no more is held for who does not read");
            let line = Scene::line(lost.len() as u64);
            lost.push(self.stage.ask(self.hand, move |_, cx| {
                cx.write(line);
                cx.lost_writes()
            }));
            if lost.len() % 16 == 0 {
                self.serves_the_other();
                let slots = self.stage.sum(|ledger| ledger.send_slots as u64);
                assert!(slots < 100, "{slots} slots are used");
            }
        }
        lost
    }

    /// Ends the peer's stream, and reads what it was sent: numbers of lines, which are whole.
    fn numbers(&mut self) -> Vec<u64> {
        self.slow.finish();
        let text = String::from_utf8(self.slow.rest()).expect("digits");
        assert!(text.is_empty() || text.ends_with('\n'), "the last line was cut");
        let lines = text.lines().map(|line| {
            assert_eq!(line.len(), LINE - 1, "a line was cut");
            line.parse().expect("a number")
        });
        let numbers = lines.collect();
        assert_eq!(self.stage.told(&self.service), Told::EndOfStream);
        assert_eq!(self.stage.told(&self.service), Told::Stopped(StopReason::EndOfStream, 0));
        self.serves_the_other();
        numbers
    }
}

pub fn a_peer_that_passes_the_bound_is_closed_and_no_other(on: On) {
    play(on, 1, as_usual, |stage| {
        let mut scene = Scene::new(stage, Overflow::Close, None);
        let (mut written, mut ended) = (0, None);
        while ended.is_none() {
            assert!(written < 5_000, "no more is held for who does not read");
            let line = Scene::line(written);
            // It may have ended by then.
            scene.hand.tell(act(move |_, cx| cx.write(line))).or_dead_letter();
            written += 1;
            scene.serves_the_other();
            ended = stage.at_hand(&scene.service);
        }
        assert_eq!(ended, Some(Told::Stopped(StopReason::OutboxFull, 0)));
        scene.slow.until_reset();
        scene.serves_the_other();
        assert_eq!(stage.sum(|ledger| ledger.connections_outbox_full), 1);
    });
}

pub fn a_peer_that_is_slow_for_longer_than_its_grace_is_closed(on: On) {
    play(on, 1, as_usual, |stage| {
        let mut scene = Scene::new(stage, Overflow::Close, Some(GRACE));
        // Until half of the bound waits, and never the bound.
        let (written, queued) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (mut told, mut ended) = (0, None);
        stage.until("its grace to be over", || {
            let is_written = written.load(Ordering::SeqCst) == told;
            if is_written && queued.load(Ordering::SeqCst) < BOUND / 2 {
                let (line, written, queued) = (Scene::line(0), Arc::clone(&written), Arc::clone(&queued));
                let write = act(move |_, cx| {
                    cx.write(line);
                    queued.store(cx.queued_bytes(), Ordering::SeqCst);
                    written.fetch_add(1, Ordering::SeqCst);
                });
                // It may have ended by then.
                scene.hand.tell(write).or_dead_letter();
                told += 1;
                assert!(told < 5_000, "no more is held for who does not read");
            }
            ended = stage.at_hand(&scene.service);
            ended.is_some()
        });
        let ended = ended.expect("it was waited for");
        assert_eq!(ended, Told::Stopped(StopReason::OutboxFull, 0));
        let waited = queued.load(Ordering::SeqCst);
        assert!(waited < BOUND - LINE, "{waited} bytes: it was not for the bound");
        scene.slow.until_reset();
        scene.serves_the_other();
        assert_eq!(stage.sum(|ledger| ledger.connections_outbox_full), 1);
    });
}

pub fn what_finds_no_room_is_refused_and_who_writes_is_told(on: On) {
    play(on, 1, as_usual, |stage| {
        let mut scene = Scene::new(stage, Overflow::Refuse, None);
        let lost = scene.write_until(20, |ledger| ledger.writes_refused);
        assert_eq!(u64::from(lost[lost.len() - 1]), stage.sum(|ledger| ledger.writes_refused));
        // Who asks is told by a value, which is not counted.
        let told = stage.ask(scene.hand, |_, cx| {
            let copied = cx.try_write([7; BOUND]).is_err();
            (cx.try_write("").is_ok(), copied, cx.try_write_bytes(vec![7; BOUND]).is_err())
        });
        assert_eq!(told, (true, true, true));
        let before = [0].into_iter().chain(lost.iter().copied());
        let written = (0..).zip(before.zip(&lost)).filter(|(_, (before, after))| before == *after);
        assert!(
            scene.numbers().into_iter().eq(written.map(|(number, _)| number)),
            "all but what was refused"
        );
        let counted =
            [stage.sum(|ledger| ledger.connections_outbox_full), stage.sum(|ledger| ledger.writes_dropped)];
        assert_eq!(counted, [0, 0]);
    });
}

pub fn who_is_slow_for_longer_than_its_grace_is_refused_until_it_has_caught_up(on: On) {
    play(on, 1, as_usual, |stage| {
        let mut scene = Scene::new(stage, Overflow::Refuse, Some(GRACE));
        let mut written = 0;
        while stage.ask(scene.hand, |_, cx| cx.queued_bytes()) < BOUND / 2 {
            assert!(written < 5_000, "no more is held for who does not read");
            let line = Scene::line(written);
            if stage.ask(scene.hand, move |_, cx| cx.try_write(line)).is_err() {
                break;
            }
            stage.turns();
            written += 1;
        }
        // There is still room, and its time is over some time, if it is not yet.
        let (hand, mut more) = (scene.hand, 0);
        let mut fits = || {
            let fits = stage.ask(hand, |_, cx| cx.try_write("0\n")).is_ok();
            more += u64::from(fits);
            assert!(more < 20_000, "it has been slow for long");
            stage.turns();
            fits
        };
        while fits() {}
        scene.serves_the_other();
        assert_eq!(stage.sum(|ledger| ledger.connections_outbox_full), 0);
        // It reads, and some time there is room again.
        let mut got = 0;
        while !fits() {
            got += scene.slow.pull(LINE).len() as u64;
            assert!(got <= written * LINE as u64, "it has caught up");
        }
        scene.slow.finish();
        got += scene.slow.rest().len() as u64;
        assert_eq!(got, written * LINE as u64 + 2 * more);
        assert_eq!(stage.stopped(&scene.service), StopReason::EndOfStream);
    });
}

pub fn the_oldest_that_wait_are_dropped_for_the_newest(on: On) {
    for grace in [None, Some(GRACE)] {
        play(on, 1, as_usual, |stage| {
            let mut scene = Scene::new(stage, Overflow::DropOldest, grace);
            let lost = scene.write_until(50, |ledger| ledger.writes_dropped);
            let (written, lost) = (lost.len() as u64, lost[lost.len() - 1]);
            assert_eq!(u64::from(lost), stage.sum(|ledger| ledger.writes_dropped));
            let got = scene.numbers();
            assert!(got.is_sorted_by(|one, next| one < next));
            assert_eq!((got[0], got.last()), (0, Some(&(written - 1))), "the newest is there");
            assert_eq!(got.len() as u64 + stage.sum(|ledger| ledger.writes_dropped), written);
            let counted = [
                stage.sum(|ledger| ledger.connections_outbox_full),
                stage.sum(|ledger| ledger.writes_refused),
            ];
            assert_eq!(counted, [0, 0]);
        });
    }
}

/// Counts the bytes of all that exist.
struct Counted {
    bytes: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl Counted {
    fn new(len: usize, held: &Arc<AtomicUsize>) -> Counted {
        held.fetch_add(len, Ordering::SeqCst);
        Counted { bytes: vec![7; len], held: held.clone() }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

pub fn what_many_peers_do_not_read_is_bounded_by_the_core(on: On) {
    // A simulated kernel holds next to nothing.
    let (peers, each, max) = match on {
        On::Backend(_) => (100, 64 << 10, 4 << 20),
        On::Seeds | On::Seed(_) => (20, 16 << 10, 1 << 20),
    };
    let limits = |config: &mut Config| {
        config.send_part_bytes_max = max;
        // What is copied beyond has its own bounds.
        (config.spill_bytes_max, config.send_slots) = (64 << 10, [1024, 64, 0, 0, 0]);
    };
    play(on, 1, limits, |stage| {
        let service = stage
            .serve_with(|listener| listener.outbox_bytes(64 << 20).outbox_overflow(Overflow::Refuse), echo);
        let met: Vec<_> = (0..peers).map(|_| stage.connect_narrow(&service)).collect();
        let (mut other, _) = stage.connect(&service);
        let (held, mut rounds) = (Arc::<AtomicUsize>::default(), 0);
        // More than is held for all of them: the rest is refused, and let go.
        while stage.sum(|ledger| ledger.writes_refused) < 20 * peers {
            rounds += 1;
            assert!(rounds < 1000, "no more is held for who does not read");
            for (_, hand) in &met {
                let bytes = Bytes::from_owner(Counted::new(each, &held));
                stage.ask(*hand, |_, cx| cx.write_bytes(bytes));
            }
            other.write("still served?\n");
            other.expect("still served?\n");
            stage.turns();
            let held = held.load(Ordering::SeqCst);
            assert!(held <= max, "{held} bytes are in memory");
        }
        assert!(held.load(Ordering::SeqCst) > max / 2, "those that wait");
        assert_eq!(stage.sum(|ledger| ledger.connections_outbox_full), 0);
        met.into_iter().for_each(|(peer, _)| peer.reset());
        stage.until("all to be let go", || held.load(Ordering::SeqCst) == 0);
    });
}
