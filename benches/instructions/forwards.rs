//! Bytes that pass from one connection to another: two by two, 64 connections are tied to each other.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use odeon::prelude::*;
use odeon::system::workbench::{NullLoad, Workbench};

const CONNECTIONS: u32 = 64;
/// The fewest that are not copied.
const BYTES: usize = 4096;

struct Tied {
    /// Who waits for a mate.
    single: Rc<RefCell<Option<Addr<Tied>>>>,
}

#[derive(Message)]
struct Mate(Addr<Tied>);

#[actor(codec = Raw)]
impl Tied {
    #[started]
    fn find_mate(&mut self, cx: &mut Context<Self>) {
        let mut single = self.single.borrow_mut();
        let Some(mate) = single.take() else {
            *single = Some(cx.me());
            return;
        };
        cx.forward_to(mate).expect("it lives, and nobody else feeds it");
        mate.tell(Mate(cx.me())).expect("its mailbox is empty");
    }

    #[message]
    fn tie(&mut self, Mate(mate): Mate, cx: &mut Context<Self>) {
        cx.forward_to(mate).expect("it lives, and nobody else feeds it");
    }

    #[frame]
    fn bytes(&mut self, _: &[u8], cx: &mut Context<Self>) {
        // Came before its mate did.
        cx.write([0; BYTES]);
    }
}

/// What a message needs on its way: so many come in on all connections together, each once its mate's has been passed on.
pub(crate) fn forward(messages: u64) {
    let request = vec![7; BYTES];
    let load = NullLoad { connections: CONNECTIONS, answer_len: BYTES as u32, request, requests: messages };
    let mut config = Config::default();
    // Under valgrind, and beside others, all is slow: where a turn ended by the clock, the next would find fewer messages.
    (config.turn_time, config.slow_handler) = (Duration::from_secs(3600), Duration::from_secs(3600));
    let mut bench = Workbench::new(1, config, &load);
    let single = Rc::default();
    bench.listen(0, move |_| Tied { single: Rc::clone(&single) }).expect("there is room for a listener");
    bench.run_until_spent(0);
}
