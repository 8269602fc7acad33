//! The manual: what users write, and what follows from it. Its examples are run as tests.
//!
//! Knows: how things are used. Must not know how they are done.
//!
//! | page | |
//! |---|---|
//! | [`tour`] | a chat in a hundred lines: every kind of handler once |
//! | [`actors`] | `#[actor]`: handlers, hooks, keys, addresses, and what all of it stands for |
//! | [`asking`] | questions and answers: who waits, for how long, and what may go wrong |
//! | [`delivery`] | what becomes of a message: its order, and its bounds |
//! | [`finding`] | where actors live, and how they find one another: by key, by name, as a pool, by a topic |
//! | [`futures`] | asynchronous handlers, streams, tasks, connections as one function |
//! | [`input`] | reading from a connection: frames, pauses, bodies |
//! | [`output`] | writing to a connection: bounds, answers in order, counted bytes |
//! | [`promises`] | what is promised, what that means, and which test holds it |
//! | [`supervision`] | actors that fail: begun again, watched, ended together |
//! | [`testing`] | handlers one by one, and whole systems, simulated |
//! | [`time`] | what comes later, again, or not in time |
//! | [`transfers`] | files, connections to others, proxies |
//! | [`words`] | if you know actix, kameo, ractor or Erlang: what is called what here, and where it means something else |
//!
//! The [root page](crate) has how to size a system.

pub mod actors;
pub mod asking;
pub mod delivery;
pub mod finding;
pub mod futures;
pub mod input;
pub mod output;
pub mod promises;
pub mod supervision;
pub mod testing;
pub mod time;
pub mod tour;
pub mod transfers;
pub mod words;
