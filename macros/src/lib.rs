//! The macros of the Odeon actor runtime. Use them through the `odeon` crate.
//!
//! Knows: how macros are entered, and what users are told of them. Must not know what they make.

mod actor;
mod message;
mod stray;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a type a message that actors can be sent: a struct or an enum, generic or not.
///
/// A message owns what it carries, so each type parameter gets the bound `'static`, and lifetime parameters are refused.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[message(reply = Type)]` | what is answered to `ask`; `()` unless said otherwise |
/// | `#[message(heap_bytes = self.text.len())]` | what it holds beside its own size, for mailboxes that are bounded in bytes |
/// | `#[message(crate = path)]` | where Odeon is, if it is not `::odeon` |
///
/// The expansion is one `impl Message for …`, which can as well be written by hand.
///
/// ```
/// use odeon::Message;
///
/// #[derive(Message)]
/// struct Said { from: u64, text: String }
///
/// #[derive(Message)]
/// #[message(reply = Option<T>)]
/// struct Pop<T> { below: T }
///
/// fn answers<M: Message<Reply = R>, R>() {}
/// answers::<Said, ()>();
/// answers::<Pop<u32>, Option<u32>>();
/// ```
#[proc_macro_derive(Message, attributes(message))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    message::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an actor of an `impl` block: what is written above its methods says when each is called.
///
/// ```
/// use odeon::prelude::*;
///
/// /// A message is a type of its own, which several actors may handle.
/// #[derive(Message)]
/// #[message(reply = u64)]
/// pub struct Add(pub u64);
///
/// #[derive(Default)]
/// pub struct Sum {
///     total: u64,
/// }
///
/// #[actor(pub, mailbox(capacity = 256))]
/// impl Sum {
///     /// Adds, and answers the sum.
///     #[message]
///     fn add(&mut self, Add(more): Add) -> u64 {
///         self.total += more;
///         self.total
///     }
///
///     /// Answers the sum, and begins anew.
///     #[call]
///     fn restart(&mut self, from: u64) -> u64 {
///         std::mem::replace(&mut self.total, from)
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let sum = system.spawn(Sum::default())?;
/// sum.tell(Add(40)).or_dead_letter();
/// assert_eq!(sum.add(Add(2)).wait()?, 42);
/// assert_eq!(sum.restart(0).wait()?, 42);
///
/// // Handlers stay methods, which can be tested without a system.
/// assert_eq!(Sum { total: 1 }.add(Add(2)), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keys
///
/// | key of `#[actor(…)]` | meaning | unless given |
/// |---|---|---|
/// | `pub`, `pub(crate)`, … | who sees the traits `SumAddr` and `SumLocalAddr`; comes first | the module |
/// | `mailbox(capacity = 256)` | how many messages wait at most | 1,024 |
/// | `mailbox(bytes = "1m")` | how much waits at most; see `Actor::MAILBOX_BYTES` | whatever it weighs |
/// | `mailbox(overflow = drop_oldest)` | what becomes of what has no room: `refuse`, `drop_newest`, `drop_oldest`, `stop`; also beside `capacity` | `refuse` |
/// | `codec = Lines<8192>` | how bytes become frames: makes the actor a `Connection` | no connection |
/// | `outbox(bytes = "256k")` | how much output waits at most; a listener's own comes first | as in `Config` |
/// | `outbox(overflow = refuse)` | what becomes of what has no room: `close`, `refuse`, `drop_oldest`; also beside `bytes` | `close` |
/// | `outbox(grace = "2s")` | how long a peer may read too slowly before that applies; also beside `bytes` | as long as there is room |
/// | `timeouts(first_byte = "10s")` | how long the peer of an accepted connection may be silent at first, or `"never"`; a listener's own comes first | as in `Config` |
/// | `timeouts(frame = "30s")` | how long all of a frame or body may take to come, and longer at a rate, or `"never"`; also beside `first_byte` | as in `Config` |
/// | `on_panic = stop` | what follows a panic: `restart`, if a supervisor has it begun again; `stop`; or `abort` of the process | `restart` |
/// | `address = LobbyAddr` | the name of the first trait; that of the second becomes `LobbyLocalAddr` | `SumAddr`, `SumLocalAddr` |
/// | `crate = path` | where Odeon is | `::odeon` |
///
/// Times are `"500us"`, `"50ms"`, `"10s"`, `"2m"`, `"1h"`, `"1d"`. Sizes are `4096`, `"64k"`, `"1m"`, `"1g"`. Each may as well be the path
/// of a constant: a `Duration`, a `usize`, and for the capacity a `u32`.
///
/// # Methods
///
/// | attribute | called | takes, beside `&mut self` or `&self` |
/// |---|---|---|
/// | `#[message]` | for a message, told or asked | the message, whose type derives `Message`; `Context`, `Reply` |
/// | `#[call]` | by the method of this name on the address | any arguments, each with a name; `Context`, `Reply` |
/// | `#[started]` | first of all | `Context` |
/// | `#[every("30s")]` | again and again; there may be several; `missed = skip`, `burst` or `delay` | `Context` |
/// | `#[stopped]` | last of all | `StopReason`, `Context` |
/// | `#[frame]` | for each frame | the frame, `&str` for `Lines`; `Context` |
/// | `#[body]` | when what `Context::read_exact_into` asked for has come | `Result<Vec<u8>, BodyError>`, `Context` |
/// | `#[forwarded]` | when what `Context::forward_to_file` asked for is written | `ForwardedFile`, `Context` |
/// | `#[end_of_stream]` | when the peer has sent everything | `Context` |
/// | `#[malformed]` | when the codec refuses what the peer sent | `FrameError`, `Context` |
/// | `#[idle("10m")]` | when nothing was received for so long and no answer is owed; a listener's own time comes first | `Context` |
///
/// A method without one of these stays an ordinary method, which handlers may call and senders do not see. A type has one block
/// with `#[actor]`, for all of its handlers; other methods may as well stand in another block.
///
/// Parameters may be left out, and stand in any order. They are known by the last name in the path of their type, which is not to
/// be changed by `use … as …`:
///
/// - `&mut Context<Self>`: what a handler can do.
/// - `Reply<T>`: the handler answers itself, then or later; what it returns is a flow. Where nobody asked, it leads to nobody.
/// - `Handle<Self>`: what concurrent handlers take in place of the actor.
/// - `StopReason` and `FrameError`, in the hooks of this name.
///
/// `#[message]` and `#[call]` take keys:
///
/// | key | meaning |
/// |---|---|
/// | `local` | reached by a `LocalAddr` only, from the same core: messages, arguments and answers need not be `Send` |
/// | `concurrent` | an `async fn` without `self` that runs beside others and between messages; an `async fn` with it keeps the actor to itself, from these too |
/// | `priority = control` | handled before what waits at the usual priority, `user`; see `Priority` |
/// | `timeout = "1s"` | how long an `async fn` may take, or `"never"`; as in `Config` unless given |
///
/// # Results
///
/// Hooks return nothing, a `Flow`, or a `Result` of either whose error can be shown: an `Err` ends the actor with
/// `StopReason::Failed`. The handler of a message returns its `Reply`; where that is `()`, it may return a `Flow` or a `Result`
/// as well. An `Err` is a part of the answer if the reply says so, and is counted and warned of where nobody asked. A call answers
/// what it returns: `()` for nothing and for `Flow`.
///
/// # What is made
///
/// The block stays as it is, but for these attributes, and `'static` at its type parameters. What is added could be written by hand, and contains no `unsafe`. For
/// the `Sum` from above:
///
/// ```
/// # use odeon::prelude::*;
/// # #[derive(Message)]
/// # #[message(reply = u64)]
/// # pub struct Add(pub u64);
/// # #[derive(Default)]
/// # pub struct Sum { total: u64 }
/// # impl Sum {
/// #     fn add(&mut self, Add(more): Add) -> u64 { self.total += more; self.total }
/// #     fn restart(&mut self, from: u64) -> u64 { std::mem::replace(&mut self.total, from) }
/// # }
/// use odeon::{Call, Respond};
///
/// /// A method for each handler. Whoever calls them in another module imports this trait.
/// pub trait SumAddr {
///     /// Adds, and answers the sum.
///     fn add(&self, message: Add) -> Ask<Sum, Add>;
///     /// Answers the sum, and begins anew.
///     fn restart(&self, from: u64) -> Ask<Sum, Call<Sum, (u64,), u64>>;
/// }
///
/// const _: () = {
///     /// What lies in the mailbox. Nobody sees it.
///     pub struct SumMessage(Inner);
///
///     enum Inner {
///         ToldAdd(Add),
///         AskedAdd(Add, Reply<u64>),
///         AskedRestart((u64,), Reply<u64>),
///     }
///
///     impl Actor for Sum {
///         type Message = SumMessage;
///         const MAILBOX_CAPACITY: u32 = 256;
///
///         fn handle(&mut self, message: SumMessage, _cx: &mut Context<Self>) -> Flow {
///             match message.0 {
///                 Inner::ToldAdd(add) => Respond::<u64>::told(self.add(add), "Sum::add"),
///                 Inner::AskedAdd(add, reply) => match reply.open() {
///                     Some(reply) => Respond::answer(self.add(add), reply, "Sum::add"),
///                     None => Flow::Continue, // whoever asked does not wait any more
///                 },
///                 Inner::AskedRestart((from,), reply) => match reply.open() {
///                     Some(reply) => Respond::answer(self.restart(from), reply, "Sum::restart"),
///                     None => Flow::Continue,
///                 },
///             }
///         }
///     }
///
///     impl Accepts<Add> for Sum {
///         fn accept(message: Add) -> SumMessage {
///             SumMessage(Inner::ToldAdd(message))
///         }
///
///         fn accept_ask(message: Add, reply: Reply<u64>) -> SumMessage {
///             SumMessage(Inner::AskedAdd(message, reply))
///         }
///     }
///
///     impl SumAddr for Addr<Sum> {
///         fn add(&self, message: Add) -> Ask<Sum, Add> {
///             self.ask(message)
///         }
///
///         fn restart(&self, from: u64) -> Ask<Sum, Call<Sum, (u64,), u64>> {
///             Call::ask(*self, (from,), |from, reply| SumMessage(Inner::AskedRestart(from, reply)))
///         }
///     }
/// };
/// # let system = System::builder().cores(Cores::Count(1)).build()?;
/// # let sum = system.spawn(Sum::default())?;
/// # assert_eq!(sum.add(Add(2)).wait()?, 2);
/// # assert_eq!(sum.restart(0).wait()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Hooks become the functions of the same name in `impl Actor` and `impl Connection`. An `async` handler is run by
/// `Context::exclusive`, a concurrent one by `Context::concurrent`. Handlers that are `local` have `impl AcceptsLocal`, and their
/// methods a trait of their own, `SumLocalAddr`. Those of another priority say so by `PRIORITY`, calls by a `true` in their type. A trait that would be empty is not made. Constants that nobody uses are there for their
/// names, by which the compiler refuses a second block.
///
/// Handlers may have a `#[cfg]`. The actor may be generic, if its block is not generic over a lifetime; what it
/// is generic over is `'static`, which need not be said, and [`Send`] where it is sent.
///
/// # Costs
///
/// Nothing beside what is written above. A message takes as much room in the mailbox as the largest of its actor, with 16 bytes
/// for the reply: keep large ones in a `Box`.
#[proc_macro_attribute]
pub fn actor(arguments: TokenStream, block: TokenStream) -> TokenStream {
    actor::expand(arguments.into(), block.into()).into()
}

