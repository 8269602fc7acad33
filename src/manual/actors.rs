//! `#[actor]`: handlers, hooks, keys and addresses.
//!
//! Knows: what the attribute makes of a block. Must not know how it is expanded.
//!
//! The attribute stands on an `impl` block. Methods with an attribute of their own become handlers and hooks, and stay ordinary
//! methods, which tests can call. [`actor`](macro@crate::actor) lists all keys.
//!
//! # Two kinds of handler
//!
//! - `#[message]` takes one argument whose type derives [`Message`](crate::Message). It is reached by
//!   [`tell`](crate::Addr::tell), by [`ask`](crate::Addr::ask), and through a [`Recipient`](crate::Recipient) that hides the actor's type.
//!   It answers what the message says (`#[message(reply = …)]` on the type; nothing unless it says so).
//! - `#[call]` takes any arguments and answers anything. It is reached by the method of its name on the address, and by nothing else.
//!
//! A message has one handler, whatever it is called: of two that take one type, one of them by an alias, the compiler says that the
//! implementations of `Accepts` are in conflict.
//!
//! Both may take `cx: &mut Context<Self>`, and `reply: Reply<T>` to answer later. Parameters are recognised by the last name in
//! their type, whatever the order: `Context`, `Reply`, `Handle`, and in hooks `StopReason` and `FrameError`. An alias of these is not.
//!
//! `async` and `concurrent` handlers have [a page of their own](super::futures). `local` ones are reached by
//! [`LocalAddr`](crate::LocalAddr) only, from the same core, and may carry what is not `Send`.
//!
//! # Modules
//!
//! The methods of an address belong to a trait that is named after the actor: `RoomAddr` for a `Room`, and `RoomLocalAddr` for handlers
//! that are `local`. It is private to the module unless the attribute begins with a visibility, and who calls the methods elsewhere
//! imports it along with the actor; where that was forgotten, the compiler finds no such method, and names the trait to import. `tell`,
//! `ask` and `Recipient` need no import.
//!
//! ```
//! mod room {
//!     use odeon::prelude::*;
//!
//!     #[derive(Default)]
//!     pub struct Room(Vec<String>);
//!
//!     /// One block for each type: all handlers stand in it. Other methods may, too, or elsewhere.
//!     #[actor(pub)]
//!     impl Room {
//!         #[call]
//!         fn enter(&mut self, name: String) -> usize {
//!             self.0.push(name);
//!             self.count()
//!         }
//!
//!         /// No handler, because nothing is written above it: nobody reaches it by an address.
//!         fn count(&self) -> usize {
//!             self.0.len()
//!         }
//!     }
//! }
//!
//! use odeon::prelude::*;
//! use room::{Room, RoomAddr};
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let room: Addr<Room> = system.spawn(Room::default())?;
//! assert_eq!(room.enter("Ada".to_owned()).wait(), Ok(1));
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! Where the name is taken, by an alias such as `type RoomAddr = Addr<Room>`, or by another block for a generic type
//! (`Shelf<String>` and `Shelf<u64>`), `#[actor(address = LobbyAddr)]` gives the trait another.
//!
//! # Hooks
//!
//! | | runs |
//! |---|---|
//! | `#[started]` | once, before everything else |
//! | `#[frame]` | for each frame of the connection |
//! | `#[body]` | when a body that was asked for by its length has come, or not all of it: [`Context::read_exact_into`](crate::Context::read_exact_into) |
//! | `#[forwarded]` | when what was to go to a file is written, or not all of it: [`Context::forward_to_file`](crate::Context::forward_to_file) |
//! | `#[end_of_stream]` | when the peer has sent everything; closes the connection unless there is one |
//! | `#[malformed]` | when the peer sent what the codec refuses |
//! | `#[idle("10m")]` | after so long without a byte; closes the connection unless there is one |
//! | `#[every("30s")]` | again and again, on a schedule that does not drift; up to 32 of them. `missed = burst` or `delay` says what becomes of [times that are missed](super::time) |
//! | `#[stopped]` | once, after everything else |
//!
//! # Results and errors
//!
//! A hook returns nothing, a [`Flow`](crate::Flow), or a `Result` of either. An `Err` ends the actor with
//! [`StopReason::Failed`](crate::StopReason::Failed). Of a connection that is no orderly end: an `Err` from `#[frame]`, as from any other hook,
//! resets it, and what was written and has not been sent is lost. Where the peer is to read why, write that and return
//! [`Flow::Close`](crate::Flow::Close). In a message or call an `Err` is the answer; where nobody asked it is a failure that is
//! counted, and told on standard error: of each handler once a second at most, and then how many more there were.
//!
//! # By hand
//!
//! All that the attribute makes can be written by hand. This block
//!
//! ```
//! use odeon::prelude::*;
//!
//! #[derive(Message)]
//! #[message(reply = u64)]
//! pub struct Add(u64);
//!
//! #[derive(Default)]
//! pub struct Sum(u64);
//!
//! #[actor(pub, mailbox(capacity = 64))]
//! impl Sum {
//!     #[message]
//!     fn add(&mut self, Add(more): Add) -> u64 {
//!         self.0 += more;
//!         self.0
//!     }
//!
//!     #[call]
//!     fn reset(&mut self, to: u64) {
//!         self.0 = to;
//!     }
//! }
//! # let system = System::builder().cores(Cores::Count(1)).build()?;
//! # let sum = system.spawn(Sum::default())?;
//! # sum.reset(40).wait().unwrap();
//! # assert_eq!(sum.add(Add(2)).wait(), Ok(42));
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! does the same as this:
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::{Call, Respond};
//!
//! # #[derive(Message)]
//! # #[message(reply = u64)]
//! # pub struct Add(u64);
//! #
//! # #[derive(Default)]
//! # pub struct Sum(u64);
//! #
//! impl Sum {
//!     fn add(&mut self, Add(more): Add) -> u64 {
//!         self.0 += more;
//!         self.0
//!     }
//!
//!     fn reset(&mut self, to: u64) {
//!         self.0 = to;
//!     }
//! }
//!
//! /// Everything that the mailbox holds.
//! pub struct SumMessage(Inner);
//!
//! enum Inner {
//!     Add(Add),
//!     AddAsked(Add, Reply<u64>),
//!     ResetAsked((u64,), Reply<()>),
//! }
//!
//! impl Actor for Sum {
//!     type Message = SumMessage;
//!     const MAILBOX_CAPACITY: u32 = 64;
//!
//!     fn handle(&mut self, message: SumMessage, _cx: &mut Context<Self>) -> Flow {
//!         match message.0 {
//!             Inner::Add(add) => Respond::<u64>::told(self.add(add), "Sum::add"),
//!             // A question whose asker does not wait any more is not handled.
//!             Inner::AddAsked(add, reply) => match reply.open() {
//!                 Some(reply) => Respond::answer(self.add(add), reply, "Sum::add"),
//!                 None => Flow::Continue,
//!             },
//!             Inner::ResetAsked((to,), reply) => match reply.open() {
//!                 Some(reply) => Respond::answer(self.reset(to), reply, "Sum::reset"),
//!                 None => Flow::Continue,
//!             },
//!         }
//!     }
//! }
//!
//! impl Accepts<Add> for Sum {
//!     fn accept(message: Add) -> SumMessage {
//!         SumMessage(Inner::Add(message))
//!     }
//!
//!     fn accept_ask(message: Add, reply: Reply<u64>) -> SumMessage {
//!         SumMessage(Inner::AddAsked(message, reply))
//!     }
//! }
//!
//! pub trait SumAddr {
//!     fn add(&self, add: Add) -> Ask<Sum, Add>;
//!     fn reset(&self, to: u64) -> Ask<Sum, Call<Sum, (u64,), ()>>;
//! }
//!
//! impl SumAddr for Addr<Sum> {
//!     fn add(&self, add: Add) -> Ask<Sum, Add> {
//!         self.ask(add)
//!     }
//!
//!     fn reset(&self, to: u64) -> Ask<Sum, Call<Sum, (u64,), ()>> {
//!         Call::ask(*self, (to,), |arguments, reply| SumMessage(Inner::ResetAsked(arguments, reply)))
//!     }
//! }
//! # let system = System::builder().cores(Cores::Count(1)).build()?;
//! # let sum = system.spawn(Sum::default())?;
//! # sum.reset(40).wait().unwrap();
//! # assert_eq!(sum.add(Add(2)).wait(), Ok(42));
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! An `async` handler's arm calls [`Context::exclusive`](crate::Context::exclusive), a concurrent one's
//! [`Context::concurrent`](crate::Context::concurrent); a connection gets an `impl` of [`Connection`](crate::Connection).
//!
//! Tested in `tests/actor/`; what the compiler says to mistakes, in `tests/ui/`.
