//! Tests of what is left out where a peer does not read, or not as fast as it is written to.
//!
//! Knows: the policies of an output. Must not know connections.

use super::*;
use crate::sys::Time;

/// An output of which old writes may be dropped, with one byte on its way so that everything else waits.
fn dropping(pool: &SendPool, max: usize) -> (Output, Chain) {
    let mut output = Output::new(max).overflowing(Overflow::DropOldest);
    output.write(pool, b"-").unwrap();
    let chain = output.next(pool);
    assert_eq!(chain.bytes(), 1);
    (output, chain)
}

fn arrive(output: &mut Output, pool: &SendPool, chain: Chain) {
    output.sent(pool, chain.bytes());
    pool.release(chain);
}

#[test]
fn old_writes_make_room_for_new_ones_whole_and_no_more_than_have_to() {
    let pool = ample();
    let (mut output, chain) = dropping(&pool, 11);
    for text in ["aaa", "bb", "ccccc"] {
        output.write(&pool, text.as_bytes()).unwrap();
    }
    assert_eq!((output.queued(), output.lost()), (11, 0));
    output.write(&pool, b"d").unwrap();
    assert_eq!((output.queued(), output.lost()), (9, 1), "the first of them was enough");
    output.write_line(&pool, b"ee");
    assert_eq!((output.queued(), output.lost()), (10, 2));
    output.write_bytes(&pool, &mut Bytes::from("f")).unwrap();
    assert_eq!(output.write(&pool, &[0; 11]), Err(Full), "that would not fit beside what is on its way");
    assert_eq!(output.lost(), 2, "and nothing was dropped in vain");
    assert_eq!(output.take_left_out(), LeftOut { refused: 0, dropped: 2 });
    output.leave_out();
    assert!(!output.overflowed());
    assert_eq!(output.take_left_out(), LeftOut { refused: 1, dropped: 0 });
    arrive(&mut output, &pool, chain);
    assert_eq!(output.lost(), 3);
    assert_eq!(drain(&mut output, &pool), b"cccccdee\nf");
    assert_eq!(output.lost(), 0, "nothing is queued");
    assert!(output.aside.is_none());
    assert_all_is_given_back(&pool);
}

#[test]
fn what_leaves_with_the_next_send_is_not_dropped() {
    let pool = ample();
    let mut output = Output::new(10).overflowing(Overflow::DropOldest);
    output.write(&pool, b"aaaaa").unwrap();
    output.write(&pool, b"bbbb").unwrap();
    assert!(output.aside.is_none());
    assert_eq!(output.write(&pool, b"cc"), Err(Full));
    assert_eq!(drain(&mut output, &pool), b"aaaaabbbb");
    assert!(output.aside.is_none());
}

#[test]
fn what_is_on_its_way_leaves_room_for_the_newest() {
    let pool = ample();
    let (mut output, chain) = dropping(&pool, 101);
    (0..10).for_each(|byte| output.write(&pool, &[byte; 10]).unwrap());
    arrive(&mut output, &pool, chain);
    let chain = output.next(&pool);
    assert_eq!(chain.bytes(), 51, "half of the bound");
    (10..30).for_each(|byte| output.write(&pool, &[byte; 10]).unwrap());
    assert_eq!(output.take_left_out(), LeftOut { refused: 0, dropped: 20 });
    let mut got = content(&pool, &chain);
    arrive(&mut output, &pool, chain);
    got.extend(drain(&mut output, &pool));
    let whole = [0, 1, 2, 3, 4, 5, 26, 27, 28, 29].map(|byte| [byte; 10]);
    assert_eq!(got, whole.concat(), "the sixth had begun to leave");
    assert_all_is_given_back(&pool);
}

#[test]
fn a_write_whose_beginning_has_left_is_not_dropped() {
    let pool = SendPool::new([64, 64, 64, 16, 4]).bounded(1000, WAITING_BYTES_MAX);
    let (mut output, chain) = dropping(&pool, 4001);
    output.write(&pool, &[1; 900]).unwrap();
    for byte in 2..=4 {
        output.write(&pool, &[byte; 1000]).unwrap();
    }
    arrive(&mut output, &pool, chain);
    // The first, and a hundred bytes of the second.
    let chain = output.next(&pool);
    assert_eq!(chain.bytes(), 1000);
    output.write(&pool, &[5; 1000]).unwrap();
    assert_eq!(output.lost(), 1, "the third had to go");
    assert_eq!(output.write(&pool, &[6; 3000]), Err(Full));
    let mut got = content(&pool, &chain);
    arrive(&mut output, &pool, chain);
    got.extend(drain(&mut output, &pool));
    assert_eq!(got, [vec![1; 900], vec![2; 1000], vec![4; 1000], vec![5; 1000]].concat());
    assert_all_is_given_back(&pool);
}

