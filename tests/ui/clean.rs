//! What `#[actor]` makes gives no lint a reason to speak, however strict.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unnameable_types, unsafe_code)]
#![deny(dead_code, let_underscore_drop, non_ascii_idents, redundant_imports, redundant_lifetimes, trivial_casts)]
#![deny(trivial_numeric_casts, unit_bindings, unused_import_braces, unused_lifetimes, unused_macro_rules)]
#![deny(unused_qualifications, unused_results, variant_size_differences, single_use_lifetimes)]
#![deny(elided_lifetimes_in_paths, explicit_outlives_requirements, absolute_paths_not_starting_with_crate)]

use std::io;
use std::rc::Rc;

use odeon::prelude::*;

/// A message.
#[derive(Message, Debug)]
#[message(reply = io::Result<u64>)]
pub struct Add(u64);

/// Large beside the others.
#[derive(Message, Debug)]
pub struct Large([u64; 64]);

/// Not `Send`.
#[derive(Message, Debug)]
pub struct Near(Rc<u64>);

/// Private types in private handlers of a public actor.
#[derive(Message, Debug)]
struct Private(u64);

/// An actor.
#[derive(Debug, Default)]
pub struct Sum {
    total: u64,
}

#[actor(codec = Lines<80>, mailbox(capacity = 8, bytes = "1m", overflow = stop), outbox(bytes = "4k", grace = "2s", overflow = drop_oldest))]
impl Sum {
    #[message]
    fn add(&mut self, Add(more): Add) -> io::Result<u64> {
        self.total += more;
        Ok(self.total)
    }

    #[message]
    fn large(&mut self, large: Large, _cx: &mut Context<Self>) -> Result<Flow, String> {
        self.total += large.0[0];
        Ok(Flow::Continue)
    }

    #[message(local, priority = control)]
    fn near(&mut self, near: Near) {
        self.total += *near.0;
    }

    #[message(concurrent)]
    async fn private(me: Handle<Self>, private: Private) {
        let _added = me.with(|sum, _| sum.total += private.0);
    }

    /// Documented and deprecated.
    #[deprecated]
    #[call]
    fn old(&self) -> u64 {
        self.total
    }

    #[call(timeout = "1s", priority = control)]
    async fn later(&mut self, more: u64, cx: &mut Context<Self>) -> bool {
        self.total += more;
        cx.me() == cx.me()
    }

    #[call]
    #[allow(non_snake_case)]
    fn notSnake(&self, SoMuch: u64) -> u64 {
        SoMuch
    }

    #[frame]
    fn line(&mut self, line: &str) {
        self.total += line.len() as u64;
    }

    #[every("1s")]
    fn tick(&mut self) {
        self.total += 1;
    }

    #[stopped]
    fn stopped(&mut self) -> Result<(), String> {
        Err("on purpose".to_owned())
    }
}

/// An address that nobody uses, of an actor without any handler.
#[derive(Debug)]
pub struct Silent;

#[actor(pub)]
impl Silent {}

mod inner {
    use super::*;

    /// Generic, and nobody calls it.
    #[derive(Debug)]
    pub(crate) struct Cell<T>(pub(crate) Option<T>);

    #[actor(pub(crate))]
    impl<T: Send + Clone + 'static> Cell<T> {
        #[call]
        fn take(&mut self) -> Option<T> {
            self.0.take()
        }
    }
}

/// Everything that there is an address for.
pub fn addresses(sum: Addr<Sum>, _: Addr<Silent>) -> Ask<Sum, Add> {
    sum.add(Add(1))
}

fn main() {
    let cell = inner::Cell(Some(3_u64));
    assert!(cell.0.is_some());
    let large = Large([0; 64]);
    assert_eq!((large.0[0], *Near(Rc::new(3)).0, Private(4).0), (0, 3, 4));
}
