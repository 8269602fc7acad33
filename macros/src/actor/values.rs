//! Values that attributes take: times, sizes, numbers of messages; as literals, checked here, or as constants.
//!
//! Knows: units and bounds. Must not know what is measured.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Error, Lit, LitStr, Path, Result, Token};

use super::errors::error;

const TIMES: &str = "write a string such as `\"30s\"`: a number and one of `us`, `ms`, `s`, `m`, `h`, `d`";
const SIZES: &str = "write a number of bytes, or in quotes one with `k`, `m` or `g`: `4096`, `\"256k\"`";
/// What is said of anything else, such as an expression.
const CONSTANT: &str = "expected a literal, or the path of a constant";
const COUNTS: &str = "write a number without quotes: `capacity = 256`";

/// What a literal may say beside a time.
pub(crate) enum Time {
    /// An expression of type `Duration`.
    After(TokenStream),
    Never,
}

/// A time, as an expression of type `Duration`.
pub(crate) fn time(input: ParseStream<'_>) -> Result<TokenStream> {
    match input.peek(Lit) {
        true => time_literal(&input.parse()?),
        false => constant_time(&constant(input, TIMES)?),
    }
}

/// A time, or `"never"`.
pub(crate) fn time_or_never(input: ParseStream<'_>) -> Result<Time> {
    if let Ok(text) = input.fork().parse::<LitStr>()
        && text.value() == "never"
    {
        input.parse::<LitStr>()?;
        return Ok(Time::Never);
    }
    time(input).map(Time::After)
}

