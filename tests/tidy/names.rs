//! Names that `#[actor]` must refuse: a handler with the name of a method that every address has would be hidden by it.
//!
//! Knows: where addresses have their methods, and where the macro lists them. Must not know what either does.

use super::source::{Source, Violation, behind_match, words};

const LIST: &str = "macros/src/actor/checks.rs";
const BLOCKS: [&str; 2] = ["> Addr<A> {", "> LocalAddr<A> {"];

/// What addresses can do is on the list of the macro.
pub(crate) fn of_addresses(sources: &[Source]) -> Vec<Violation> {
    let Some(list) = sources.iter().find(|source| source.path == LIST) else {
        return vec![Violation { path: LIST.to_owned(), line: 0, what: "is gone".to_owned() }];
    };
    let taken = list.text.split_once("TAKEN: &[&str] = &[").and_then(|(_, rest)| rest.split_once(']'));
    let taken = taken.map_or("", |(taken, _)| taken);
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        for (place, name) in methods(&source.shipped) {
            if !taken.contains(&format!("\"{name}\"")) {
                let what = format!("addresses have a method `{name}`: put it on `TAKEN` in {LIST}");
                found.push(source.violation(place, what));
            }
        }
    }
    found
}

/// The methods that anybody can call, of the inherent blocks of addresses.
fn methods(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let blocks = BLOCKS.iter().flat_map(|block| code.match_indices(block));
    for (place, head) in blocks.filter(|(place, _)| !is_of_a_trait(&code[..*place])) {
        let open = place + head.len() - 1;
        let body = &code[open..behind_match(code, open)];
        for (place, _) in body.match_indices("pub fn ") {
            let Some((offset, name)) = words(&body[place + 7..]).next() else { continue };
            let rest = &body[place + 7 + offset..];
            let first = rest.split_once('(').map_or("", |(_, rest)| rest);
            if first.starts_with("self") || first.starts_with("&self") {
                found.push((open + place, name));
            }
        }
    }
    found
}

/// True if what precedes a type, back to `impl`, names a trait.
fn is_of_a_trait(before: &str) -> bool {
    before.rsplit("impl").next().is_some_and(|head| head.contains(" for "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expected: usize) {
        let list = Source::new(LIST, "pub(crate) const TAKEN: &[&str] = &[\"ask\",\n \"tell\"];");
        let found = of_addresses(&[list, Source::new("src/actor/a.rs", code)]);
        assert_eq!(found.len(), expected, "{code}: {found:?}");
    }

    #[test]
    fn methods_that_are_not_on_the_list_are_found() {
        check("impl<A: Actor> Addr<A> { pub fn tell<M: SendTo<A>>(self, message: M) {} }", 0);
        check(
            "impl<A: Actor> Addr<A> { pub fn ask(&self) {} pub fn watch(&self) { pub fn no(self) {} } }",
            2,
        );
        check("impl<A: Actor> LocalAddr<A> {\n    #[must_use]\n    pub fn stop(self) {}\n}", 1);
        check(
            "impl<A: Actor> Addr<A> { pub(crate) fn raw(self) {} pub fn from_raw(raw: u8) {} fn a(&self) {} }",
            0,
        );
        check("impl<A: Actor> Look<A> for Addr<A> { pub fn look(self) {} }", 0);
        check("impl<A: Actor> Ask<A> { pub fn then(self) {} }", 0);
    }

    #[test]
    fn a_list_that_is_gone_is_found() {
        assert_eq!(of_addresses(&[]).len(), 1);
    }
}
