//! How long files and functions are, and how files begin.
//!
//! Knows: lines and braces. Must not know what they say.

use super::source::{Source, Violation, behind_match, words};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// Nine functions in ten are no longer than this.
const FUNCTION_LINES_USUAL: usize = 25;

/// Files are at most 800 lines long.
pub(crate) fn file_length(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    let long = lines > FILE_LINES_MAX;
    long.then(|| source.violation_of_file(format!("{lines} lines: at most {FILE_LINES_MAX}")))
        .into_iter()
        .collect()
}

/// Functions are at most 70 lines long.
pub(crate) fn function_length(source: &Source) -> Vec<Violation> {
    functions(&source.code)
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .map(|function| {
            let text =
                format!("`{}` has {} lines: at most {FUNCTION_LINES_MAX}", function.name, function.lines);
            source.violation(function.place, text)
        })
        .collect()
}

/// Nine functions in ten of what is shipped are at most 25 lines long.
pub(crate) fn function_length_usual(sources: &[Source]) -> Vec<Violation> {
    let mut lines: Vec<usize> =
        sources.iter().flat_map(|source| functions(&source.shipped)).map(|function| function.lines).collect();
    lines.sort_unstable();
    match lines.get(lines.len() * 9 / 10) {
        Some(usual) if *usual > FUNCTION_LINES_USUAL => {
            let what =
                format!("nine functions in ten have up to {usual} lines: at most {FUNCTION_LINES_USUAL}");
            vec![Violation { path: "src".to_owned(), line: 0, what }]
        }
        _ => Vec::new(),
    }
}

/// A function with a body.
struct Function<'a> {
    place: usize,
    name: &'a str,
    lines: usize,
}

fn functions(code: &str) -> Vec<Function<'_>> {
    let is_fn =
        |(place, word): &(usize, &str)| *word == "fn" && !code[place + 2..].trim_start().starts_with('(');
    words(code)
        .filter(is_fn)
        .filter_map(|(place, _)| {
            let name = words(&code[place + 2..]).next()?.1;
            let open = body(code, place)?;
            let lines = 1 + code[place..behind_match(code, open)].matches('\n').count();
            Some(Function { place, name, lines })
        })
        .collect()
}

/// Where the body of the function at `place` opens; none when it has no body.
fn body(code: &str, place: usize) -> Option<usize> {
    let mut place = place;
    loop {
        place += code[place..].find(['(', '[', '{', ';'])?;
        match code.as_bytes()[place] {
            b';' => return None,
            b'{' if !is_argument(code, place) => return Some(place),
            _ => place = behind_match(code, place),
        }
    }
}

/// True if the brace at `place` is an argument of a type (`A<{ 1 }>`, `A<B, { 1 }>`), and no body.
fn is_argument(code: &str, place: usize) -> bool {
    let before = &code[..place];
    // A body behind a comma stands on a line of its own, as rustfmt has it.
    before.trim_end().ends_with(['<', '=']) || before.trim_end_matches(' ').ends_with(',')
}

/// A file opens by saying what it knows.
pub(crate) fn header(source: &Source) -> Vec<Violation> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.violation(0, "a file opens with `//!`: what it knows, and what it must not know")]
}

/// A file with `unsafe` says so behind its header, which numbers its invariants; a file without does not.
pub(crate) fn unsafe_header(source: &Source) -> Vec<Violation> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let uses = words(&source.code).any(|(_, word)| word == "unsafe");
    let allows = source.code.contains("#![allow(unsafe_code)]");
    let header: String =
        source.text.split_inclusive('\n').take_while(|line| line.starts_with("//!")).collect();
    let numbered =
        header.split_once("//! Invariants:").is_some_and(|(_, invariants)| invariants.contains("1. "));
    let what = match (uses, allows, numbered) {
        (true, true, true) | (false, false, _) => return Vec::new(),
        (true, false, _) => "a file with `unsafe` has `#![allow(unsafe_code)]` behind its header",
        (true, true, false) => {
            "the header of a file with `unsafe` numbers its invariants: `//! Invariants: 1. …`"
        }
        (false, true, _) => "there is no `unsafe` here to allow",
    };
    vec![source.violation_of_file(what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Source) -> Vec<Violation>, text: &str) -> usize {
        rule(&Source::new("src/a.rs", text)).len()
    }

    #[test]
    fn a_line_too_many_is_found() {
        assert_eq!(count(file_length, &"\n".repeat(800)), 0);
        assert_eq!(count(file_length, &"\n".repeat(801)), 1);
    }

    #[test]
    fn a_function_that_is_too_long_is_found() {
        let with = |lines: usize| {
            format!("fn a(b: [u8; 3]) -> C<{{ 1 }}>\nwhere D: E {{{}}}", "\n".repeat(lines - 2))
        };
        assert_eq!(count(function_length, &with(70)), 0);
        assert_eq!(count(function_length, &with(71)), 1);
        let two = format!("fn a()\nwhere\n    B: C,\n{{{}}}\nfn d(e: F<G, {{ 1 }}>) {{}}", "\n".repeat(60));
        assert_eq!(count(function_length, &two), 0);
        assert_eq!(functions(&two).iter().map(|function| function.lines).collect::<Vec<_>>(), [64, 1]);
        let declared = format!("trait A {{ fn b(); }} struct C {{ d: fn(u8) {} }}", "\n".repeat(100));
        assert_eq!(count(function_length, &declared), 0);
    }

    #[test]
    fn too_many_long_functions_are_found() {
        let long = format!("fn a() {{{}}}\n", "\n".repeat(25));
        let of = |long_functions: usize| {
            let text = "fn b() {}\n".repeat(10 - long_functions) + &long.repeat(long_functions);
            function_length_usual(&[Source::new("src/a.rs", &text)]).len()
        };
        assert_eq!(of(0), 0);
        assert_eq!(of(1), 1);
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(count(header, "//! What it knows.\n"), 0);
        assert_eq!(count(header, "use a;\n//! b"), 1);
        assert_eq!(count(header, ""), 1);
    }

    #[test]
    fn unsafe_that_is_not_announced_is_found_and_so_is_the_reverse() {
        let check = |text, expected| assert_eq!(count(unsafe_header, text), expected, "{text}");
        check("//! A.\n//!\n//! Invariants:\n//! 1. B.\n#![allow(unsafe_code)]\nunsafe {}", 0);
        check("//! A.\n#![allow(unsafe_code)]\nunsafe {}", 1);
        check("//! Invariants: 1. A.\nunsafe {}", 1);
        check("//! A.\n#![allow(unsafe_code)]", 1);
        check("//! A.\n", 0);
    }
}
