//! Entries that found the submission queue full leave it in the order in which they came, whatever room there is by then.

use super::*;

#[test]
fn an_entry_does_not_overtake_those_that_wait_for_room() {
    needs_io_uring!();
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(2, 64));
    let connections: Vec<_> = (0..3).map(|_| rig.connect()).collect();
    rig.turn(Wait::No);
    for (number, (_, socket)) in connections.iter().enumerate() {
        rig.submit(Token(1000 + number as u64), Op::Receive { socket: *socket });
    }
    assert_eq!(
        (rig.uring.outgoing.room(), rig.uring.outgoing.waiting()),
        (0, true),
        "the last receive waits"
    );
    // There is room in the queue again, and the receive has not been moved there.
    rig.uring.outgoing.ring.enter(Pause::No).unwrap();
    rig.cancel(connections[2].1);
    // Had the cancel come first, it would have found nothing to cancel.
    assert_eq!(rig.receive_end(Token(1002)), ReceiveEnd::Cancelled);
    rig.end();
}
