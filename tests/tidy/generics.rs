//! R3: which types are generic over the backend.
//!
//! Knows: how generics are written. Must not know what the types are for.

use super::source::{Source, Violation, words};
use super::tables::GENERIC_OVER_BACKEND;

/// Exactly the listed types are generic over the backend.
pub(crate) fn over_the_backend(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        for (place, name) in generic_types(&source.shipped) {
            seen.push(name.clone());
            if !GENERIC_OVER_BACKEND.contains(&name.as_str()) {
                let text =
                    format!("`{name}` is generic over the backend: only {GENERIC_OVER_BACKEND:?} may be");
                found.push(source.violation(place, text));
            }
        }
    }
    for name in GENERIC_OVER_BACKEND.iter().filter(|name| !seen.iter().any(|seen| seen == *name)) {
        let what = format!("`{name}` should be generic over the backend");
        found.push(Violation { path: "src".to_owned(), line: 0, what });
    }
    found
}

/// The types that are declared with a parameter bounded by `Backend`, or implemented for one, with their places.
fn generic_types(code: &str) -> Vec<(usize, String)> {
    words(code)
        .filter_map(|(place, word)| {
            match word {
                "struct" | "enum" | "type" | "trait" => declared(&code[place + word.len()..]),
                "impl" => implemented(&code[place + word.len()..]),
                _ => None,
            }
            .map(|name| (place, name))
        })
        .collect()
}

/// The name of a declaration, if a parameter of it is bounded by `Backend`.
fn declared(rest: &str) -> Option<String> {
    let head = &rest[..rest.find(['{', ';', '(', '=']).unwrap_or(rest.len())];
    let name = words(head).next()?.1;
    // A trait's own bounds (`trait Backend: Sized`) come behind its parameters, in no angle brackets.
    let generic = head.trim_start().strip_prefix(name)?.trim_start().starts_with('<');
    (generic && !bounded(head).is_empty()).then(|| name.to_owned())
}

/// The name of the type that is implemented, if it takes a parameter bounded by `Backend`.
fn implemented(rest: &str) -> Option<String> {
    let head = &rest[..rest.find(['{', ';']).unwrap_or(rest.len())];
    let parameters = bounded(head);
    let target = &head[parameter_list(head)..];
    let target = target.split_once(" where ").map_or(target, |(target, _)| target);
    let target = target.split_once(" for ").map_or(target, |(_, target)| target);
    let (path, arguments) = target.split_once('<')?;
    let taken = words(arguments).any(|(_, word)| parameters.contains(&word));
    taken.then(|| words(path).last().map(|(_, name)| name.to_owned())).flatten()
}

/// Where the parameter list at the start of `head` ends.
fn parameter_list(head: &str) -> usize {
    let mut depth = 0;
    for (index, byte) in head.bytes().enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' if index > 0 && head.as_bytes()[index - 1] != b'-' => depth -= 1,
            byte if depth == 0 && !byte.is_ascii_whitespace() => return index,
            _ => continue,
        }
        if depth == 0 {
            return index + 1;
        }
    }
    head.len()
}

/// The parameters in `head` that are bounded by `Backend`, in their list or behind `where`.
fn bounded(head: &str) -> Vec<&str> {
    words(head)
        .filter(|(_, word)| *word == "Backend")
        .filter_map(|(place, _)| {
            let bounds = head[..place].rfind([',', '<', ';', '>']).map_or(0, |index| index + 1);
            let (parameter, _) = head[bounds..place].split_once(':')?;
            words(parameter).map(|(_, word)| word).last()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, names: &[&str]) {
        let found: Vec<String> = generic_types(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(found, names, "{text}");
    }

    #[test]
    fn types_over_the_backend_are_found() {
        check("struct Driver<B: Backend> { b: B }", &["Driver"]);
        check("struct Driver<B> where B: Backend { b: B }", &["Driver"]);
        check("pub enum Both<'a, T: Copy, B: Send + Backend> { }", &["Both"]);
        check("impl<B: Backend> Executor<B> { }", &["Executor"]);
        check("impl<T, B: driver::Backend> Drop for net::Thing<T, B> { }", &["Thing"]);
        check("impl<B> Thing<B> where B: Backend { }", &["Thing"]);
        check("type Alias<B: Backend> = u8;", &["Alias"]);
    }

    #[test]
    fn other_generics_and_functions_are_none() {
        check("trait Backend: Sized { }", &[]);
        check("impl Backend for Uring { }", &[]);
        check("impl<S: Clock> Backend for Sim<S> { }", &[]);
        check("fn run<B: Backend>(b: B) { }", &[]);
        check("struct Full<B> { b: B }", &[]);
        check("impl<B: Buf> Full<B> { fn a<C: Backend>() {} }", &[]);
    }

    #[test]
    fn one_type_too_many_or_too_few_is_a_violation() {
        let of = |text| over_the_backend(&[Source::new("src/a.rs", text)]).len();
        assert_eq!(of("struct Driver<B: Backend>; struct Executor<B: Backend>;"), 0);
        assert_eq!(of("struct Driver<B: Backend>; struct Executor<B: Backend>; struct Cell<B: Backend>;"), 1);
        assert_eq!(of("struct Driver<B: Backend>;"), 1);
    }
}