#[test]
fn answers_and_what_stands_behind_them_are_not_dropped() {
    let pool = ample();
    let (mut output, chain) = dropping(&pool, 11);
    output.write(&pool, b"aa").unwrap();
    let place = output.defer(4).unwrap();
    output.write(&pool, b"bbb").unwrap();
    output.append(&pool, place, b"cc").unwrap();
    output.fill(&pool, place, b"dddd").unwrap();
    assert_eq!((output.queued(), output.lost()), (10, 1), "an answer may have old writes dropped");
    output.write(&pool, b"e").unwrap();
    assert_eq!(output.write(&pool, b"ff"), Err(Full));
    arrive(&mut output, &pool, chain);
    assert_eq!(drain(&mut output, &pool), b"ccddddbbbe");
    assert_all_is_given_back(&pool);
}

#[test]
fn nobody_waits_for_what_was_dropped() {
    let pool = ample();
    let (mut output, chain) = dropping(&pool, 11);
    output.write(&pool, b"aaa").unwrap();
    output.write(&pool, b"bb").unwrap();
    let watch = output.watch();
    output.write(&pool, b"ccc").unwrap();
    output.write(&pool, b"dddd").unwrap();
    assert_eq!(output.take_left_out().dropped, 1);
    let waker = || Waker::noop().clone();
    arrive(&mut output, &pool, chain);
    let chain = output.next(&pool);
    assert_eq!(content(&pool, &chain), b"bbcccd");
    output.sent(&pool, 1);
    assert_eq!(output.look(watch, waker()).0, Watched::Waits, "one byte is missing");
    output.sent(&pool, 1);
    assert_eq!(output.look(watch, waker()).0, Watched::Sent);
    output.sent(&pool, 4);
    pool.release(chain);
    output.unwatch(watch);
    assert_eq!(drain(&mut output, &pool), b"ddd");
    assert!(output.aside.is_none());
}

#[test]
fn where_the_core_has_no_memory_left_old_writes_make_room_too() {
    let pool = SendPool::new([8, 0, 0, 0, 0]).bounded(1000, 800);
    let (mut output, chain) = dropping(&pool, 10_000);
    output.write(&pool, &[1; 50]).unwrap();
    output.write(&pool, &[2; 40]).unwrap();
    output.write(&pool, &[3; 40]).unwrap();
    assert_eq!(output.lost(), 1);
    arrive(&mut output, &pool, chain);
    assert_eq!(drain(&mut output, &pool), [[2; 40], [3; 40]].concat());
}

#[test]
fn a_peer_that_is_slow_is_refused_until_it_has_caught_up() {
    let pool = ample();
    let mut output = Output::new(100).overflowing(Overflow::Refuse);
    output.write(&pool, &[1; 49]).unwrap();
    assert_eq!(output.note_high(Time(1)), None);
    output.write(&pool, &[1; 1]).unwrap();
    assert_eq!((output.note_high(Time(2)), output.note_high(Time(3))), (Some(Time(2)), Some(Time(2))));
    output.write(&pool, &[1; 30]).unwrap();
    output.be_slow();
    assert_eq!(output.write(&pool, &[2]), Err(Full));
    output.write_line(&pool, b"");
    let mut bytes = Bytes::from("x");
    assert_eq!(output.write_bytes(&pool, &mut bytes), Err(Full));
    let chain = output.next(&pool);
    output.sent(&pool, 55);
    assert_eq!(
        (output.write(&pool, &[2]), output.high_since()),
        (Err(Full), Some(Time(2))),
        "a quarter is left"
    );
    output.sent(&pool, 1);
    assert_eq!(output.high_since(), None);
    output.write(&pool, &[2]).unwrap();
    output.sent(&pool, 24);
    pool.release(chain);
    assert!(!output.is_sound(), "somebody is to be told");
    assert_eq!(output.take_left_out(), LeftOut { refused: 1, dropped: 0 });
    assert_eq!(drain(&mut output, &pool), [2]);
    assert!(output.aside.is_none() && output.is_sound() && !output.is_slow());
}

