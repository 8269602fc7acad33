//! Files, connections to others, and bytes that go from one to the other by themselves.
//!
//! Knows: where bytes come from and where they go. Must not know who carries them.
//!
//! | from | to | |
//! |---|---|---|
//! | a file | memory, and back | [`fs`](crate::fs) |
//! | a file | a peer | [`Stream::send_file`](crate::Stream::send_file), for connections that a future serves |
//! | a peer | a file | [`Context::forward_to_file`](crate::Context::forward_to_file), for connections that are actors |
//! | a peer | another peer | [`Context::forward_to`](crate::Context::forward_to) |
//!
//! All of them wait without keeping their core, and all are bounded: by the memory that is given away for a read, by the outbox
//! of whoever is sent something, and by [`Config::unwritten_bytes_max`](crate::Config::unwritten_bytes_max) in front of a file.
//!
//! # Files
//!
//! A [`File`](crate::fs::File) belongs to the core that has opened it. Where names come from strangers, open the folder once, as a
//! [`Directory`](crate::fs::Directory), and files below it: no path leads out of it, whatever is in it.
//!
//! What is to be sent need not be looked at. `send_file` reads into the memory that is sent from, one piece while the one before
//! leaves, and no more than the outbox has room for: a peer that reads slowly has the file read slowly.
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::path::PathBuf;
//! use odeon::fs::Directory;
//! use odeon::prelude::*;
//!
//! /// A line is the name of a file; its answer is a line with the length, and then the file.
//! async fn serve(mut stream: Stream, folder: PathBuf) -> io::Result<()> {
//!     let folder = Directory::open(folder).await?;
//!     while let Some(name) = stream.read_line(255).await? {
//!         match folder.open_file(name).await {
//!             Ok(file) => {
//!                 let length = file.metadata().await?.len(); // of what must be a file: see `is_file`
//!                 stream.write_all(format!("{length}\n")).await?;
//!                 stream.send_file(&file, 0, length).await?;
//!             }
//!             Err(error) => stream.write_all(format!("no: {}\n", error.kind())).await?,
//!         }
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("odeon-manual-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let removed = folder.clone();
//! std::fs::write(folder.join("poem"), "roses are red\n")?;
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let listening = system.listener("127.0.0.1:0").serve(move |stream| serve(stream, folder))?;
//!
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"poem\nabsent\n../../etc/passwd\n")?;
//! client.shutdown(Shutdown::Write)?;
//! let mut answers = String::new();
//! client.read_to_string(&mut answers)?;
//! # std::fs::remove_dir_all(removed)?;
//! assert!(answers.starts_with("14\nroses are red\nno: entity not found\nno: "));
//! # Ok(())
//! # }
//! ```
//!
//! A length that was promised may turn out wrong, because somebody cuts the file short or the disk fails. Then the connection ends by
//! a reset, so that nobody takes a part for the whole; the error says why. The example `files` serves a folder over HTTP like this.
//!
//! Where the same memory serves again and again, it can be a [`Region`](crate::fs::Region): blocks that the kernel is told of once. Files
//! are read into a block and written from it by the methods that take vectors, and a block that is
//! [frozen](crate::fs::RegionBuf::freeze) is sent by [`write_bytes`](crate::Stream::write_bytes). It goes back when it has been sent. A region
//! belongs to a core, and there are few of them ([`Config::regions_max`](crate::Config::regions_max)): where there are many connections,
//! a core makes one for all of them, and keeps it in a `thread_local!`, of which each takes a clone.
//!
//! ```
//! # use std::io::Read;
//! # use std::net::TcpStream;
//! use odeon::fs::{File, Region};
//! use odeon::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("odeon-blocks-{}", std::process::id()));
//! # std::fs::write(&path, "violets are blue\n")?;
//! # let removed = path.clone();
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let listening = system.listener("127.0.0.1:0").serve(move |mut stream: Stream| {
//!     let path = path.clone();
//!     async move {
//!         let region = Region::new(2, 64 << 10).await?;
//!         let block = region.take().expect("nobody has one yet");
//!         let (read, block) = File::open(&path).await?.read_at(block, 0).await;
//!         read?;
//!         stream.write_bytes(block.freeze()).await?;
//!         region.remove().await; // once the kernel has done with it
//!         Ok(())
//!     }
//! })?;
//!
//! let mut text = String::new();
//! TcpStream::connect(listening.address())?.read_to_string(&mut text)?;
//! assert_eq!(text, "violets are blue\n");
//! # std::fs::remove_file(removed)?;
//! # Ok(())
//! # }
//! ```
//!
//! # From a peer to a file
//!
//! [`forward_to_file`](crate::Context::forward_to_file) has so many bytes behind a frame, or all up to the end of the stream, written to a
//! file, and `#[forwarded]` gets the file back: with how many bytes are written, and why not all of them are, if so. It is what
//! [`read_exact_into`](crate::Context::read_exact_into) is for memory, and comes in its place: frames go on behind it. Large pieces are
//! written from the receive buffer that they have arrived in. A disk that is slow makes the peer wait. One that is full ends the connection:
//! in order, behind whatever the actor has to say, if `#[forwarded]` answers [`Flow::Close`](crate::Flow::Close), and by a reset otherwise.
//! Where the peer has gone silent, an idle timeout stops the connection, which `#[stopped]` is told of, and not `#[forwarded]`:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::path::PathBuf;
//! use odeon::fs::File;
//! use odeon::prelude::*;
//! use odeon::{ForwardedFile, Timeout};
//!
//! struct Upload {
//!     folder: PathBuf,
//! }
//!
//! #[actor(codec = Lines<200>)]
//! impl Upload {
//!     /// `PUT name length`, and so many bytes.
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
//!         let mut words = line.split(' ').skip(1);
//!         let (Some(name), Some(Ok(length))) = (words.next(), words.next().map(str::parse)) else { return Flow::Close };
//!         let path = self.folder.join(name); // from a friend: see `Directory` for strangers
//!         cx.exclusive("Upload::begin", Timeout::Default, async move |_, cx: &mut Context<Self>| {
//!             let Ok(file) = File::create(path).await else { return Flow::Fail };
//!             if cx.forward_to_file(file, 0, Some(length)).is_ok() { Flow::Continue } else { Flow::Fail }
//!         })
//!     }
//!
//!     #[forwarded]
//!     fn kept(&mut self, ForwardedFile { file, bytes, end }: ForwardedFile, cx: &mut Context<Self>) -> Flow {
//!         if let Err(error) = end {
//!             writeln!(cx, "507 {bytes} bytes: {error}");
//!             return Flow::Close;
//!         }
//!         cx.exclusive("Upload::sync", Timeout::Default, async move |_, cx: &mut Context<Self>| {
//!             // Not before it would survive a power cut.
//!             cx.write(if file.sync_data().await.is_ok() { "201\n" } else { "507\n" });
//!             Flow::Continue
//!         })
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("odeon-manual-put-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let kept = folder.clone();
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let listening = system.listener("127.0.0.1:0").start(move |_peer| Upload { folder: folder.clone() })?;
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"PUT poem 14\nroses are red\n")?;
//! let mut answer = [0; 4];
//! client.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"201\n");
//! assert_eq!(std::fs::read(kept.join("poem"))?, b"roses are red\n");
//! # std::fs::remove_dir_all(kept)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Connecting to others
//!
//! [`connect`](crate::connect), in a future on a core: awaited it is a [`Stream`](crate::Stream), and
//! [`start`](crate::Connect::start) makes an actor of it, which is as one that was accepted.
//!
//! # From one connection to another
//!
//! [`forward_to`](crate::Context::forward_to) ties the connections of two actors of one core, in one direction. From then on what the first
//! receives is written to the second, and neither sees a frame of it. Tied in both directions, they are a proxy:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
//! use odeon::{ForwardError, Timeout};
//! use odeon::prelude::*;
//!
//! struct Client {
//!     upstream: SocketAddr,
//! }
//!
//! #[actor(codec = Raw)]
//! impl Client {
//!     /// A hook is synchronous, and begins what has to wait. Nothing is read from the client meanwhile.
//!     #[started]
//!     fn connect(&mut self, cx: &mut Context<Self>) -> Flow {
//!         cx.exclusive("Client::connect", Timeout::Never, async |me: &mut Client, cx: &mut Context<Client>| {
//!             let client = cx.me();
//!             let upstream = odeon::connect(me.upstream).start(move |_peer| Upstream { client }).await;
//!             let tied = upstream.is_ok_and(|upstream| cx.forward_to(upstream).is_ok());
//!             if tied { Flow::Continue } else { Flow::Fail } // the client sees a reset
//!         })
//!     }
//!
//!     #[frame]
//!     fn bytes(&mut self, _: &[u8]) {
//!         unreachable!("what arrives is forwarded");
//!     }
//! }
//!
//! struct Upstream {
//!     client: Addr<Client>,
//! }
//!
//! #[actor(codec = Raw)]
//! impl Upstream {
//!     #[started]
//!     fn tie(&mut self, cx: &mut Context<Self>) -> Result<(), ForwardError> {
//!         cx.forward_to(self.client)
//!     }
//!
//!     #[frame]
//!     fn bytes(&mut self, _: &[u8]) {
//!         unreachable!("what arrives is forwarded");
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TcpListener::bind("127.0.0.1:0")?;
//! let upstream = server.local_addr()?;
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let proxy = system.listener("127.0.0.1:0").start(move |_peer| Client { upstream })?;
//!
//! let mut client = TcpStream::connect(proxy.address())?;
//! client.write_all(b"a question")?;
//! client.shutdown(Shutdown::Write)?;
//!
//! let (mut accepted, _) = server.accept()?;
//! let mut question = String::new();
//! accepted.read_to_string(&mut question)?; // up to its end, which was passed on
//! accepted.write_all(question.replace("question", "answer").as_bytes())?;
//! drop(accepted);
//!
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert_eq!(answer, "a answer");
//! # Ok(())
//! # }
//! ```
//!
//! The receive buffer itself goes into the output of the other connection, as long as buffers can be spared, so that large pieces are
//! not copied. A peer that reads slowly makes the one that sends wait. Whichever connection breaks, the peer of the other gets what
//! had come for it, and then sees a reset: also where an upstream answers before it has read everything, and closes. Where neither has sent
//! anything for the idle timeout of one of them, both get what had come for them, and then the end of the stream.
//! [`Context::forwarded_bytes`](crate::Context::forwarded_bytes) counts. Tying begins where the actor has read up to: it may read a
//! greeting first, and forward what follows.
//!
//! The example `proxy` is this with a timeout and figures.
//!
//! Tested in `tests/server/files.rs`, `tests/server/connects.rs`, `tests/server/proxies.rs`, `tests/simulation/forwards.rs` and
//! `tests/simulation/uploads.rs`.
