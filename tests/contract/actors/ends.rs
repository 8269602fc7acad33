//! How connections end, and what arrives before that.
//!
//! Knows: ends, resets, deadlines. Must not know what is under way in the kernel.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_lite::future::{poll_once, yield_now};
use odeon::net::codec::FrameError;
use odeon::prelude::*;

use super::hand::Told;
use super::stage::{On, as_usual, play};
use crate::world::pattern;

/// Room for whatever is not read.
fn roomy(config: &mut Config) {
    config.outbox_bytes_max = 64 << 20;
}

/// Short enough to be waited for, long enough for a peer that reads.
const SHORT: Duration = Duration::from_millis(300);

pub fn an_output_ends_behind_all_that_is_queued_and_reading_goes_on(on: On) {
    play(on, 1, roomy, |stage| {
        let service = stage.serve();
        for size in [0, 1, 1000, stage.more_than_held()] {
            let (mut peer, hand) = stage.connect_narrow(&service);
            stage.ask(hand, move |_, cx| {
                cx.write(pattern(1, size));
                cx.shutdown_write();
                cx.write("not this");
            });
            // What comes the other way is handled before anything is read, and behind the end.
            peer.write("one\n");
            assert_eq!(stage.told(&service), Told::Line("one".into()));
            assert!(peer.rest() == pattern(1, size), "all {size} bytes, and then the end");
            peer.write("two\n");
            assert_eq!(stage.told(&service), Told::Line("two".into()));
            peer.finish();
            assert_eq!(stage.told(&service), Told::EndOfStream);
            assert_eq!(stage.told(&service), Told::Stopped(StopReason::EndOfStream, 0));
        }
    });
}

pub fn a_stream_that_has_ended_is_still_written_to(on: On) {
    play(on, 1, roomy, |stage| {
        let service = stage.serve();
        let (mut peer, hand) = stage.connect_narrow(&service);
        stage.ask(hand, |hand, _| hand.stays_after_end = true);
        peer.finish();
        assert_eq!(stage.told(&service), Told::EndOfStream);
        let much = stage.more_than_held();
        stage.order(hand, move |_, cx| cx.write(pattern(1, much)));
        stage.turns();
        stage.order(hand, |_, _| Flow::Close);
        assert!(peer.rest() == pattern(1, much));
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::Stopped, 0));
    });
}

pub fn a_close_lets_out_what_is_queued_however_late_it_is_read(on: On) {
    play(on, 1, roomy, |stage| {
        let service = stage.serve();
        for size in [1, 1000, stage.more_than_held()] {
            let (mut peer, hand) = stage.connect_narrow(&service);
            stage.order(hand, move |_, cx| {
                cx.write(pattern(1, size));
                Flow::Close
            });
            assert_eq!(stage.told(&service), Told::Stopped(StopReason::Stopped, 0));
            // It has ended; only now does the peer begin to read.
            assert!(peer.rest() == pattern(1, size), "all {size} bytes, and then the end");
        }
        assert_eq!(stage.sum(|ledger| ledger.connections_cut_off), 0);
    });
}

pub fn a_close_whose_output_is_not_read_is_a_reset_when_its_time_is_over(on: On) {
    let limits = |config: &mut Config| {
        roomy(config);
        config.close_deadline = SHORT;
    };
    play(on, 1, limits, |stage| {
        let service = stage.serve();
        let (mut peer, hand) = stage.connect_narrow(&service);
        let (mut other, _) = stage.connect(&service);
        let much = stage.more_than_held();
        stage.order(hand, move |_, cx| {
            cx.write(pattern(1, much));
            Flow::Close
        });
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::Stopped, 0));
        stage.until_sum("its end", 1, |ledger| ledger.connections_closed);
        assert_eq!(stage.sum(|ledger| ledger.connections_cut_off), 1);
        assert!(peer.until_reset().len() < much);
        other.write("still served\n");
        assert_eq!(stage.told(&service), Told::Line("still served".into()));
    });
}

pub fn a_peer_that_has_read_all_and_does_not_end_is_heard_out_for_a_time_only(on: On) {
    let limits = |config: &mut Config| config.close_deadline = SHORT;
    play(on, 1, limits, |stage| {
        let service = stage.serve();
        let (mut peer, hand) = stage.connect(&service);
        stage.order(hand, |_, cx| {
            cx.write("all of it");
            Flow::Close
        });
        assert!(peer.rest() == b"all of it", "and then the end");
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::Stopped, 0));
        stage.until_sum("the connection to be closed", 1, |ledger| ledger.connections_closed);
        assert_eq!(stage.sum(|ledger| ledger.connections_cut_off), 0, "it has got everything");
        // Up to now it could have gone on.
        drop(peer);
    });
}

pub fn a_peer_that_never_reads_ends_by_the_deadline_of_writes(on: On) {
    let limits = |config: &mut Config| {
        roomy(config);
        config.write_stall = SHORT;
    };
    play(on, 1, limits, |stage| {
        let service = stage.serve_with(|listener| listener, |_, line, cx| cx.write_line(line));
        let (mut peer, hand) = stage.connect_narrow(&service);
        let (mut other, _) = stage.connect(&service);
        let much = stage.more_than_held();
        stage.order(hand, move |_, cx| cx.write(pattern(1, much)));
        other.write("served\n");
        other.expect("served\n");
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::OutboxFull, 0));
        assert!(peer.until_reset().len() < much);
        other.write("still served\n");
        other.expect("still served\n");
        stage.until_sum("its end", 1, |ledger| ledger.connections_closed);
        let ends = |figure: fn(&odeon::Ledger) -> u64| stage.sum(figure);
        assert_eq!(ends(|ledger| ledger.connections_outbox_full), 1);
        assert_eq!(ends(|ledger| ledger.connections_cut_off), 1);
    });
}

