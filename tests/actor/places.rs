//! Blocks in unusual places: generic ones, in functions, in declarative macros, among names that are in the way.

use std::fmt::Debug;

use odeon::prelude::*;

use super::world::World;

mod generic {
    use super::*;

    #[derive(Message)]
    #[message(reply = Option<T>)]
    pub(crate) struct Put<T>(pub(crate) T);

    /// A ring of the last things that were put.
    pub(crate) struct Ring<T, const N: usize>
    where
        T: Clone,
    {
        pub(crate) last: [Option<T>; N],
    }

    #[actor(pub(crate))]
    impl<T, const N: usize> Ring<T, N>
    where
        T: Clone + Send + Debug,
    {
        #[message]
        fn put(&mut self, Put(one): Put<T>) -> Option<T> {
            self.last.rotate_right(1);
            self.last[0].replace(one)
        }

        #[call]
        fn all(&self, other: Addr<Self>, cx: &mut Context<Self>) -> ([Option<T>; N], bool) {
            (self.last.clone(), other == cx.me())
        }

        #[call]
        async fn newest(&mut self) -> Option<T> {
            self.last[0].clone()
        }

        #[call(concurrent)]
        async fn oldest(me: Handle<Self>) -> Option<T> {
            me.with(|ring, _| ring.last[N - 1].clone()).ok().flatten()
        }
    }

    /// A block for one type among those that a generic type has; it is generic over nothing.
    pub(crate) struct Shelf<T>(pub(crate) Vec<T>);

    #[actor(pub(crate))]
    impl Shelf<String> {
        #[call]
        fn joined(&self) -> String {
            self.0.join(", ")
        }
    }

    /// Another of these types. Its traits need other names in the same module.
    #[actor(pub(crate), address = NumbersAddr)]
    impl Shelf<u64> {
        #[call]
        fn sum(&self) -> u64 {
            self.0.iter().sum()
        }

        #[call(local)]
        fn shelf(&self, times: std::rc::Rc<u64>) -> u64 {
            self.sum() * *times
        }

        #[call]
        fn doubled(&self, cx: &mut Context<Self>, reply: Reply<u64>) {
            let Some(me) = cx.me().local() else { return };
            NumbersLocalAddr::shelf(&me, std::rc::Rc::new(2))
                .then(cx, |_, sum, _| reply.send(sum.unwrap_or(0)));
        }
    }
}

#[test]
fn actors_may_be_generic() {
    use generic::{NumbersAddr, Put, Ring, RingAddr, Shelf, ShelfAddr};

    let mut world = World::new();
    let ring = world.spawn(Ring { last: [None::<String>, None] });
    assert_eq!(world.ask(ring.put(Put("a".to_owned()))), Ok(None));
    assert!(ring.tell(Put("b".to_owned())).is_ok());
    assert_eq!(world.ask(ring.newest()), Ok(Some("b".to_owned())));
    assert_eq!(world.ask(ring.oldest()), Ok(Some("a".to_owned())));
    assert_eq!(world.ask(ring.put(Put("c".to_owned()))), Ok(Some("a".to_owned())));
    let (last, same) = world.ask(ring.all(ring)).expect("it is answered");
    assert_eq!((last, same), ([Some("c".to_owned()), Some("b".to_owned())], true));
    let shelf = world.spawn(Shelf(vec!["x".to_owned(), "y".to_owned()]));
    assert_eq!(world.ask(shelf.joined()), Ok("x, y".to_owned()));
    let numbers = world.spawn(Shelf(vec![20, 1]));
    assert_eq!((world.ask(numbers.sum()), world.ask(numbers.doubled())), (Ok(21), Ok(42)));
    world.end();
}

#[test]
fn actors_may_live_in_functions() {
    #[derive(Message)]
    #[message(reply = Local)]
    struct Local(u8);

    impl Local {
        const ONE: u8 = 1;
    }

    struct Inside(u8);

    #[actor]
    impl Inside {
        #[message]
        fn add(&mut self, Local(more): Local) -> Local {
            self.0 += more;
            Local(self.0)
        }

        #[call]
        fn one(&mut self) -> Local {
            self.0 += Local::ONE;
            Local(self.0)
        }
    }

    let mut world = World::new();
    let inside = world.spawn(Inside(1));
    assert!(matches!(world.ask(inside.add(Local(2))), Ok(Local(3))));
    assert!(matches!(world.ask(inside.one()), Ok(Local(4))));
    world.end();
}

/// Makes an actor by a macro, from pieces of all kinds.
macro_rules! counter {
    ($name:ident, $vis:vis, $of:ty, $method:ident, $body:block, $argument:ident) => {
        struct $name($of);

        #[actor($vis)]
        impl $name {
            #[call]
            $vis fn $method(&mut self, $argument: $of, other: $of) -> $of {
                self.0 += $argument + other;
                $body
                self.0
            }
        }
    };
}

