//! What `#[derive(Message)]` makes of a type.
//!
//! Knows: types that are messages. Must not know actors. Mistakes are in `ui/message/`.

use std::any::TypeId;
use std::fmt::Debug;

use odeon::Message;

fn check<M: Message, Reply: 'static>() {
    assert_eq!(TypeId::of::<M::Reply>(), TypeId::of::<Reply>());
}

#[derive(Message)]
struct Unit;

#[derive(Message)]
struct Tuple(
    u32,
    /// A field with an attribute of its own.
    String,
);

#[derive(Message)]
enum Never {}

#[derive(Message)]
#[message(reply = Result<Option<u8>, String>)]
enum Asked {
    /// A variant with an attribute of its own.
    Plainly,
    With {
        name: String,
    },
}

#[test]
fn structs_and_enums_are_messages() {
    check::<Unit, ()>();
    check::<Tuple, ()>();
    check::<Never, ()>();
    check::<Asked, Result<Option<u8>, String>>();
    let Tuple(number, text) = Tuple(3, "three".to_owned());
    assert_eq!((number, text.as_str()), (3, "three"));
    assert!(matches!(Asked::With { name: String::new() }, Asked::With { name } if name.is_empty()));
    assert!(matches!(Asked::Plainly, Asked::Plainly));
}

#[derive(Message)]
#[message(reply = Option<T>)]
struct Pop<T: Clone = u8, const N: usize = 1>
where
    T: Debug,
{
    below: [T; N],
}

#[derive(Message)]
struct Nested<I: Iterator>(I::Item);

#[test]
fn generic_types_are_messages_whatever_they_are_generic_over() {
    check::<Pop, Option<u8>>();
    check::<Pop<String, 3>, Option<String>>();
    check::<Nested<std::ops::Range<u8>>, ()>();
    assert_eq!(Pop { below: [1, 2] }.below, [1, 2]);
    assert_eq!(Nested::<std::ops::Range<u8>>(4).0, 4);
}

/// A generic function needs no more than what the derive adds by itself.
fn is_message<T: Clone + Debug + 'static>() {
    check::<Pop<T, 2>, Option<T>>();
}

#[test]
fn the_bound_that_is_added_is_static_and_no_more() {
    is_message::<std::rc::Rc<u8>>();
}

/// A crate that offers Odeon under another name.
mod vendored {
    pub(crate) mod actors {
        pub(crate) use odeon::Message;
    }
}

#[derive(odeon::Message)]
#[message(crate = crate::vendored::actors)]
struct Renamed;

#[test]
fn odeon_may_have_another_name() {
    check::<Renamed, ()>();
}

/// Names that a careless expansion would trip over.
mod crowded {
    #![expect(non_camel_case_types, reason = "to be in the way")]

    pub(crate) struct Option;
    pub(crate) struct Reply;
    pub(crate) trait Message {}
    pub(crate) mod odeon {}

    #[derive(::odeon::Message)]
    #[message(reply = (Option, Reply))]
    pub(crate) struct u8;

    impl Message for u8 {}
}

#[test]
fn the_expansion_names_nothing_of_its_surroundings() {
    fn implements_the_other_trait<T: crowded::Message>() {}
    implements_the_other_trait::<crowded::u8>();
    check::<crowded::u8, (crowded::Option, crowded::Reply)>();
}
