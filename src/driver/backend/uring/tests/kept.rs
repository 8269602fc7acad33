//! Sockets that the kernel keeps when they have been closed, as Linux 6.1 does while operations on older ones go on.
//!
//! Whoever holds a socket beside the table stands for such a kernel.

use std::net::TcpListener;
use std::os::fd::AsRawFd;

use super::*;

#[test]
fn the_peer_of_a_socket_that_is_kept_sees_the_end() {
    needs_io_uring!();
    let mut rig = Rig::new();
    rig.uring.keeps_closed = true;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for reset in [false, true] {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let (kept, _) = listener.accept().unwrap();
        let (_other, socket) = rig.connect();
        let File::Direct(place) = rig.handle(socket).file else { panic!("what was accepted has a place") };
        // That of the other client is closed by this.
        rig.uring.outgoing.ring.set_file(place, kept.as_raw_fd()).unwrap();
        rig.close(socket, reset);
        match read(&mut client) {
            Ok(0) => assert!(!reset, "a reset is none"),
            Err(error) => assert!(reset && error.kind() == io::ErrorKind::ConnectionReset, "{error}"),
            Ok(_) => panic!("nothing was sent"),
        }
        drop(kept);
    }
    rig.assert_at_baseline();
    rig.end();
}