counter!(Bytes8, pub(crate), u8, more, {}, given_0);
counter!(Bytes16, , u16, more, {}, reply);

#[test]
fn actors_may_be_made_by_macros() {
    let mut world = World::new();
    let (one, other) = (world.spawn(Bytes8(1)), world.spawn(Bytes16(2)));
    assert_eq!(world.ask(one.more(1, 2)), Ok(4));
    assert_eq!(world.ask(other.more(3, 4)), Ok(9));
    world.end();
}

/// A crate that offers Odeon under another name.
mod vendored {
    pub(crate) mod actors {
        pub(crate) use odeon::*;
    }
}

/// Names that a careless expansion would trip over.
mod crowded {
    #![expect(non_camel_case_types, reason = "to be in the way")]

    pub(crate) struct Option;
    pub(crate) struct Result;
    pub(crate) struct Some;
    pub(crate) struct Reply;
    pub(crate) struct Flow;
    pub(crate) struct Inner;
    pub(crate) struct MMessage;
    pub(crate) struct Duration;
    pub(crate) struct u8;
    pub(crate) struct u32;
    pub(crate) struct usize;
    pub(crate) struct bool;
    pub(crate) trait Actor {}
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod odeon {}

    #[derive(::odeon::Message)]
    #[message(reply = Some)]
    pub(crate) struct Go(pub(crate) Option, pub(crate) Result, pub(crate) (u8, u32, usize, bool));

    /// Its handlers have the names of what they implement.
    pub(crate) struct M;

    #[::odeon::actor(crate = crate::places::vendored::actors, codec = ::odeon::net::codec::Lines<8>, outbox(bytes = 4096), mailbox(capacity = 8))]
    impl M {
        #[message]
        fn accept(&mut self, Go(..): Go) -> Some {
            Some
        }

        #[call]
        async fn handle(&mut self, me: Duration, cx: Inner) -> (MMessage, Duration, Inner) {
            (MMessage, me, cx)
        }

        #[call(concurrent, timeout = "1s")]
        async fn interval(reply: Flow, arguments: Option) -> (Flow, Option) {
            (reply, arguments)
        }

        #[frame]
        fn frame(&mut self, _: &str) {}

        #[started]
        fn started(&mut self) {}

        #[every("1s")]
        fn stopped(&mut self) {}

        #[idle("1m")]
        fn idle(&mut self) {}
    }

    impl Actor for M {}
    impl Actor for Reply {}

    pub(crate) fn asks(
        m: ::odeon::Addr<M>,
    ) -> (::odeon::Ask<M, Go>, impl ::std::future::IntoFuture, impl ::std::future::IntoFuture) {
        (
            m.accept(Go(Option, Result, (u8, u32, usize, bool))),
            m.handle(Duration, Inner),
            m.interval(Flow, Option),
        )
    }
}

#[test]
fn the_expansion_names_nothing_of_its_surroundings() {
    fn implements_the_other_trait<T: crowded::Actor>(_: T) {}
    implements_the_other_trait(crowded::Reply);
    let mut world = World::new();
    let m = world.spawn(crowded::M);
    let (accept, handle, interval) = crowded::asks(m);
    let (handle, interval) = (handle.into_future(), interval.into_future());
    assert!(matches!(world.ask(accept), Ok(crowded::Some)));
    assert!(world.poll(handle).is_some() && world.poll(interval).is_some());
    world.end();
}

/// Nothing is imported, and each attribute has a path of its own.
mod anonymous {
    #[derive(odeon::Message)]
    pub(crate) struct Note(pub(crate) u64);

    #[derive(Default)]
    pub(crate) struct Desk {
        pub(crate) notes: Vec<u64>,
    }

    #[odeon::prelude::actor(pub(crate), codec = odeon::net::codec::Lines<80>)]
    impl Desk {
        #[odeon::started]
        fn begins(&mut self) {
            self.notes.push(1);
        }

        #[::odeon::message]
        fn note(&mut self, note: Note) {
            self.notes.push(note.0);
        }

        #[crate::places::vendored::actors::call]
        fn notes(&self) -> Vec<u64> {
            self.notes.clone()
        }

        #[odeon::prelude::frame]
        fn line(&mut self, line: &str) {
            self.notes.push(line.len() as u64);
        }

        #[odeon::prelude::end_of_stream]
        fn heard(&mut self) {
            self.notes.push(2);
        }

        #[odeon::every("1s")]
        fn ticks(&mut self) {
            self.notes.push(3);
        }
    }
}

#[test]
fn attributes_may_be_named_by_any_path() {
    use anonymous::{Desk, DeskAddr, Note};

    let mut world = World::new();
    let desk = world.spawn(Desk::default());
    assert!(desk.tell(Note(7)).is_ok());
    world.run_for(std::time::Duration::from_millis(1500));
    assert_eq!(world.ask(desk.notes()), Ok(vec![1, 7, 3]));
    world.end();
}
