//! What actors receive: frames, bodies, bytes that are kept, and pauses.
//!
//! Knows: what a peer writes, in which pieces. Must not know in which buffers it lies.

use odeon::prelude::*;
use odeon::sys::Random;

use super::hand::{Hand, Told, act, script, tell_lines};
use super::stage::{On, as_usual, play, play_undisturbed};
use crate::world::pattern;

/// Letters that tell their place in a line.
fn letters(start: usize, count: usize) -> String {
    (start..start + count).map(|at| char::from(b'a' + (at * 7 + at / 26) as u8 % 26)).collect()
}

pub fn frames_that_straddle_buffers_come_whole_and_in_order(on: On) {
    let limits = |config: &mut Config| (config.receive_buffers, config.receive_buffer_bytes) = (4, 64);
    play(on, 1, limits, |stage| {
        let service = stage.serve();
        // Each ends at another place of a buffer.
        let sizes = (0..200).chain([0, 1000, 63, 64, 65, 20_000, 1]);
        let lines: Vec<String> = sizes.enumerate().map(|(number, size)| letters(number, size)).collect();
        let wire: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        for pieces in [usize::MAX, 100, 7] {
            let (mut peer, _) = stage.connect(&service);
            let mut lines = lines.iter();
            for piece in wire.as_bytes().chunks(pieces) {
                peer.write(piece);
            }
            let mut line =
                || assert_eq!(stage.told(&service), Told::Line(lines.next().expect("no more").clone()));
            (0..207).for_each(|_| line());
            // What has no end is the last.
            peer.write("last");
            peer.finish();
            assert_eq!(stage.told(&service), Told::Line("last".into()));
            assert_eq!(stage.stopped(&service), StopReason::EndOfStream);
        }
    });
}

pub fn bytes_of_a_frame_are_kept_and_sent_from_another_core(on: On) {
    const BUFFERS: u16 = 8;
    let limits = |config: &mut Config| {
        (config.receive_buffers, config.receive_buffer_bytes) = (BUFFERS, 65_536);
        config.outbox_bytes_max = 64 << 20;
    };
    play_undisturbed(on, 2, limits, |stage| {
        let (mut sender, hand, told) = stage.connect_from(0);
        let (mut reader, other, _told) = stage.connect_from(1);
        let pass_on = script(move |hand, line, cx| {
            let kept = cx.bytes_of(line);
            other.tell(act(|hand, _| hand.kept.push(kept))).expect("there is room");
            hand.tell(Told::Line(String::new()));
        });
        stage.ask(hand, move |hand, _| hand.script = pass_on);
        let kept = || stage.sum(|ledger| ledger.receive_kept as u64);
        // A frame that arrives in pieces is put together in memory of its own: of enough of them, some do not.
        let mut lines = Vec::new();
        while lines.len() < 20 || kept() == 0 {
            assert!(lines.len() < 1000, "no buffer is ever kept");
            let line = letters(lines.len(), 10_000 + lines.len());
            sender.write(format!("{line}\n"));
            assert_eq!(stage.next(&told), Told::Line(String::new()));
            lines.push(line);
        }
        let kept_now = kept();
        assert!(kept_now <= u64::from(BUFFERS / 2), "{kept_now} of {BUFFERS} buffers are kept");
        // They outlive the connection that they came by.
        sender.finish();
        stage.until_sum("its end", 1, |ledger| ledger.connections_closed);
        // They have come another way than what they are waited for by.
        let (all, mut rounds) = (lines.len(), 0..100_000);
        while stage.ask(other, |hand, _| hand.kept.len()) < all {
            assert!(rounds.next().is_some(), "all of them come");
        }
        stage.order(other, |hand, cx| hand.kept.drain(..).for_each(|bytes| cx.write_bytes(bytes)));
        lines.iter().for_each(|line| reader.expect(line));
        stage.until("the buffers to be back", || kept() == 0);
    });
}

/// Receives a body behind each line that says how long it is, into a buffer that holds something, and tells where that lies.
fn bodies(hand: &mut Hand, line: &str, cx: &mut Context<Hand>) {
    let Ok(length) = line.parse::<usize>() else { return tell_lines(hand, line, cx) };
    let mut buffer = Vec::with_capacity(HELD.len() + length);
    buffer.extend_from_slice(HELD);
    hand.tell(Told::Line(format!("{:p}", buffer.as_ptr())));
    cx.read_exact_into(buffer, length).expect("it is the only one");
}

const HELD: &[u8] = b"held:";
const LARGE: usize = 600_000;