/// Packets, of which the last may be cut short.
struct Packets(Sender<Result<usize, Result<FrameError, StopReason>>>);

#[actor(codec = LengthDelimited<1000>)]
impl Packets {
    #[frame]
    fn packet(&mut self, packet: &[u8]) {
        self.0.send(Ok(packet.len())).expect("the test waits");
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError) {
        self.0.send(Err(Ok(error))).expect("the test waits");
    }

    #[stopped]
    fn stop(&mut self, reason: StopReason) {
        self.0.send(Err(Err(reason))).expect("the test waits");
    }
}

pub fn a_frame_that_is_cut_short_is_no_end(on: On) {
    play(on, 1, as_usual, |stage| {
        let (tell, told) = channel();
        let address = stage.open(move |_| Packets(tell.clone()));
        for (sent, error) in [
            (&b"\0\0\0\x02ab"[..], None),
            (b"\0\0\0\x02ab\0\0\0", Some(FrameError::Truncated { expected: 4, got: 3 })),
            (b"\0\0\0\x02ab\0\0\0\x05x", Some(FrameError::Truncated { expected: 9, got: 5 })),
        ] {
            let mut peer = stage.connect_to(address, None);
            peer.write(sent);
            peer.finish();
            assert_eq!(stage.next(&told), Ok(2));
            let (why, expected) = (StopReason::Malformed, StopReason::EndOfStream);
            if let Some(error) = error {
                assert_eq!(stage.next(&told), Err(Ok(error)));
            }
            assert_eq!(stage.next(&told), Err(Err(if error.is_some() { why } else { expected })));
            assert_eq!(peer.rest(), b"");
        }
    });
}

pub fn an_end_and_a_failure_are_told_apart_within_and_between_frames(on: On) {
    play(on, 1, as_usual, |stage| {
        let service = stage.serve_with(
            |listener| listener,
            |hand, line, cx| match line.parse() {
                Ok(length) => cx.read_exact_into(Vec::new(), length).expect("it is the only one"),
                Err(_) => hand.tell(Told::Line(line.to_owned())),
            },
        );
        // Between frames.
        let (mut peer, _) = stage.connect(&service);
        peer.write("whole\n");
        peer.finish();
        assert_eq!(stage.told(&service), Told::Line("whole".into()));
        assert_eq!(stage.told(&service), Told::EndOfStream);
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::EndOfStream, 0));
        assert_eq!(peer.rest(), b"");
        // Within a body.
        let (mut peer, _) = stage.connect(&service);
        peer.write("10\nfour");
        peer.finish();
        assert_eq!(stage.told(&service), Told::Cut(b"four".to_vec(), 6, StopReason::EndOfStream));
        assert_eq!(stage.told(&service), Told::EndOfStream);
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::EndOfStream, 0));
        // By a reset, between frames and within a body.
        let broken = StopReason::Disconnected(libc::ECONNRESET);
        let (mut peer, _) = stage.connect(&service);
        peer.write("whole\nin pa");
        assert_eq!(stage.told(&service), Told::Line("whole".into()));
        peer.reset();
        assert_eq!(stage.told(&service), Told::Stopped(broken, 0));
        let (mut peer, _) = stage.connect(&service);
        peer.write("whole\n10\n");
        assert_eq!(stage.told(&service), Told::Line("whole".into()));
        stage.turns();
        peer.reset();
        assert_eq!(stage.told(&service), Told::Cut(Vec::new(), 10, broken));
        assert_eq!(stage.told(&service), Told::Stopped(broken, 0));
    });
}

pub fn a_connect_that_is_given_up_at_any_time_leaves_nothing(on: On) {
    // One activation in each turn: what is given up after so many of them has come further each time, up to where the kernel has
    // connected it and nobody has heard of that.
    let limits = |config: &mut Config| {
        config.turn_activations = 1;
        // The peers of those that are connected by then say nothing, and do not end.
        config.close_deadline = SHORT;
    };
    play(on, 1, limits, |stage| {
        let far = stage.listen();
        let to = far.address();
        let giving_up = stage.system().spawn_task(0, move || async move {
            for turns in 0..30 {
                let mut connecting = odeon::connect(to).into_future();
                let mut connected = poll_once(&mut connecting).await;
                for _ in 0..turns {
                    if connected.is_some() {
                        break;
                    }
                    yield_now().await;
                    connected = poll_once(&mut connecting).await;
                }
                connected.into_iter().for_each(|connected| drop(connected.expect("somebody listens")));
            }
        });
        giving_up.expect("the core runs").wait().expect("it ends");
        // Before the listener is gone, which would end what is left open.
        stage.until("every socket to be closed", || stage.sum(|ledger| ledger.driver.sockets as u64) == 0);
    });
}