/// An attribute that `#[actor]` reads. It says so where no `#[actor]` does.
macro_rules! read_by_actor {
    ($($(#[$documentation:meta])* $name:ident)*) => { $(
        $(#[$documentation])*
        #[proc_macro_attribute]
        pub fn $name(_: TokenStream, item: TokenStream) -> TokenStream {
            stray::explain(stringify!($name), &item.into()).into()
        }
    )* };
}

read_by_actor! {
    /// Within [`#[actor]`](macro@actor): the handler of a message, whose type derives [`Message`]. It opens `tell`, `ask` and
    /// `Recipient`.
    ///
    /// `#[message(local)]`: only from the actor's own core, so that messages need not be `Send`. `#[message(concurrent)]`:
    /// an `async fn` beside other handlers. `#[message(timeout = "1s")]`: how long an `async fn` may take, or `"never"`.
    /// `#[message(priority = control)]`: before what waits otherwise.
    message
    /// Within [`#[actor]`](macro@actor): a method that can be called on the address, with any arguments and any answer. It takes
    /// what [`#[message]`](macro@message) takes.
    call
    /// Within [`#[actor]`](macro@actor): what is done with a frame. The codec says which type that has.
    frame
    /// Within [`#[actor]`](macro@actor): what is done with a body that was asked for by its length. It takes a
    /// `Result<Vec<u8>, BodyError>`.
    body
    /// Within [`#[actor]`](macro@actor): what is done when what was to go to a file is written, or not all of it. It takes a
    /// `ForwardedFile`.
    forwarded
    /// Within [`#[actor]`](macro@actor): what runs first.
    started
    /// Within [`#[actor]`](macro@actor): what runs last. It may take a `StopReason`.
    stopped
    /// Within [`#[actor]`](macro@actor): the peer has sent everything that it will send.
    end_of_stream
    /// Within [`#[actor]`](macro@actor): the peer has sent what the codec refuses. It may take a `FrameError`.
    malformed
    /// Within [`#[actor]`](macro@actor): what is done again and again, `#[every("30s")]`.
    every
    /// Within [`#[actor]`](macro@actor): nothing was received for so long, `#[idle("10m")]`, not counting the time in which the
    /// connection does not read by itself, has frames left to handle, or owes an answer.
    idle
}
