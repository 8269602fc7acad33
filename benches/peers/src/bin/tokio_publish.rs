//! A server of tokio that publishes to all what any of its connections sends, by one broadcast channel, on one thread.
//!
//! Knows: a task per connection that writes, and one that reads. Must not know what is measured.
//!
//! By default each message is written by itself; `--gather` writes whatever has come since in one.

use odeon_peers::{BUFFER_BYTES, address, announce};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Bytes of a message.
const MESSAGE: usize = 100;
/// Messages that wait for somebody who does not read; older ones are missed.
const BACKLOG: usize = 1024;

type Said = [u8; MESSAGE];

async fn read(mut stream: OwnedReadHalf, room: Sender<Said>) -> std::io::Result<()> {
    // Few of ten thousand ever send anything.
    stream.readable().await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let (messages, _) = buffer[..filled].as_chunks::<MESSAGE>();
        for message in messages {
            // Somebody has subscribed: this connection.
            let _ = room.send(*message);
        }
        let used = messages.len() * MESSAGE;
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

async fn write_each(mut stream: OwnedWriteHalf, mut said: Receiver<Said>) -> std::io::Result<()> {
    loop {
        match said.recv().await {
            Ok(message) => stream.write_all(&message).await?,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn write_gathered(mut stream: OwnedWriteHalf, mut said: Receiver<Said>) -> std::io::Result<()> {
    let mut gathered = Vec::new();
    loop {
        match said.recv().await {
            Ok(message) => gathered.extend_from_slice(&message),
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        }
        loop {
            match said.try_recv() {
                Ok(message) => gathered.extend_from_slice(&message),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        stream.write_all(&gathered).await?;
        gathered.clear();
    }
}

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(address())?;
    socket.listen(4096)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let gather = std::env::args().any(|word| word == "--gather");
    let listener = listen()?;
    announce(listener.local_addr()?);
    let (room, _) = channel(BACKLOG);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let said = room.subscribe();
        // A client that is gone concerns nobody else.
        tokio::spawn(read(reader, room.clone()));
        if gather {
            tokio::spawn(write_gathered(writer, said));
        } else {
            tokio::spawn(write_each(writer, said));
        }
    }
}
