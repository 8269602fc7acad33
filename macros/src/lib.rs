//! The derive macros of the Odeon actor runtime. Use them through the `odeon` crate.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

/// Makes a type a message that actors can be sent.
///
/// The reply type is `()`.
///
/// ```ignore
/// #[derive(odeon::Message)]
/// struct Ping(u32);
/// ```
#[proc_macro_derive(Message)]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        impl #generics ::odeon::Message for #name #arguments #bounds {
            type Reply = ();
        }
    }
    .into()
}
