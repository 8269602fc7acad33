//! An echo server of monoio on io_uring, on one thread.
//!
//! Knows: a task per connection, whose buffer goes to the kernel and back. Must not know what is measured.

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use odeon_peers::{BUFFER_BYTES, address, announce};

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let (read, filled) = stream.read(buffer).await;
        if read? == 0 {
            return Ok(());
        }
        let (written, used) = stream.write_all(filled).await;
        written?;
        buffer = used;
        buffer.clear();
    }
}

#[monoio::main(driver = "uring", entries = 4096)]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(address())?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that is gone concerns nobody else.
        monoio::spawn(echo(stream));
    }
}
