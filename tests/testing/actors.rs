//! A session that does everything that handlers can do, and a store that it asks.
//!
//! Knows: what the handlers do. Must not know who calls them.

use std::time::Duration;

use odeon::HandleError;
use odeon::prelude::*;
use odeon::testing::nobody;
use odeon::time::sleep;

/// A word is looked up.
#[derive(Message, Debug, PartialEq)]
#[message(reply = u64)]
pub(crate) struct Look(pub(crate) String);

/// Somebody said something.
#[derive(Message, Debug, PartialEq)]
pub(crate) struct Said(pub(crate) String);

/// Answers with the length of a word.
pub(crate) struct Store;

#[actor(pub(crate))]
impl Store {
    #[message]
    fn look(&mut self, Look(word): Look) -> u64 {
        word.len() as u64
    }

    #[call]
    fn twice(&self, word: String, times: u64) -> u64 {
        2 * times * word.len() as u64
    }
}

/// The actor that is tested.
pub(crate) struct Session {
    pub(crate) store: Addr<Store>,
    pub(crate) room: Recipient<Said>,
    pub(crate) sum: u64,
}

impl Session {
    /// It knows nobody.
    pub(crate) fn alone() -> Session {
        let room = nobody::<Session>().recipient();
        Session { store: nobody(), room, sum: 0 }
    }

    /// Has the answer in its place, whenever it comes.
    fn look(&mut self, word: &str, cx: &mut Context<Self>) {
        let place = cx.defer();
        self.store.ask(Look(word.to_owned())).then(cx, move |me, found, cx| match found {
            Ok(found) => {
                me.sum += found;
                cx.fill_line(place, found.to_string());
            }
            Err(error) => cx.fill_line(place, error.to_string()),
        });
    }
}

#[actor(pub(crate), codec = Lines<80>)]
impl Session {
    /// Hands on what is said, and answers commands.
    #[frame]
    pub(crate) fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        match line {
            "/quit" => return Flow::Close,
            "/pause" => {
                cx.expect_answer();
                cx.pause_reading();
            }
            "/panic" => panic!("as planned"),
            line => match line.strip_prefix("/look ") {
                Some(word) => self.look(word, cx),
                None => match self.room.tell(Said(line.to_owned())) {
                    Ok(()) => cx.write_line("said"),
                    Err(error) => writeln!(cx, "{error}"),
                },
            },
        }
        Flow::Continue
    }

    #[message]
    fn said(&mut self, Said(text): Said, cx: &mut Context<Self>) -> Flow {
        match text.as_str() {
            "/quit" => return Flow::Close,
            "/panic" => panic!("as planned"),
            text => cx.write_line(text),
        }
        Flow::Continue
    }

    /// Adds, and answers with the sum.
    #[call]
    pub(crate) fn add(&mut self, more: u64, reply: Reply<u64>) {
        self.sum += more;
        reply.send(self.sum);
    }

    /// Adds what the store says, twice, with a second in between.
    #[call]
    pub(crate) async fn add_slowly(&mut self, word: String, cx: &mut Context<Self>) -> u64 {
        for _ in 0..2 {
            match self.store.ask(Look(word.clone())).await {
                Ok(found) => self.sum += found,
                Err(error) => writeln!(cx, "{error}"),
            }
            sleep(Duration::from_secs(1)).await;
        }
        cx.write_line("added");
        self.sum
    }

    /// Adds one after a second.
    #[call(concurrent)]
    pub(crate) async fn count(me: Handle<Self>) -> Result<u64, HandleError> {
        sleep(Duration::from_secs(1)).await;
        me.with(|me, cx| {
            me.sum += 1;
            writeln!(cx, "{}", me.sum);
            me.sum
        })
    }

    #[every("1m")]
    pub(crate) fn ping(&mut self, cx: &mut Context<Self>) {
        cx.write_line("PING");
    }
}
