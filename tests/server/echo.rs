//! Bytes and frames, there and back.
//!
//! Knows: sizes, pieces, limits of frames. Must not know how connections end for other reasons.

use std::io::Write;
use std::thread;

use odeon::net::codec::FrameError;
use odeon::prelude::*;
use odeon::sys::Random;

use crate::client::{connect, ends_by_reset, exchange, expect, finish, pattern, request, rest, size};
use crate::session::{Habits, Told, sessions};
use crate::world::World;

/// Writes back what it receives.
pub(crate) struct Echo;

impl Actor for Echo {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Echo {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

/// Writes back each frame, with its length before it.
pub(crate) struct Frames;

impl Actor for Frames {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Frames {
    type Codec = LengthDelimited<{ 256 << 10 }>;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.send_frame(bytes).expect("what could be read can be written");
        Flow::Continue
    }
}

pub(crate) fn bytes_come_back_whatever_their_number_and_however_they_are_split(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.serve(|_| Echo);
    let mut random = Random::new(1);
    for size in [1, 2, 63, 64, 65, 255, 256, 257, 65_535, 65_536, 65_537, 1 << 20] {
        exchange(&connect(address), &mut random, &pattern(size, size as usize));
    }
    let stream = connect(address);
    for round in 0..40 {
        let size = size(&mut random, 18);
        exchange(&stream, &mut random, &pattern(round, size));
    }
    drop(stream);
    world.finish();
}

pub(crate) fn pipelined_lines_are_answered_in_order(on: BackendChoice) {
    let (make, _events) = sessions(Habits::default());
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    let mut stream = connect(address);
    let requests: String = (0..5000).map(|number| format!("echo {number}\n")).collect();
    let replies: String = (0..5000).map(|number| format!("{number}\n")).collect();
    let mut writer = stream.try_clone().expect("a descriptor is left");
    let all = thread::spawn(move || writer.write_all(requests.as_bytes()).expect("the server reads"));
    expect(&mut stream, replies.as_bytes());
    all.join().expect("the writer ends");
    drop(stream);
    world.finish();
}

pub(crate) fn frames_that_straddle_buffers_are_whole(on: BackendChoice) {
    // Buffers so small that most frames straddle several.
    let mut world = World::with(on, 1, |config| {
        config.receive_buffers = 4;
        config.receive_buffer_bytes = 1000;
    });
    let address = world.serve(|_| Frames);
    let stream = connect(address);
    let mut random = Random::new(2);
    for round in 0..30 {
        let mut bytes = Vec::new();
        for frame in 0..20_u64 {
            let len = size(&mut random, 15);
            bytes.extend_from_slice(&(len as u32).to_be_bytes());
            bytes.extend(pattern(round * 100 + frame, len));
        }
        exchange(&stream, &mut random, &bytes);
    }
    drop(stream);
    world.finish();
}

pub(crate) fn a_frame_too_large_is_told_and_what_was_queued_arrives(on: BackendChoice) {
    let (make, events) = sessions(Habits { last_words: "bye\n", ..Habits::default() });
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    let mut stream = connect(address);
    let mut bytes = b"big 200000\necho before\n".to_vec();
    bytes.resize(bytes.len() + (1 << 16) + 10, b'x');
    bytes.extend_from_slice(b"\necho after\n");
    stream.write_all(&bytes).expect("the server reads");
    let mut expected = pattern(1, 200_000);
    expected.extend_from_slice(b"before\nbye\n");
    assert!(
        rest(&mut stream) == expected,
        "what was queued before the mistake arrives, and nothing after it"
    );
    events.started();
    assert!(matches!(events.next(), Told::Malformed(FrameError::TooLarge { .. })));
    assert_eq!(events.next(), Told::Stopped(StopReason::Malformed));
    drop(stream);
    world.finish();
}

pub(crate) fn garbage_ends_its_connection_only(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.serve(|_| Frames);
    let mut healthy = connect(address);
    for seed in 0..50 {
        let mut stream = connect(address);
        // A length far above the limit, in front of noise.
        let mut bytes = vec![0xff, 0xff, 0xff, 0xff];
        bytes.extend(pattern(seed, 3000));
        stream.write_all(&bytes).expect("the kernel takes it");
        finish(&stream);
        ends_by_reset(&mut stream);
        healthy.write_all(b"\0\0\0\x02ok").expect("the server reads");
        expect(&mut healthy, b"\0\0\0\x02ok");
    }
    drop(healthy);
    world.finish();
}

pub(crate) fn many_clients_on_two_cores_are_told_apart(on: BackendChoice) {
    let (make, _events) = sessions(Habits::default());
    let mut world = World::new(on, 2);
    let address = world.serve(make);
    thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                let mut streams: Vec<_> = (0..25).map(|_| connect(address)).collect();
                for round in 0..10 {
                    for (number, stream) in streams.iter_mut().enumerate() {
                        request(
                            stream,
                            &format!("echo {client} {number} {round}"),
                            &format!("{client} {number} {round}\n"),
                        );
                    }
                }
            });
        }
    });
    for (core, ledger) in world.ledgers().iter().enumerate() {
        assert!(ledger.connections_opened > 0, "the kernel's hash leaves no core out of 200: {core}");
    }
    world.finish();
}
