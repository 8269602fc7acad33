//! What is passed on without a look at it: from one connection to another, and to a file.
//!
//! Knows: what goes in on one side and comes out on the other. Must not know how it gets there.

use std::net::SocketAddr;

use odeon::Timeout;
use odeon::fs::File;
use odeon::prelude::*;

use super::hand::{Hand, Told, act};
use super::peer::Peer;
use super::stage::{Far, On, Service, Stage, as_usual, play};
use crate::world::{PART, pattern};

/// Connects to the far side, and ties both to each other.
fn tie(_: &mut Hand, cx: &mut Context<Hand>, to: SocketAddr) -> Flow {
    cx.exclusive("tie", Timeout::Never, async move |hand: &mut Hand, cx: &mut Context<Hand>| {
        let (near, other) = (cx.me(), hand.other());
        let far = odeon::connect(to).start(move |_| other).await.expect("somebody listens");
        cx.forward_to(far).expect("nobody else feeds it");
        far.tell(act(move |_, cx| cx.forward_to(near).expect("nobody else feeds it")))
            .expect("there is room");
        Flow::Continue
    })
}

/// A peer, and what it is connected to by way of two connections of the system.
fn tied<'a>(stage: &'a Stage<'_>, service: &Service, far: &mut Far<'a>) -> (Peer<'a>, Peer<'a>) {
    let (client, hand) = stage.connect(service);
    let to = far.address();
    stage.order(hand, move |hand, cx| tie(hand, cx, to));
    let far = far.accept();
    assert!(matches!(stage.told(service), Told::Started(_)));
    (client, far)
}

/// Both ends have been told of: why, and how many bytes have gone each way.
fn assert_ends(stage: &Stage<'_>, service: &Service, expected: [(StopReason, usize); 2]) {
    let mut ends = Vec::new();
    while ends.len() < 2 {
        match stage.told(service) {
            Told::EndOfStream => {}
            Told::Stopped(why, bytes) => ends.push((why, bytes as usize)),
            other => panic!("instead of an end: {other:?}"),
        }
    }
    assert!(
        expected.iter().all(|end| ends.contains(end)) && ends.iter().all(|end| expected.contains(end)),
        "{ends:?} instead of {expected:?}"
    );
}

pub fn bytes_go_both_ways_between_two_that_are_tied_and_so_do_ends(on: On) {
    let limits = |config: &mut Config| config.outbox_bytes_max = 10_000;
    play(on, 1, limits, |stage| {
        let (service, mut far) = (stage.serve(), stage.listen());
        for (up, down) in [(0, 0), (1, 70_000), (300_000, 200_000)] {
            let (mut client, mut server) = tied(stage, &service, &mut far);
            let bytes = [pattern(1, up), pattern(2, down)];
            let (mut sent, mut got) = ([0; 2], [Vec::new(), Vec::new()]);
            stage.until("all to have arrived", || {
                sent[0] += client.push(&bytes[0][sent[0]..]);
                sent[1] += server.push(&bytes[1][sent[1]..]);
                got[0].extend(server.pull(PART));
                got[1].extend(client.pull(PART));
                got[0].len() == up && got[1].len() == down
            });
            assert!(got == bytes);
            // A half-close is passed on, and what comes the other way still arrives.
            client.finish();
            assert_eq!(server.rest(), b"");
            server.write("answer");
            client.expect("answer");
            server.finish();
            assert_eq!(client.rest(), b"");
            assert_ends(stage, &service, [up, down + 6].map(|bytes| (StopReason::EndOfStream, bytes)));
        }
    });
}

pub fn who_does_not_read_makes_who_sends_there_wait(on: On) {
    /// What the sockets of both connections hold at most, the outbox, and what is on its way.
    const BETWEEN_MAX: usize = 28 << 20;
    let limits = |config: &mut Config| config.outbox_bytes_max = 1 << 20;
    play(on, 1, limits, |stage| {
        let (service, mut far) = (stage.serve(), stage.listen());
        let (mut client, mut server) = tied(stage, &service, &mut far);
        let part = pattern(0, 251 * 256);
        let (mut written, mut quiet) = (0, 0);
        while quiet < 20 {
            let more = server.push(&part[written % part.len()..]);
            written += more;
            quiet = if more == 0 { quiet + 1 } else { 0 };
            assert!(written < BETWEEN_MAX, "nothing more is taken");
            stage.turns();
        }
        server.finish();
        let mut read = 0;
        while read < written {
            let bytes = client.read((part.len() - read % part.len()).min(written - read));
            assert!(part[read % part.len()..].starts_with(&bytes), "behind {read} bytes");
            read += bytes.len();
        }
        assert_eq!(client.rest(), b"");
        client.finish();
        assert_ends(stage, &service, [0, written].map(|bytes| (StopReason::EndOfStream, bytes)));
    });
}