pub fn bodies_come_whole_into_the_buffers_that_were_given(on: On) {
    play(on, 1, as_usual, |stage| {
        let service = stage.serve_with(|listener| listener, bodies);
        let (mut peer, _) = stage.connect(&service);
        for (seed, size) in [0, 1, 100, 32_767, 32_768, 65_537, LARGE, 7].into_iter().enumerate() {
            let body = pattern(seed, size);
            // In one piece with the line before it, and with the one behind.
            peer.write([format!("{size}\n").as_bytes(), &body, b"behind\n"].concat());
            let Told::Line(place) = stage.told(&service) else { panic!("it has not begun") };
            let Told::Body(got) = stage.told(&service) else { panic!("it is not whole") };
            assert!(got == [HELD, &body].concat(), "{size} bytes");
            assert_eq!(format!("{:p}", got.as_ptr()), place, "it is the memory that was given");
            assert_eq!(stage.told(&service), Told::Line("behind".into()));
        }
    });
}

pub fn a_body_that_is_cut_short_hands_back_what_has_come(on: On) {
    play(on, 1, as_usual, |stage| {
        let service = stage.serve_with(|listener| listener, bodies);
        for (size, resets) in [2, 10_000, LARGE].into_iter().flat_map(|size| [(size, false), (size, true)]) {
            let (mut peer, _) = stage.connect(&service);
            let (half, all) = (pattern(1, size / 2), size);
            peer.write([format!("{all}\n").as_bytes(), &half].concat());
            assert!(matches!(stage.told(&service), Told::Line(_)));
            if resets {
                peer.reset();
            } else {
                peer.finish();
            }
            let Told::Cut(body, missing, why) = stage.told(&service) else { panic!("the body is cut") };
            let body = body.strip_prefix(HELD).expect("it goes behind what was there");
            assert_eq!(body.len() + missing, size);
            // A reset drops what has not been received.
            assert!(half.starts_with(body) && (resets || body.len() == half.len()), "{size} bytes");
            match why {
                StopReason::Disconnected(errno) if resets => assert_eq!(errno, libc::ECONNRESET),
                why => {
                    assert_eq!((why, stage.told(&service)), (StopReason::EndOfStream, Told::EndOfStream))
                }
            }
            assert_eq!(stage.told(&service), Told::Stopped(why, 0));
        }
    });
}

pub fn a_pause_hands_over_nothing_and_keeps_everything(on: On) {
    play(on, 1, as_usual, |stage| {
        let handle = |hand: &mut Hand, line: &str, cx: &mut Context<Hand>| {
            if line == "pause" {
                cx.pause_reading();
            }
            hand.tell(Told::Line(line.to_owned()));
        };
        let service = stage.serve_with(|listener| listener, handle);
        let (mut peer, hand) = stage.connect(&service);
        let mut random = Random::new(5);
        for _ in 0..5 {
            // In the same bytes as the pause, and after them.
            peer.write("pause\none\n");
            assert_eq!(stage.told(&service), Told::Line("pause".into()));
            peer.write("two\nthr");
            if random.chance(0.5) {
                stage.turns();
            }
            // Another pause within what is kept.
            peer.write("ee\npause\nfour\nfive\n");
            for lines in [&["one", "two", "three", "pause"][..], &["four", "five"]] {
                stage.turns();
                assert_eq!(stage.at_hand(&service), None, "nothing is handled in a pause");
                // Messages are, and output leaves.
                stage.ask(hand, |_, cx| cx.write("still there"));
                peer.expect("still there");
                stage.ask(hand, |_, cx| cx.resume_reading());
                for &line in lines {
                    assert_eq!(stage.told(&service), Told::Line(line.into()));
                }
            }
        }
        peer.write("pause\nlast");
        peer.finish();
        assert_eq!(stage.told(&service), Told::Line("pause".into()));
        stage.turns();
        assert_eq!(stage.at_hand(&service), None, "the end is a part of what is not read");
        stage.ask(hand, |_, cx| cx.resume_reading());
        assert_eq!(stage.told(&service), Told::Line("last".into()));
        assert_eq!(stage.stopped(&service), StopReason::EndOfStream);
    });
}

pub fn a_peer_that_is_not_read_from_waits(on: On) {
    /// What both sockets hold at most, and what has been received before the pause is known.
    const BETWEEN_MAX: usize = 28 << 20;
    play(on, 1, as_usual, |stage| {
        let service = stage.serve();
        let (mut peer, hand) = stage.connect(&service);
        stage.ask(hand, |_, cx| cx.pause_reading());
        let wire = format!("{}\n", letters(0, 9_999)).repeat(100);
        let (mut written, mut quiet) = (0, 0);
        while quiet < 20 {
            let more = peer.push(&wire.as_bytes()[written % wire.len()..]);
            written += more;
            quiet = if more == 0 { quiet + 1 } else { 0 };
            assert!(written < BETWEEN_MAX, "the peer has to wait");
            stage.turns();
        }
        assert_eq!((stage.at_hand(&service), stage.sum(|ledger| ledger.receive_leases as u64)), (None, 0));
        stage.ask(hand, |_, cx| cx.resume_reading());
        (0..written / 10_000).for_each(|_| assert_eq!(stage.told(&service), Told::Line(letters(0, 9_999))));
        peer.write(&wire.as_bytes()[written % 10_000..10_000]);
        assert_eq!(stage.told(&service), Told::Line(letters(0, 9_999)));
    });
}
