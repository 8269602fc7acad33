//! If you know actix, kameo, ractor or Erlang: their words, and ours.
//!
//! Knows: what others call a thing, and where they mean something else by it. Must not know how it is done anywhere.
//!
//! Looked up in actix 0.13, kameo 0.22, ractor 0.16 and Erlang/OTP 28. A dash: the library has no word for it. Below each table stands
//! where the same word, or the obvious one, means another thing.
//!
//! # An actor
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`#[actor]`](macro@crate::actor) on an `impl`, [`Actor`](crate::Actor) by hand | `impl Actor`, and `Handler<M>` for each message | `derive(Actor)`, `Message<M>` for each, or `#[messages]` | `impl Actor` beside a `State`; `#[ractor::actor]` | a module with `-behaviour(gen_server)` |
//! | [`Message`](macro@crate::Message), arguments of a `#[call]` | `Message`, `#[rtype]` | any type | one `enum`, `Msg` | any term |
//! | [`spawn`](crate::System::spawn), [`Context::spawn`](crate::Context::spawn) | `start`, `create`, `start_in_arbiter` | `spawn`, `spawn_with_mailbox` | `Actor::spawn`, `spawn_linked` | `start`, `start_link`, `spawn` |
//! | [`Context`](crate::Context) | `Context` | `Context`, `ActorRef` | `myself` | `self()` |
//!
//! An actor stays on one core, as on an arbiter of actix; kameo's and ractor's are tasks that move between threads. Its state is there
//! before `#[started]` runs, as in actix, where `on_start`, `pre_start` and `init/1` make it.
//!
//! # Its address
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`Addr`](crate::Addr) | `Addr` | `ActorRef` | `ActorRef` | pid |
//! | [`Recipient`](crate::Recipient): some actor that takes this message | `Recipient` | `Recipient`, `ReplyRecipient` | `DerivedActorRef` | pid |
//! | [`LocalAddr`](crate::LocalAddr): of this core, for what is not `Send` | — | — | the module `thread_local` | — |
//! | [`ActorId`](crate::ActorId) | — | `ActorId` | `ActorId` | pid |
//!
//! An address is `Copy`, and keeps nothing alive. An actor of actix or kameo ends when nobody has an address of it any more, unless
//! something else keeps it; ours lives until it is stopped, so there is no `WeakAddr` or `WeakActorRef` either. As a pid, an address that
//! leads to nobody stays harmless for ever.
//!
//! # Sending, and waiting for room
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`tell`](crate::Addr::tell): at once, or refused | `try_send` | `tell(m).try_send()` | `cast`, `send_message` | `!`, `gen_server:cast` |
//! | [`send(m).await`](crate::Addr::send): waits for room | — | `tell(m).await` | — | — |
//! | [`timeout`](crate::time::timeout()) around that | — | `mailbox_timeout` | — | — |
//! | [`or_dead_letter`](crate::OrDeadLetter::or_dead_letter): may be lost, and is counted | — | — | — | — |
//!
//! The `send` of actix asks; ours does not wait for an answer, only for room. `do_send` of actix queues the message however full the
//! mailbox is: here no message passes the bound. kameo's `tell` waits unless it is told not to; ours never does. Where mailboxes have no
//! bound, as in ractor and Erlang, a `cast` is refused only where the actor has gone, or not even then; here it may be
//! [`Full`](crate::SendError::Full), and the message comes back.
//!
//! # Asking
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`room.enter(name).await`](super::asking), [`ask(m).await`](crate::Addr::ask) | `send(m).await` | `ask(m).await` | `call`, `call!` | `gen_server:call` |
//! | [`then`](crate::Ask::then): goes on later, with the state | `into_actor`, `then`, `spawn` | `pipe`, `pipe_with` | `call_and_forward` | `send_request`, answered in `handle_info` |
//! | [`wait`](crate::Ask::wait): a thread waits | — | `blocking_send` | — | — |
//! | [`timeout`](crate::Ask::timeout), 5 s unless given | `timeout` | `reply_timeout` | an `Option<Duration>`, `call_t!` | `call/3`, 5 s unless given |
//! | [`AskError`](crate::AskError) | `MailboxError` | `SendError` | `CallResult`, `RactorErr` | the caller exits |
//!
//! A question asks nothing before it is said who waits for the answer. It always has a limit of time. An answer that comes too late is
//! dropped, and is no message, as it once was in Erlang. Actors that await one another in a circle are told so at once, by
//! [`AskError::Cycle`](crate::AskError::Cycle), where [that can be found](super::asking#waiting-for-one-another); elsewhere they wait until the time
//! is over, if one is set. `then` keeps nobody waiting.
//!
//! # Answering later
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`Reply<T>`](crate::Reply) as an argument, and `send` | a future as the `Result` | `DelegatedReply`, `ReplySender` | `RpcReplyPort` | `From`, `gen_server:reply` |
//! | [`forward`](crate::Ask::forward): somebody else answers | — | `Context::forward` | the port is passed on | `From` is passed on |
//! | [`is_closed`](crate::Reply::is_closed): nobody waits any more | — | — | `is_closed` | — |
//!
//! A `Reply` that is dropped is an answer as well: its asker is told [`Unanswered`](crate::AskError::Unanswered) at once.
//!
//! # Asynchronous handlers
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | `fn`, the usual case | `fn handle` | — | — | — |
//! | [`async fn(&mut self, …)`](super::futures): nothing else meanwhile | `AtomicResponse`, `Context::wait` | every handler | every handler | every callback |
//! | `#[call(concurrent)]` with a [`Handle`](crate::Handle): beside the others | `ResponseFuture`, `ResponseActFuture`, `Context::spawn` | `Context::spawn` | a task that is given the port | a process that is given `From` |
//! | [`task::spawn`](crate::task::spawn) | `actix::spawn` | `tokio::spawn` | `ractor::concurrency::spawn` | `spawn` |
//!
//! Handlers must not block, and a synchronous one cannot wait at all. Both kinds of asynchronous handler have a time, and end with their actor;
//! kameo's `Context::spawn` outlives it. There is no tokio here: channels and locks of other libraries work, their sockets and
//! timers do not.
//!
//! # The begin, the end, and what happens between
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | `#[started]` | `started` | `on_start` | `pre_start`, `post_start` | `init/1`, `handle_continue/2` |
//! | `#[stopped]`, with a [`StopReason`](crate::StopReason) | `stopping`, `stopped` | `on_stop` | `post_stop` | `terminate/2` |
//! | `#[message] fn down(…: Down)` | — | `on_link_died` | `handle_supervisor_evt` | `handle_info/2` |
//! | [`Flow`](crate::Flow), or an error, of a hook | — | an error | an error | `{stop, Reason, State}` |
//!
//! `#[stopped]` cannot call the end off, as `stopping` can. It runs after a panic and after an abort, where `post_stop` does not;
//! after an `exit(Pid, kill)` neither does `terminate/2`.
//!
//! # Timers
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`send_after`](crate::Context::send_after), [`send_at`](crate::Context::send_at) | `notify_later`, `run_later` | `tell(m).send_after(…)` | `send_after` | `erlang:send_after/3` |
//! | [`#[every("1s")]`](super::time), [`send_every`](crate::Context::send_every) | `run_interval` | `Scheduler`, `SetInterval` of kameo_actors | `send_interval` | `timer:send_interval/2` |
//! | [`cancel`](crate::Context::cancel) | `cancel_future` | `abort` of a `JoinHandle` | `abort` of a `JoinHandle` | `erlang:cancel_timer/1` |
//! | `#[idle("10m")]` of a connection | — | — | — | a timeout in what a callback returns |
//!
//! A timer is the actor's own and ends with it. What comes due has no place in the mailbox: it is not refused, and does not wait behind messages.
//!
//! # Streams
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`attach`](crate::Context::attach) | `add_stream` with a `StreamHandler`, `add_message_stream` | `attach_stream`, `StreamMessage` | — | — |
//! | a [`Connection`](crate::Connection): bytes are frames of an actor | `StreamHandler` over a codec of tokio | — | — | `{active, once}` |
//!
//! Items are messages, of which the mailbox does not count any. Where the end of a stream matters, its last item says so: the actor goes
//! on, where one of actix stops unless its handler says something else.
//!
//! # The mailbox, and what has no room in it
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | `mailbox(capacity = 256)`, 1,024 unless given | `set_mailbox_capacity`, 16 unless given | `mailbox::bounded(64)`, and 64 unless given | — | — |
//! | `mailbox(bytes = "1m")` | — | — | — | — |
//! | [`mailbox(overflow = …)`](crate::MailboxOverflow) | — | — | `DiscardSettings` of a factory | — |
//! | dead letters: [`System::dead_letters`](crate::System::dead_letters) | — | `on_undelivered` | — | — |
//!
//! All mailboxes are bounded; there is no `mailbox::unbounded`. That of actix has one place more for each sender. A message to another core may be
//! refused there after `tell` has said `Ok`, and is counted then: what must not be lost is asked, or sent by `send`.
//!
//! # Priorities, and what cannot be handled yet
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`priority = control`](super::delivery) | — | — | `PriorityQueue` of a factory | priority messages, by an alias |
//! | [`stash`](crate::Context::stash), [`unstash`](crate::Context::unstash) | — | `on_message` may keep some | — | selective `receive`; `postpone` of `gen_statem` |
//!
//! A handler does not choose among messages, as `receive` does: it is given the first, and sets aside what it cannot handle. That is what
//! `postpone` does, but the actor says when it wants it back, and no more can be set aside than the mailbox has room for. A `gen_statem` is an
//! actor that is an `enum`, as in the example of [`stash`](crate::Context::stash). Of eight
//! messages one is of the usual priority, even while control messages wait.
//!
//! # Panics, supervision, and beginning again
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`supervise`](crate::System::supervise) | `Supervisor::start`, `Supervised` | `supervise(&parent, …)`, `Args` | `spawn_linked`, and a handler of yours | `supervisor`, child specifications |
//! | [`Supervisor`](crate::Supervisor), below another | — | an actor with children | an actor with children | `supervisor` |
//! | [`one_for_one`](crate::Restart::one_for_one), [`one_for_all`](crate::Restart::one_for_all), [`rest_for_one`](crate::Restart::rest_for_one) | — | `SupervisionStrategy` | — | `strategy` |
//! | [`intensity`](crate::Restart::intensity) | — | `restart_limit` | — | `intensity`, `period` |
//! | [`backoff`](crate::Restart::backoff) | — | — | — | — |
//! | [`on_panic = restart`](crate::OnPanic), `stop`, `abort` | — | `RestartPolicy`, `on_panic` | `handle_supervisor_evt` | `restart` |
//!
//! Supervisors are the runtime's, not actors of yours, and what an actor spawns is not its child: it does not end with it unless they are
//! linked. Whoever has failed is begun again, as a `transient` child is, and whoever has stopped is not; kameo and Erlang do so with either unless
//! they are told otherwise. The address and the mailbox stay, as in kameo; a pid does not. A panic is a failure: the state that it may
//! have left half changed is dropped, and no handler of the actor's own has it go on, as `on_panic` of kameo can. The supervisor of actix
//! begins actors again that have stopped, with the state that they had, and catches no panic; one of ractor stops when a child ends, unless
//! its handler says something else.
//!
//! There is no `simple_one_for_one`, nor `DynamicSupervisor`: each actor that is [supervised](crate::Context::supervise) by itself has a supervisor
//! of its own, on the core where that is asked for. For children on all cores, have an actor on each ([`Sharded`](crate::Sharded)) that
//! begins them, and send it the key.
//!
//! # Watching, and ending together
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`watch`](crate::Context::watch), one [`Down`](crate::Down) | `connected`, which is asked | `wait_for_shutdown` | `monitor`, with the feature `monitors`; `wait` | `monitor`, `'DOWN'` |
//! | [`link`](crate::Context::link) | — | `link` | `link`, to a supervisor | `link` |
//! | [`unwatch`](crate::Context::unwatch) | — | `unlink` | `unmonitor`, `unlink` | `demonitor`, `unlink` |
//!
//! A link ends the other one whatever the reason was, a normal end too, which Erlang and kameo let pass. There is no `trap_exit`: who wants
//! to hear of an end and live on watches.
//!
//! # Names
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`register`](crate::System::register) | `SystemService`, `ArbiterService` | `register` | the name at `spawn` | `register/2` |
//! | [`lookup`](crate::System::lookup) | `from_registry` | `ActorRef::lookup` | `ActorRef::where_is` | `whereis/1` |
//!
//! A name is a text with a type. Looking it up answers a `Result`, because nobody may have it, or somebody of
//! [another type](crate::NameError::OtherType). A service of actix is found by its type and is started by whoever looks for it first: here
//! somebody starts it. It is a name within one system: there is nothing like `global`, nor [other nodes](#what-is-not-to-be-had).
//!
//! # Groups, and publishing
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`Topic`](crate::Topic) | actix-broker | `PubSub`, `Broker`, `MessageBus` of kameo_actors | `OutputPort`, `pg` | `pg`, `gen_event` |
//! | [`Lagged`](crate::Lagged): so many you have missed | — | — | — | — |
//! | who is full misses it | — | `DeliveryStrategy::BestEffort` | — | — |
//!
//! A topic is state of the actor that publishes, and has no name of its own: give that actor one. It is not a list of members to send to,
//! as a group of `pg` is: it sends one copy to each core, which hands it round. Nobody waits for a slow member, and no other strategy is to be had.
//!
//! # Pools and routers
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`Pool`](crate::Pool): next, least busy, by key | `SyncArbiter` | `ActorPool` of kameo_actors | `factory`, with a `Router` | — |
//! | [`Sharded`](crate::Sharded): one on each core | an actor on each arbiter | — | `KeyPersistentRouting` of a factory | — |
//!
//! A pool chooses an address and is no actor: nothing waits in it, and workers that fail are begun again if they are supervised. Its
//! workers share the cores with everybody else, where those of a `SyncArbiter` have threads, and may block.
//!
//! # The end
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`Flow::Stop`](crate::Flow::Stop) of a handler | `Context::stop` | `Context::stop` | `myself.stop(None)` | `{stop, normal, State}` |
//! | [`Addr::stop`](crate::Addr::stop) | a message of yours | — | `stop` | — |
//! | [`Addr::drain`](crate::Addr::drain): behind what waits | — | `stop_gracefully` | `drain` | `gen_server:stop` |
//! | [`Addr::abort`](crate::Addr::abort) | `Context::terminate` | `kill` | `kill` | `exit(Pid, kill)` |
//! | [`System::shutdown`](crate::System::shutdown), [`run_until_signal`](crate::System::run_until_signal) | `System::current().stop()` | — | — | `init:stop()` |
//!
//! `stop` comes before what waits in the mailbox, as in ractor; `gen_server:stop` comes behind it, as our `drain`, ractor's, and
//! `stop_gracefully` do. `gen_server:stop` waits for the end, neither of ours does: who is to hear of it [watches](crate::Context::watch). A
//! shutdown drains connections first, and reports what it had to cut off; it does not drain mailboxes, and says how many messages were lost.
//!
//! # Tests
//!
//! | ours | actix | kameo | ractor | Erlang/OTP |
//! |---|---|---|---|---|
//! | [`TestContext`](crate::testing::TestContext): a handler is called, and time moves by hand | — | — | — | a callback is called |
//! | [`sim`](crate::sim): whole systems on virtual time, whose order, accidents and peers come from a seed | — | — | — | — |
//! | [`probe`](crate::testing::probe()): what a recipient was sent | `Mocker` | — | — | the test's own mailbox |
//!
//! # What is not to be had
//!
//! Other nodes: an address leads to an actor of this process, where kameo has `RemoteActorRef`, ractor `ractor_cluster`, and Erlang every
//! pid. Systems that talk to one another do so over connections. Code is not changed while it runs, and nobody looks into the state of an
//! actor from outside, as `sys:get_state/1` does, unless it has a call for that.
//!
//! # An actor, as you would expect to find it
//!
//! The counter that every introduction has, with an answer, a message, a beginning and an end. Behind each line stands what it is elsewhere.
//!
//! ```
//! use odeon::prelude::*;
//!
//! #[derive(Message)] // actix: `#[rtype(result = "()")]`; kameo: `impl Message<Reset> for Counter`
//! struct Reset;
//!
//! #[derive(Default)]
//! struct Counter {
//!     count: i64,
//! }
//!
//! #[actor(mailbox(capacity = 16))] // actix: `ctx.set_mailbox_capacity(16)`; kameo: `mailbox::bounded(16)`
//! impl Counter {
//!     #[started] // actix: `started`; kameo: `on_start`
//!     fn started(&mut self, cx: &mut Context<Self>) {
//!         let _ = cx.me(); // actix: `ctx.address()`; kameo: `ctx.actor_ref()`
//!     }
//!
//!     #[call] // actix and kameo: a type `Add`, a handler for it, and a type of its answer
//!     fn add(&mut self, amount: i64) -> i64 {
//!         self.count += amount;
//!         self.count
//!     }
//!
//!     #[message] // whoever sends it does not wait
//!     fn reset(&mut self, Reset: Reset) {
//!         self.count = 0;
//!     }
//!
//!     #[stopped] // actix: `stopped`; kameo: `on_stop`
//!     fn stopped(&mut self, why: StopReason) {
//!         assert_eq!(why, StopReason::Stopped);
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(1)).build()?; // actix: `System::new()`; kameo: a runtime of tokio
//! let counter = system.spawn(Counter::default())?; // actix: `Counter::default().start()`; kameo: `Counter::spawn(…)`
//!
//! assert_eq!(counter.add(3).wait()?, 3); // on a thread; in an `async fn`: `counter.add(3).await?`
//! counter.tell(Reset)?; // actix: `try_send(Reset)?`; kameo: `tell(Reset).try_send()?`
//! assert_eq!(counter.add(4).wait()?, 4); // what one sender sends is handled in its order
//!
//! counter.drain(); // kameo: `stop_gracefully().await?`; actix: a message whose handler calls `ctx.stop()`
//! system.shutdown();
//! # Ok(())
//! # }
//! ```
