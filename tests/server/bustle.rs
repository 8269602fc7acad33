//! Actors below a supervisor that do a bit of everything, and fail, until their system is gone.
//!
//! Knows: what an actor may have under way. Must not know when it ends.

use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use odeon::Timeout;
use odeon::prelude::*;
use odeon::sys::Random;

use crate::world::{PATIENCE, World};

/// One of all that there are: in states, messages, timers, continuations and futures.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<()>);

impl Held {
    /// How many there are besides this.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[derive(Message, Clone)]
struct Word(Held);

struct Bustler {
    all: Arc<OnceLock<Vec<Addr<Bustler>>>>,
    topic: Topic<Word>,
    owed: Vec<Reply<Held>>,
    held: Held,
    random: Random,
}

#[actor(mailbox(capacity = 8))]
impl Bustler {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        let word = Word(self.held.clone());
        let often = Duration::from_micros(100 + self.random.below(500));
        assert!(cx.send_every(often, word.clone()).is_ok(), "there is room");
        assert!(cx.send_after(PATIENCE, word).is_ok(), "there is room");
    }

    /// Does one thing or another.
    #[message]
    fn word(&mut self, Word(held): Word, cx: &mut Context<Self>) -> Flow {
        let Some(all) = self.all.get() else { return Flow::Continue };
        let other = all[self.random.index(all.len())];
        match self.random.index(8) {
            0 => self.topic.subscribe(self.random.below(4), other.recipient()),
            1 | 2 => self.topic.publish(Word(held)),
            3 => {
                let kept = held.clone();
                other.owe(held).then(cx, move |_, _, _| drop(kept));
            }
            4 => other.tell(Word(held)).or_dead_letter(),
            5 => {
                return cx.concurrent("waits", Timeout::Never, async move {
                    odeon::time::sleep(PATIENCE).await;
                    drop(held);
                    Flow::Continue
                });
            }
            6 if self.random.chance(0.5) => resume_unwind(Box::new("as planned")),
            6 => return Flow::Fail,
            _ => self.owed.clear(),
        }
        Flow::Continue
    }

    /// Is answered when it comes to it, if ever.
    #[call]
    fn owe(&mut self, held: Held, reply: Reply<Held>) {
        self.owed.push(reply);
        if self.owed.len() > 8 {
            self.owed.drain(..4).for_each(|reply| reply.send(held.clone()));
        }
    }
}

/// Begins some, in a group of which one or all are begun again when one has failed, soon or after a while.
pub(crate) fn bustle(world: &World, held: &Held, random: &mut Random) {
    let restart = [Restart::one_for_one(), Restart::one_for_all(), Restart::rest_for_one()][random.index(3)];
    let backoff = Duration::from_micros(random.below(500))..Duration::from_millis(5);
    let restart = restart.intensity(u32::MAX, Duration::from_secs(1)).backoff(backoff);
    let group = world.system.supervisor(restart).expect("there is room");
    let all = Arc::<OnceLock<_>>::default();
    let spawn = |core| {
        let (all, held, mut random) = (all.clone(), held.clone(), random.fork());
        let make = move || Bustler {
            all: all.clone(),
            topic: Topic::new(),
            owed: Vec::new(),
            held: held.clone(),
            random: random.fork(),
        };
        group.spawn_on(core, make).expect("there is room")
    };
    let spawned: Vec<_> = (0..3).map(spawn).collect();
    all.set(spawned).expect("it is set once");
}