/// Bytes, as an expression of type `usize`. `of_nothing` says what is wrong with none.
pub(crate) fn bytes(input: ParseStream<'_>, of_nothing: &str) -> Result<TokenStream> {
    if !input.peek(Lit) {
        return constant(input, SIZES).map(Path::into_token_stream);
    }
    let literal: Lit = input.parse()?;
    let count = match &literal {
        Lit::Int(number) => number.base10_parse::<u64>().ok(),
        Lit::Str(text) => size(&text.value()),
        _ => None,
    };
    match count.map(usize::try_from) {
        Some(Ok(0)) => Err(error(literal, of_nothing, SIZES)),
        Some(Ok(count)) => Ok(quote!(#count)),
        _ => Err(error(&literal, &format!("{} is not a size", shown(&literal)), SIZES)),
    }
}

/// A number of messages, as an expression of type `u32`.
pub(crate) fn count(input: ParseStream<'_>) -> Result<TokenStream> {
    if !input.peek(Lit) {
        return constant(input, COUNTS).map(Path::into_token_stream);
    }
    let literal: Lit = input.parse()?;
    let count = match &literal {
        Lit::Int(number) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    match count {
        Some(0) => Err(error(
            literal,
            "a mailbox without room would refuse everything",
            "make room for one message at least",
        )),
        Some(count) => Ok(quote!(#count)),
        None => Err(error(&literal, &format!("{} is not a number of messages", shown(&literal)), COUNTS)),
    }
}

/// One of a few words, without quotes, as the variant that it stands for.
pub(crate) fn variant(input: ParseStream<'_>, known: &[(&str, &str)], what: &str) -> Result<Ident> {
    let list = known.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let help = format!("write one of {list}, without quotes");
    let found = input.span();
    let word = input
        .call(Ident::parse_any)
        .map_err(|_| Error::new(found, format!("this is not {what}\nhelp: {help}")))?;
    match known.iter().find(|(known, _)| word == known) {
        Some((_, variant)) => Ok(Ident::new(variant, word.span())),
        None => Err(error(&word, &format!("`{word}` is not {what}"), &help)),
    }
}

fn constant(input: ParseStream<'_>, help: &str) -> Result<Path> {
    let found = input.span();
    let refused = |_| Error::new(found, format!("{CONSTANT}\nhelp: {help}"));
    let path = input.call(Path::parse_mod_style).map_err(refused)?;
    match input.is_empty() || input.peek(Token![,]) {
        true => Ok(path),
        // `Duration::from_secs(30)`, or a sum.
        false => Err(error(path, CONSTANT, help)),
    }
}

/// A constant is looked at when it is known: when the actor is compiled.
fn constant_time(path: &Path) -> Result<TokenStream> {
    let there = super::located(path.span());
    Ok(quote_spanned! {there=>
        const {
            ::core::assert!(!::core::time::Duration::is_zero(&#path), "the time is zero");
            #path
        }
    })
}

fn time_literal(literal: &Lit) -> Result<TokenStream> {
    let Lit::Str(text) = literal else {
        return Err(error(literal, &format!("{} is not a time", shown(literal)), TIMES));
    };
    match micros(&text.value()) {
        Some(0) => Err(error(literal, "a time of nothing", "say how long, for example `\"1ms\"`")),
        Some(micros) => {
            let (seconds, nanos) = (micros / 1_000_000, micros % 1_000_000 * 1_000);
            let nanos = u32::try_from(nanos).expect("less than a second");
            Ok(quote!(::core::time::Duration::new(#seconds, #nanos)))
        }
        None => Err(error(literal, &format!("{} is not a time", shown(literal)), TIMES)),
    }
}

/// How many microseconds a text says; none if it says no time, or more than there are.
fn micros(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// How many bytes a text says.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A number and what follows it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

fn shown(literal: &Lit) -> String {
    format!("`{}`", literal.to_token_stream())
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    use super::*;

    fn said(
        read: fn(ParseStream<'_>) -> Result<TokenStream>,
        text: &str,
    ) -> std::result::Result<String, String> {
        let read = read.parse_str(text).map(|tokens| tokens.to_string().replace(' ', ""));
        read.map_err(|error| error.to_string())
    }

    fn sized(input: ParseStream<'_>) -> Result<TokenStream> {
        bytes(input, "nothing without room")
    }

    fn check(read: fn(ParseStream<'_>) -> Result<TokenStream>, text: &str, expected: &str) {
        assert_eq!(said(read, text).as_deref(), Ok(expected), "{text}");
    }

    fn check_refused(read: fn(ParseStream<'_>) -> Result<TokenStream>, text: &str, part: &str) {
        let error = said(read, text).expect_err(text);
        assert!(error.contains(part) && error.contains("\nhelp: "), "{text}: {error}");
    }

    #[test]
    fn times_have_a_unit() {
        check(time, "\"500us\"", "::core::time::Duration::new(0u64,500000u32)");
        check(time, "\"50ms\"", "::core::time::Duration::new(0u64,50000000u32)");
        check(time, "\"10s\"", "::core::time::Duration::new(10u64,0u32)");
        check(time, "\"2m\"", "::core::time::Duration::new(120u64,0u32)");
        check(time, "\"1h\"", "::core::time::Duration::new(3600u64,0u32)");
        check(time, "\"1d\"", "::core::time::Duration::new(86400u64,0u32)");
        check(time, "\"1500ms\"", "::core::time::Duration::new(1u64,500000000u32)");
        for text in [
            "\"10\"",
            "\"s\"",
            "\"\"",
            "\"1.5s\"",
            "\"10 s\"",
            "\"-1s\"",
            "\"1S\"",
            "\"1s \"",
            "\"1m30s\"",
            "\"never\"",
        ] {
            check_refused(time, text, &format!("`{text}` is not a time"));
        }
        for text in ["10", "1.5", "'s'", "true"] {
            check_refused(time, text, &format!("`{text}` is not a time"));
        }
    }

    #[test]
    fn a_time_is_neither_nothing_nor_endless() {
        for text in ["\"0s\"", "\"0us\"", "\"00d\""] {
            check_refused(time, text, "a time of nothing");
        }
        check(time, "\"213503982d\"", "::core::time::Duration::new(18446744044800u64,0u32)");
        check_refused(time, "\"213503983d\"", "is not a time");
        check_refused(time, "\"99999999999999999999s\"", "is not a time");
    }

    #[test]
    fn never_is_said_where_it_may_be() {
        let read = |text: &str| time_or_never.parse_str(text).expect("it can be read");
        assert!(matches!(read("\"never\""), Time::Never));
        assert!(matches!(read("\"1s\""), Time::After(_)));
        assert!(matches!(read("LIMIT"), Time::After(_)));
    }

    #[test]
    fn sizes_have_a_unit_or_none() {
        check(sized, "\"512\"", "512usize");
        check(sized, "512", "512usize");
        check(sized, "64_000", "64000usize");
        check(sized, "\"64k\"", "65536usize");
        check(sized, "\"1m\"", "1048576usize");
        check(sized, "\"1g\"", "1073741824usize");
        for text in ["\"64K\"", "\"64kb\"", "\"k\"", "\"\"", "\"-1\"", "\"1t\"", "1.5", "\"99999999999g\""] {
            check_refused(sized, text, &format!("`{text}` is not a size"));
        }
        check_refused(sized, "0", "without room");
        check_refused(sized, "\"0k\"", "without room");
    }

    #[test]
    fn capacities_are_numbers() {
        check(count, "256", "256u32");
        check(count, "1_024", "1024u32");
        check(count, "0x10", "16u32");
        check_refused(count, "0", "without room");
        for text in ["\"256\"", "5_000_000_000", "1.0"] {
            check_refused(count, text, &format!("`{text}` is not a number of messages"));
        }
    }

    #[test]
    fn constants_can_be_named() {
        check(count, "ROOM", "ROOM");
        check(count, "Self::ROOM", "Self::ROOM");
        check(sized, "crate::limits::OUTBOX", "crate::limits::OUTBOX");
        let made = said(time, "super::PING").expect("it can be read");
        assert!(made.contains("is_zero(&super::PING)") && made.ends_with("super::PING}"), "{made}");
        check_refused(count, "-1", "is not a number of messages");
        check_refused(count, "(1)", "expected a literal, or the path of a constant");
        for text in ["Duration::from_secs(30)", "LIMIT * 2", "LIMITS[0]", "Limits { }.ping", "first!()"] {
            check_refused(time, text, CONSTANT);
            check_refused(sized, text, CONSTANT);
            check_refused(count, text, CONSTANT);
        }
        check_refused(time, "", "expected a literal, or the path of a constant");
    }
}