pub fn a_reset_on_one_side_is_one_on_the_other(on: On) {
    play(on, 1, as_usual, |stage| {
        let (service, mut far) = (stage.serve(), stage.listen());
        let broken = StopReason::Disconnected(libc::ECONNRESET);
        let (mut client, mut server) = tied(stage, &service, &mut far);
        client.write("to the end");
        server.expect("to the end");
        server.reset();
        client.until_reset();
        assert_ends(stage, &service, [(StopReason::ForwardEnded, 10), (broken, 0)]);
        let (mut client, mut server) = tied(stage, &service, &mut far);
        server.write("to nobody");
        client.expect("to nobody");
        client.reset();
        server.until_reset();
        assert_ends(stage, &service, [(broken, 0), (StopReason::ForwardEnded, 9)]);
    });
}

/// Has so many bytes go to a file that is made, from a place in it on; or all.
fn file(_: &mut Hand, cx: &mut Context<Hand>, path: String, len: Option<u64>) -> Flow {
    cx.exclusive("file", Timeout::Never, async move |_: &mut Hand, cx: &mut Context<Hand>| {
        let file = File::create(path).await.expect("it can be made");
        cx.forward_to_file(file, 3, len).expect("nothing else is under way");
        Flow::Continue
    })
}

/// Lines of a number have so many bytes go to a file, `all` everything.
fn filing(stage: &Stage<'_>, path: String) -> Service {
    stage.serve_with(
        |listener| listener,
        move |hand, line, cx| match line {
            "behind" => {
                hand.tell(Told::Line(line.to_owned()));
                Flow::Continue
            }
            "all" => file(hand, cx, path.clone(), None),
            number => file(hand, cx, path.clone(), Some(number.parse().expect("a number"))),
        },
    )
}

pub fn bodies_go_to_a_file_within_a_bound(on: On) {
    let limits = |config: &mut Config| {
        // It is met again and again, and the peer has to wait.
        config.unwritten_bytes_max = 10_000;
        (config.receive_buffers, config.receive_buffer_bytes) = (16, 16 << 10);
    };
    play(on, 1, limits, |stage| {
        let files = stage.files();
        let service = filing(stage, format!("{}/kept", files.directory()));
        let (mut peer, _) = stage.connect(&service);
        let mut sum = 0;
        for (seed, len) in [5, 0, 4096, 100_000, 800_000].into_iter().enumerate() {
            let body = pattern(seed, len);
            let wire = [format!("{len}\n").as_bytes(), &body, b"behind\n"].concat();
            let mut sent = 0;
            stage.until("all to be sent", || {
                sent += peer.push(&wire[sent..]);
                sent == wire.len()
            });
            assert_eq!(stage.told(&service), Told::Filed(len as u64, None));
            assert_eq!(stage.told(&service), Told::Line("behind".into()));
            assert!(len == 0 || files.contents("kept").expect("it was made")[3..] == body, "{len} bytes");
            sum += len as u64;
        }
        peer.finish();
        assert_eq!(stage.told(&service), Told::EndOfStream);
        assert_eq!(stage.told(&service), Told::Stopped(StopReason::EndOfStream, sum));
    });
}

pub fn a_file_has_what_came_when_its_stream_ends_or_breaks(on: On) {
    const LEN: usize = 200_000;
    play(on, 1, as_usual, |stage| {
        let files = stage.files();
        let service = filing(stage, format!("{}/kept", files.directory()));
        let kept = || files.contents("kept").expect("it was made")[3..].to_vec();
        let body = pattern(7, LEN);
        for (line, why) in [("all", None), ("200001", Some(StopReason::EndOfStream))] {
            let (mut peer, _) = stage.connect(&service);
            peer.write([line.as_bytes(), b"\n", &body].concat());
            peer.finish();
            assert_eq!(stage.told(&service), Told::Filed(LEN as u64, why));
            assert!(kept() == body);
            assert_eq!(stage.told(&service), Told::EndOfStream);
            assert_eq!(stage.told(&service), Told::Stopped(StopReason::EndOfStream, LEN as u64));
            assert_eq!(peer.rest(), b"");
        }
        let service = filing(stage, format!("{}/broken", files.directory()));
        let (mut peer, _) = stage.connect(&service);
        peer.write([b"200001\n", &body[..]].concat());
        let some = || files.contents("broken").is_some_and(|kept| kept.len() > 3);
        stage.until("some of it to be written", some);
        peer.reset();
        let broken = StopReason::Disconnected(libc::ECONNRESET);
        let Told::Filed(bytes, Some(why)) = stage.told(&service) else { panic!("it has not all come") };
        assert_eq!((why, stage.told(&service)), (broken, Told::Stopped(broken, bytes)));
        let broken = files.contents("broken").expect("it was made");
        assert!(broken[3..] == body[..bytes as usize], "{bytes} bytes");
    });
}
