//! What actors write: what leaves together, when it is known to have left, and what is sent from where it lies.
//!
//! Knows: peers that read, read late, or reset. Must not know what the kernel is asked.

use std::io::{self, ErrorKind, Write};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use odeon::Timeout;
use odeon::fs::{File, Region};
use odeon::prelude::*;

use super::stage::{On, Stage, as_usual, play, play_undisturbed};
use crate::world::{PART, pattern};

/// Room for whatever is not read.
fn roomy(config: &mut Config) {
    config.outbox_bytes_max = 64 << 20;
}

pub fn an_awaited_send_is_over_with_all_that_was_written_up_to_it_and_not_before(on: On) {
    /// The most that is sent at once, so that what stands behind a mark does not hold it up.
    const SHARE: usize = 4 << 10;
    let limits = |config: &mut Config| {
        roomy(config);
        config.connection_slot_bytes_max = SHARE;
    };
    play(on, 1, limits, |stage| {
        let service = stage.serve();
        let (mut peer, hand) = stage.connect_narrow(&service);
        let (much, (tell, told)) = (stage.more_than_held(), channel());
        let between = much;
        stage.order(hand, move |_, cx| {
            cx.write(pattern(0, much));
            cx.write([8; 8]);
            let first = cx.flush();
            cx.write(pattern(1, between));
            cx.write([2; 2]);
            let second = cx.flush();
            cx.exclusive("flush", Timeout::Never, async move |_, cx| {
                for flushed in [first, second] {
                    flushed.await.expect("the peer is there");
                    tell.send(cx.queued_bytes()).expect("the test waits");
                }
                cx.write("last");
                Flow::Close
            })
        });
        stage.turns();
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty), "nobody has read anything");
        assert!(peer.read(much) == pattern(0, much));
        peer.expect([8; 8]);
        assert!(peer.read(2 * SHARE) == pattern(1, 2 * SHARE));
        let queued = stage.next(&told);
        assert!(queued > 0 && queued <= between + 2, "{queued} bytes are queued when the first is over");
        stage.turns();
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty), "what stands behind it has not been read");
        assert!(peer.read(between - 2 * SHARE) == pattern(1, between)[2 * SHARE..]);
        peer.expect([2; 2]);
        assert_eq!(stage.next(&told), 0);
        assert_eq!(peer.rest(), b"last");
    });
}

pub fn an_awaited_send_fails_with_its_connection(on: On) {
    play(on, 1, roomy, |stage| {
        let service = stage.serve();
        for by_a_handler in [false, true] {
            let (peer, hand) = stage.connect_narrow(&service);
            let (much, (tell, told)) = (stage.more_than_held(), channel());
            stage.order(hand, move |_, cx| {
                cx.write(pattern(0, much));
                let flushed = cx.flush();
                let tell = async move || tell.send(flushed.await.map_err(|error| error.kind()));
                if by_a_handler {
                    return cx.exclusive("flush", Timeout::Never, async move |_, _| {
                        tell().await.expect("the test waits");
                        Flow::Continue
                    });
                }
                // It does not end with the connection.
                odeon::task::spawn(async move { tell().await.expect("the test waits") }).detach();
                Flow::Continue
            });
            stage.turns();
            assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
            peer.reset();
            assert!(matches!(stage.stopped(&service), StopReason::Disconnected(_)));
            let broken = Err(ErrorKind::BrokenPipe);
            if by_a_handler {
                // Most often it is dropped with its connection, before it hears of it.
                let heard = told.try_recv();
                assert!(heard == Ok(broken) || heard.is_err(), "it has heard {heard:?}");
            } else {
                assert_eq!(stage.next(&told), broken);
            }
        }
    });
}

pub fn sixty_four_small_writes_of_a_handler_are_one_send(on: On) {
    const ROUNDS: u32 = 50;
    const DISTURBED_MAX: u32 = 3;
    play_undisturbed(on, 1, as_usual, |stage| {
        let write = |_: &mut _, _: &str, cx: &mut Context<_>| {
            (0..64).for_each(|number| writeln!(cx, "line {number:04}"));
        };
        let service = stage.serve_with(|listener| listener, write);
        let (mut peer, _) = stage.connect(&service);
        let lines: String = (0..64).map(|number| format!("line {number:04}\n")).collect();
        if stage.is_real() && peer.segments().is_none() {
            // Not by `eprintln!`, which the test runner would swallow.
            let _ = writeln!(io::stderr(), "SKIPPED: segments are not counted, as this machine does not say");
        }
        let (mut sent_once, mut disturbed) = (0, 0);
        while sent_once < ROUNDS {
            let before = peer.segments();
            peer.write("go\n");
            // Of several sends the first would be seen by itself, now or another time.
            let mut first = Vec::new();
            stage.until("lines", || {
                first = peer.pull(PART);
                !first.is_empty()
            });
            assert_eq!(String::from_utf8_lossy(&first), lines);
            if peer.segments() == before.map(|before| before + 1) {
                sent_once += 1;
                continue;
            }
            // The kernel has sent it again, because the machine was so busy: seldom.
            disturbed += 1;
            assert!(
                disturbed <= DISTURBED_MAX,
                "each is a send: {:?} segments after {before:?}",
                peer.segments()
            );
        }
    });
}

