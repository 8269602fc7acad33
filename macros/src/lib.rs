//! The derive macros of the Odeon actor runtime. Use them through the `odeon` crate.
//!
//! Knows: how macros are entered. Must not know what they make.

mod message;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a type a message that actors can be sent: a struct or an enum, generic or not.
///
/// A message owns what it carries, so each type parameter gets the bound `'static`, and lifetime parameters are refused.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[message(reply = Type)]` | what is answered to `ask`; `()` unless said otherwise |
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