#[test]
fn of_a_peer_that_is_slow_old_writes_are_dropped_down_to_half_of_the_bound() {
    let pool = ample();
    let (mut output, chain) = dropping(&pool, 101);
    for byte in 1..=9 {
        output.write(&pool, &[byte; 10]).unwrap();
    }
    assert_eq!(output.note_high(Time(2)), Some(Time(2)));
    output.be_slow();
    output.write(&pool, &[10; 10]).unwrap();
    assert_eq!((output.queued(), output.lost()), (51, 5));
    output.write(&pool, &[11; 60]).unwrap();
    assert_eq!((output.queued(), output.lost()), (61, 10), "the newest has room within the bound");
    arrive(&mut output, &pool, chain);
    assert!(output.is_slow());
    assert_eq!(output.take_left_out().dropped, 10);
    assert_eq!(drain(&mut output, &pool), [11; 60]);
    assert!(output.aside.is_none() && !output.is_slow());
}

/// Random writes, of which old ones may be dropped: what leaves is whole, in order, and as much as was not said to be left out.
#[test]
fn whatever_is_dropped_what_leaves_is_whole_and_in_order() {
    let (seeds, steps) = if cfg!(miri) { (2, 60) } else { (200, 300) };
    let pools = [
        SendPool::new([512, 128, 32, 8, 2]).bounded(100_000, WAITING_BYTES_MAX).linking_from(200),
        SendPool::new([8, 2, 0, 0, 0]).bounded(600, WAITING_BYTES_MAX),
        SendPool::new([1, 0, 0, 0, 0]).bounded(1000, 4000),
    ];
    for seed in 0..seeds {
        let pool = &pools[seed as usize % 3];
        let mut random = Random::new(seed);
        let max = [30, 300, 3000][random.index(3)];
        let mut output = Output::new(max).overflowing(Overflow::DropOldest);
        // Each write is a length and a number, and so many bytes of that.
        let (mut number, mut refused, mut dropped, mut got) = (0_u16, 0, 0, Vec::new());
        let mut in_flight: Option<Chain> = None;
        for _ in 0..steps {
            match random.below(8) {
                0..5 => {
                    let most = [3, 20, 255][random.index(3)];
                    let len = 1 + random.index(most);
                    let [high, low] = number.to_be_bytes();
                    let write = [vec![len as u8, high, low], vec![low; len]].concat();
                    let owned = random.chance(0.3);
                    let written = match owned {
                        true => output.write_bytes(pool, &mut Bytes::from(write)),
                        false => output.write(pool, &write),
                    };
                    match written {
                        Ok(()) => number += 1,
                        Err(Full) => refused += 1,
                    }
                }
                5 if random.chance(0.1) => output.be_slow(),
                5..7 => {
                    if in_flight.is_none() {
                        let chain = output.next(pool);
                        got.extend(content(pool, &chain));
                        in_flight = Some(chain);
                    }
                }
                _ => in_flight.take().into_iter().for_each(|chain| arrive(&mut output, pool, chain)),
            }
            let left_out = output.take_left_out();
            assert_eq!(left_out.refused, 0);
            dropped += left_out.dropped as usize;
            assert!(output.queued() as usize <= max);
        }
        in_flight.into_iter().for_each(|chain| arrive(&mut output, pool, chain));
        got.extend(drain(&mut output, pool));
        let (mut rest, mut whole, mut next) = (&got[..], 0, 0);
        while let [len, high, low, more @ ..] = rest {
            let (write, behind) = more.split_at(usize::from(*len));
            assert!(write.iter().all(|byte| byte == low), "a write was cut");
            let written = u16::from_be_bytes([*high, *low]);
            assert!(written >= next, "{written} comes after {next}");
            (rest, whole, next) = (behind, whole + 1, written + 1);
        }
        assert_eq!(usize::from(number), whole + dropped, "{refused} were refused");
        assert!(output.aside.is_none());
        while pool.take_released().is_some() {}
        assert_eq!((pool.taken(), pool.wait(0, 500)), (0, Ok(())));
        pool.waited(500);
    }
}

#[test]
fn the_bound_that_a_connection_ends_for_is_the_one_that_was_passed_first() {
    let pool = ample();
    let mut output = Output::new(1000);
    assert_eq!(output.write(&pool, &[1; 1001]), Err(Full));
    output.overflow();
    assert_eq!(output.defer(0), Err(Full));
    output.overflow();
    assert_eq!(output.refused_by(), Bound::Bytes);
}
