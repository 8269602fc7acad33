//! Servers that make mistakes: whoever checks transfers must find them.
//!
//! Knows: a mistake, and where. Must not know how it is found.

use std::sync::mpsc::Sender;

use odeon::prelude::*;

use crate::plan::Plan;
use crate::servers::{Reason, tell};
use crate::transfer::Transfer;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// Two bytes change places.
    Swap,
    /// A byte does not come back.
    Lose,
    /// A byte comes back twice.
    Double,
    /// The last byte does not come back.
    LoseTheLast,
    /// Another byte comes behind the last.
    OneMore,
    /// The connection ends in order, long before the stream.
    CloseEarly,
    /// It ends by a reset.
    Abort,
}

/// Sends back what it receives, but for one mistake.
struct Liar {
    mistake: Mistake,
    told: Sender<Reason>,
    held_back: Vec<u8>,
    made: bool,
}

/// Bytes that come back before the mistake is made.
const HONEST: usize = 1000;

impl Actor for Liar {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
        tell(&self.told, reason.into());
    }
}

impl Connection for Liar {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        self.held_back.extend_from_slice(bytes);
        if self.held_back.len() <= HONEST && !self.made {
            return Flow::Continue;
        }
        let mut bytes = std::mem::take(&mut self.held_back);
        if !self.made {
            self.made = true;
            match self.mistake {
                Mistake::Swap => bytes.swap(HONEST - 1, HONEST),
                Mistake::Lose => drop(bytes.remove(HONEST)),
                Mistake::Double => bytes.insert(HONEST, bytes[HONEST]),
                Mistake::CloseEarly => {
                    cx.write(&bytes[..HONEST]);
                    return Flow::Close;
                }
                Mistake::Abort => cx.me().abort(),
                Mistake::None | Mistake::LoseTheLast | Mistake::OneMore => {}
            }
        }
        if self.mistake == Mistake::LoseTheLast {
            self.held_back.extend(bytes.pop());
        }
        cx.write(&bytes);
        Flow::Continue
    }

    fn end_of_stream(&mut self, cx: &mut Context<Self>) -> Flow {
        if self.mistake == Mistake::OneMore {
            cx.write([0]);
        }
        Flow::Close
    }
}

fn is_found(on: BackendChoice, mistake: Mistake) -> bool {
    let mut world = World::new(on, 1);
    let service = world.other(move |told| Liar { mistake, told, held_back: Vec::new(), made: false });
    let transfer = Transfer { seed: 9, length: 50_000, plan: Plan::NOTHING };
    let outcome = transfer.attempt(&service, |_| {});
    let found = transfer.judge(&service, &outcome).is_err();
    world.ends(&[service]);
    found
}

pub(crate) fn every_mistake_of_a_server_is_found(on: BackendChoice) {
    use Mistake::{Abort, CloseEarly, Double, Lose, LoseTheLast, None, OneMore, Swap};
    assert!(!is_found(on, None), "a server without a mistake passes");
    for mistake in [Swap, Lose, Double, LoseTheLast, OneMore, CloseEarly, Abort] {
        assert!(is_found(on, mistake), "{mistake:?} is found");
    }
}
