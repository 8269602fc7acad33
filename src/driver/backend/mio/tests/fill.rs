//! Receives into memory that is handed back.

use super::*;
use crate::driver::Fill;

const FILL: Token = Token(30);

impl Rig {
    fn fill(&mut self, token: Token, socket: SocketId, held: &[u8], room: usize) {
        let mut buffer = Vec::with_capacity(held.len() + room);
        buffer.extend_from_slice(held);
        assert_eq!(buffer.capacity(), held.len() + room, "the allocator gives what is asked for");
        self.submit(
            token,
            Op::Fill { socket, fill: Box::new(Fill { buffer, max: usize::MAX, outcome: Ok(0) }) },
        );
    }

    fn filled(&mut self, expected: Token) -> (Vec<u8>, Result<u32, Errno>) {
        match self.next() {
            (token, Event::Filled { fill }) if token == expected => (fill.buffer, fill.outcome),
            other => panic!("expected memory that is filled, got {other:?}"),
        }
    }
}

#[test]
fn bytes_go_behind_what_is_there_and_no_further_than_there_is_room() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    rig.fill(FILL, socket, b"held:", 6);
    rig.enter(Wait::No);
    assert!(rig.seen.is_empty(), "nothing has come");
    client.write_all(b"a long body").unwrap();
    assert_eq!(rig.filled(FILL), (b"held:a long".to_vec(), Ok(6)));
    rig.fill(FILL, socket, b"", 100);
    assert_eq!(rig.filled(FILL), (b" body".to_vec(), Ok(5)), "what was too much has waited");
    client.write_all(b"last").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    rig.fill(FILL, socket, b"", 4);
    assert_eq!(rig.filled(FILL), (b"last".to_vec(), Ok(4)));
    rig.fill(FILL, socket, b"kept", 4);
    assert_eq!(rig.filled(FILL), (b"kept".to_vec(), Ok(0)), "the end of the stream");
    rig.assert_nothing_left();
}

#[test]
fn memory_comes_back_when_a_fill_is_cancelled_or_fails_and_no_bytes_are_lost() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    rig.fill(FILL, socket, b"mine", 8);
    rig.enter(Wait::No);
    client.write_all(b"bytes").unwrap();
    rig.submit(Token(9), Op::Cancel { socket });
    assert_eq!(rig.filled(FILL), (b"mine".to_vec(), Err(Errno::ECANCELED)));
    assert!(matches!(rig.next(), (Token(9), Event::Cancelled)));
    rig.submit(Token(7), Op::Receive { socket });
    assert_eq!(rig.next_bytes(), (Token(7), b"bytes".to_vec()));
    rig.submit(Token(9), Op::Cancel { socket });
    rig.next();
    rig.next();
    rig.fill(FILL, socket, b"mine", 8);
    rig.enter(Wait::No);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(rig.filled(FILL), (b"mine".to_vec(), Err(Errno::ECONNRESET)));
    rig.close(socket, false);
    rig.fill(FILL, socket, b"mine", 8);
    assert_eq!(rig.filled(FILL), (b"mine".to_vec(), Err(Errno::EBADF)));
    let (socket, _client) = rig.connection();
    rig.fill(FILL, socket, b"mine", 8);
    rig.submit(Token(9), Op::Reset { socket });
    assert_eq!(rig.filled(FILL).1, Err(Errno::ECONNRESET));
    rig.assert_nothing_left();
}

#[test]
fn a_fill_needs_no_buffer_of_the_pool() {
    let mut rig = Rig::new(8, 1, 16);
    let (greedy, mut one) = rig.connection();
    let (socket, mut other) = rig.connection();
    one.write_all(&[1; 16]).unwrap();
    rig.submit(Token(1), Op::Receive { socket: greedy });
    let (_, Event::Received { lease }) = rig.next() else { panic!("there was one buffer") };
    other.write_all(b"bytes").unwrap();
    rig.submit(Token(2), Op::Receive { socket });
    while !rig.mio.starving.contains(&socket) {
        rig.enter(Wait::Until(rig.mio.now().after(Duration::from_millis(1))));
    }
    rig.submit(Token(3), Op::Cancel { socket });
    assert!(matches!(rig.next(), (Token(2), Event::ReceiveEnded { why: ReceiveEnd::Cancelled })));
    assert!(matches!(rig.next(), (Token(3), Event::Cancelled)));
    rig.fill(FILL, socket, b"", 16);
    assert_eq!(rig.filled(FILL), (b"bytes".to_vec(), Ok(5)));
    rig.pools.receive.release(lease);
    rig.assert_nothing_left();
}

#[test]
fn large_fills_do_not_starve_others() {
    let mut rig = Rig::new(8, 4, 4096);
    let (fast, mut flood) = rig.connection();
    let (slow, mut drop_of_water) = rig.connection();
    flood.write_all(&[1; 32 * 1024]).unwrap();
    drop_of_water.write_all(&[2]).unwrap();
    rig.fill(Token(1), fast, b"", 1024);
    rig.submit(Token(2), Op::Receive { socket: slow });
    let mut fills = 0;
    loop {
        match rig.next() {
            (Token(1), Event::Filled { fill }) => {
                assert_eq!(fill.outcome, Ok(1024));
                fills += 1;
                rig.fill(Token(1), fast, b"", 1024);
            }
            (Token(2), Event::Received { lease }) => break rig.pools.receive.release(lease),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(fills <= BURST, "served after {fills} fills of the fast one");
    rig.assert_nothing_left();
}