/// Hangs up when it is dropped.
struct Owner {
    bytes: Vec<u8>,
    _line: Sender<()>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes, and how to know whether somebody still has them.
fn owned(bytes: &[u8]) -> (Bytes, Receiver<()>) {
    let (line, kept) = channel();
    (Bytes::from_owner(Owner { bytes: bytes.to_vec(), _line: line }), kept)
}

fn assert_kept(kept: &Receiver<()>) {
    assert_eq!(kept.try_recv(), Err(TryRecvError::Empty), "they are not let go yet");
}

fn until_let_go(stage: &Stage<'_>, kept: &Receiver<()>) {
    stage.until("the bytes to be let go", || kept.try_recv() == Err(TryRecvError::Disconnected));
}

pub fn counted_bytes_are_sent_whole_and_let_go_when_they_are(on: On) {
    play(on, 1, roomy, |stage| {
        let service = stage.serve();
        let met: Vec<_> = (0..3).map(|_| stage.connect_narrow(&service)).collect();
        let content = pattern(7, stage.more_than_held());
        let (bytes, kept) = owned(&content);
        for (_, hand) in &met {
            let bytes = bytes.clone();
            // Copied and counted parts of one send.
            stage.ask(*hand, move |_, cx| {
                cx.write("before");
                cx.write_bytes(bytes.slice(1..).expect("it is long enough"));
                cx.write("between");
                cx.write_bytes(bytes);
                cx.write("behind");
            });
        }
        drop(bytes);
        for (mut peer, _) in met {
            stage.turns();
            assert_kept(&kept);
            let all = [b"before", &content[1..], b"between", &content, b"behind"].concat();
            assert!(peer.read(all.len()) == all);
        }
        until_let_go(stage, &kept);
    });
}

pub fn counted_bytes_are_let_go_when_their_connection_ends(on: On) {
    play(on, 1, roomy, |stage| {
        let service = stage.serve();
        for aborted in [false, true] {
            let (mut peer, hand) = stage.connect_narrow(&service);
            let (under_way, is_under_way) = owned(&pattern(1, stage.more_than_held()));
            let (waits, does_wait) = owned(&pattern(2, 100_000));
            stage.ask(hand, |_, cx| cx.write_bytes(under_way));
            // By then that send has begun.
            stage.turns();
            stage.ask(hand, |_, cx| cx.write_bytes(waits));
            stage.turns();
            assert_kept(&is_under_way);
            assert_kept(&does_wait);
            if aborted {
                hand.abort();
                peer.until_reset();
            } else {
                peer.reset();
            }
            until_let_go(stage, &is_under_way);
            until_let_go(stage, &does_wait);
            let why = stage.stopped(&service);
            let disconnected = matches!(why, StopReason::Disconnected(_));
            assert!(if aborted { why == StopReason::Aborted } else { disconnected }, "{why:?}");
        }
    });
}

pub fn blocks_of_a_region_are_read_into_and_sent_and_their_region_waits_for_that(on: On) {
    play(on, 1, roomy, |stage| {
        let files = stage.files();
        // More than is held for the peer, which reads nothing at first.
        let (blocks, len) = (4, stage.more_than_held() / 2);
        let content = pattern(3, blocks * len);
        files.put("page", &content);
        let path = format!("{}/page", files.directory());
        let ((tell, told), (tell_gone, gone)) = (channel(), channel());
        let service = stage.serve();
        let (mut peer, hand) = stage.connect_narrow(&service);
        stage.order(hand, move |_, cx| {
            cx.exclusive("send", Timeout::Never, async move |_, cx| {
                let region = Region::new(blocks, len).await.expect("there is room");
                let file = File::open(path).await.expect("it is there");
                for number in 0..blocks {
                    let block = region.take().expect("one is free");
                    let (read, block) = read_all(&file, block, number * len, len).await;
                    assert_eq!(read, len);
                    cx.write_bytes(block.freeze());
                }
                tell.send(region.free()).expect("the test waits");
                odeon::task::spawn(async move {
                    region.remove().await;
                    tell_gone.send(()).expect("the test waits");
                })
                .detach();
                Flow::Continue
            })
        });
        assert_eq!(stage.next(&told), 0, "all are out");
        stage.turns();
        assert_eq!((stage.ledgers()[0].regions, gone.try_recv()), (1, Err(TryRecvError::Empty)));
        assert!(peer.read(content.len()) == content);
        stage.next(&gone);
        stage.until("it to be gone", || stage.ledgers()[0].regions == 0);
    });
}

/// Reads a part of a file, in as many reads as the disk needs.
async fn read_all(
    file: &File,
    mut block: odeon::fs::RegionBuf,
    from: usize,
    len: usize,
) -> (usize, odeon::fs::RegionBuf) {
    let mut got = 0;
    while got < len {
        let read;
        (read, block) = file.read_at(block, (from + got) as u64).await;
        got += match read.expect("the disk is sound") {
            0 => break,
            more => more,
        };
    }
    (got, block)
}
