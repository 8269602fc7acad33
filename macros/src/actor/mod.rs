//! `#[actor(…)]`: an impl block whose methods are the handlers of an actor.
//!
//! Knows: in which order a block is read, checked and expanded. Must not know how.

mod arguments;
mod block;
mod checks;
mod errors;
mod expand;
mod handlers;
mod keys;
mod marks;
mod method;
mod parameters;
#[cfg(test)]
mod tests;
mod types;
mod values;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use arguments::Arguments;
use block::Block;
use errors::Errors;
use handlers::Handler;

/// A block, read.
struct Actor {
    arguments: Arguments,
    block: Block,
    handlers: Vec<Handler>,
    /// False if something is wrong: then no method is called, for what would be said about the calls is said already.
    sound: bool,
}

/// The block without our attributes, what follows from it, and what is wrong with it.
///
/// Whatever is wrong, the block stays, and so does as much of the rest as makes sense: the compiler would complain about
/// every use of it otherwise.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::of(arguments, &mut errors);
    let Some(mut block) = errors.take(syn::parse2::<Block>(item.clone())) else {
        let errors = errors.into_compile_errors();
        return quote!(#item #errors);
    };
    let mut handlers = handlers::take(&mut block, &mut errors);
    let refused = block.refused.take();
    let is_refused = refused.is_some();
    refused.into_iter().for_each(|error| errors.push(error));
    checks::together(&arguments, &mut handlers, &mut errors);
    let actor = Actor { arguments, block, handlers: handlers.all, sound: errors.is_empty() };
    let mut tokens = actor.block.to_token_stream();
    if !is_refused {
        expand::actor(&actor, &mut tokens);
    }
    errors.into_compile_errors().to_tokens(&mut tokens);
    tokens
}

/// A place in the user's source for a token that the user did not write there, so that lints do not look at it.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// A body whose braces are at one place of the user's source: with a head that is there too, errors about the item are.
fn braced(tokens: TokenStream, there: Span) -> Group {
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(located(there));
    group
}

/// The tokens, all at one place of the user's source: errors about them point there.
fn placed(tokens: impl ToTokens, there: Span) -> TokenStream {
    let moved = tokens.into_token_stream().into_iter().map(|token| {
        let mut token = match token {
            TokenTree::Group(group) => Group::new(group.delimiter(), placed(group.stream(), there)).into(),
            token => token,
        };
        token.set_span(token.span().located_at(there));
        token
    });
    moved.collect()
}
