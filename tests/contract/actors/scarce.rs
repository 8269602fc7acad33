//! More connections than there are receive buffers.
//!
//! Knows: who is served while others are. Must not know who has a buffer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use odeon::prelude::*;

use super::hand::Hand;
use super::stage::{On, Stage, play, play_undisturbed};

/// Says back each line.
fn echo(_: &mut Hand, line: &str, cx: &mut Context<Hand>) {
    cx.write_line(line);
}

pub fn all_are_served_in_turn_though_there_is_one_receive_buffer(on: On) {
    let limits = |config: &mut Config| (config.receive_buffers, config.receive_buffer_bytes) = (1, 64);
    play(on, 1, limits, |stage| {
        let service = stage.serve_with(|listener| listener, echo);
        let (mut hog, _) = stage.connect(&service);
        let mut met: Vec<_> = (0..8).map(|_| stage.connect(&service).0).collect();
        let line =
            "somewhat longer than one buffer, so that it comes in two parts at least, or in more of them\n";
        let (mut sent, mut got) = (0, 0);
        // One who never stops sending does not keep the others waiting.
        let mut waits: Vec<(usize, usize)> = vec![(0, 0); met.len()];
        stage.until("the others to be served", || {
            sent += hog.push(&line.repeat(10).as_bytes()[sent % line.len()..]);
            got += hog.pull(10_000).len();
            for (peer, (asked, answered)) in met.iter_mut().zip(&mut waits) {
                if *answered == *asked && *asked < 10 * line.len() {
                    *asked += peer.push(line.as_bytes());
                }
                *answered += peer.pull(10_000).len();
            }
            waits.iter().all(|(_, answered)| *answered == 10 * line.len())
        });
        assert!(sent > 0);
        let whole = sent.next_multiple_of(line.len());
        hog.write(&line.as_bytes()[line.len() - (whole - sent)..]);
        hog.finish();
        got += hog.rest().len();
        assert_eq!(got, whole);
        met.iter_mut().for_each(|peer| {
            peer.finish();
            assert_eq!(peer.rest(), b"");
        });
    });
}

/// Where a handler waits for the test, on a system whose cores have threads of their own. In a simulated one the test looks in between.
#[derive(Clone)]
struct Turnstile {
    reached: Sender<()>,
    open: Arc<Mutex<Receiver<()>>>,
    is_real: bool,
}

impl Turnstile {
    fn pass(&self) {
        self.reached.send(()).expect("the test waits");
        if self.is_real {
            self.open.lock().expect("nobody panics").recv().expect("the test opens it");
        }
    }
}

fn turnstile(stage: &Stage<'_>) -> (Turnstile, Receiver<()>, Sender<()>) {
    let ((reached, is_reached), (open, opened)) = (channel(), channel());
    let open_once = Arc::new(Mutex::new(opened));
    (Turnstile { reached, open: open_once, is_real: stage.is_real() }, is_reached, open)
}

pub fn what_was_begun_is_whole_though_another_has_every_receive_buffer(on: On) {
    const LINES: usize = 4000;
    const STOP: usize = 200;
    const BUFFER: usize = 4 << 10;
    // A line, and a body, of which a part has come before, and the rest comes when no buffer is free.
    let limits = |config: &mut Config| {
        (config.receive_buffers, config.receive_buffer_bytes) = (1, BUFFER as u32);
        // A line in each turn.
        (config.activation_messages, config.turn_activations) = (1, 1);
        config.slow_handler = std::time::Duration::MAX;
    };
    play_undisturbed(on, 1, limits, |stage| {
        for is_body in [false, true] {
            let (handled, (turnstile, reached, open)) = (Arc::new(AtomicUsize::new(0)), turnstile(stage));
            let count = Arc::clone(&handled);
            let hogs = stage.serve_with(
                |listener| listener,
                move |_, _, _| {
                    if count.fetch_add(1, Ordering::SeqCst) + 1 == STOP {
                        turnstile.pass();
                    }
                },
            );
            let ((tell, told), count) = (channel(), Arc::clone(&handled));
            let address =
                stage.open(move |_| Patient { told: tell.clone(), handled: Arc::clone(&count), is_body });
            let mut patient = stage.connect_to(address, None);
            patient.write("hello\nbe");
            patient.expect("hello\n");
            stage.turns();
            let (mut hog, _) = stage.connect(&hogs);
            // As many lines as the buffer has room for, and more.
            let wire = "x\n".repeat(LINES);
            let mut sent = 0;
            stage.until("it to have the buffer", || {
                sent += hog.push(&wire.as_bytes()[sent..]);
                reached.try_recv().is_ok()
            });
            patient.push(b"gun\n");
            open.send(()).expect("it waits");
            let before = stage.next(&told);
            // Half of those that it has room for: its last line would let it go.
            assert!(before < BUFFER / 4, "it waited for {before} lines of another");
            hog.write(&wire.as_bytes()[sent..]);
            stage.until("the other's lines", || handled.load(Ordering::SeqCst) == LINES);
        }
    });
}

/// Answers the first line, and says how many lines of another have been handled when the next line, or five bytes of a body, are whole.
struct Patient {
    told: Sender<usize>,
    handled: Arc<AtomicUsize>,
    is_body: bool,
}

impl Patient {
    fn whole(&self) {
        self.told.send(self.handled.load(Ordering::SeqCst)).expect("the test waits");
    }
}

#[actor(codec = Lines<10>)]
impl Patient {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        if line != "hello" {
            assert_eq!(line, "begun");
            return self.whole();
        }
        cx.write_line(line);
        if self.is_body {
            cx.read_exact_into(Vec::new(), 6).expect("it is the only one");
        }
    }

    #[body]
    fn body(&mut self, body: Result<Vec<u8>, BodyError>) {
        assert_eq!(body.expect("it is whole"), b"begun\n");
        self.whole();
    }
}
