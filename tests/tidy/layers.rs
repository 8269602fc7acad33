//! Which layer names which.
//!
//! Knows: how paths are written. Must not know what a layer does.

use super::source::{Source, Violation, behind_match, words};
use super::tables::LAYERS;

/// A module names itself and the layers below it, by the path where things live.
pub(crate) fn order(source: &Source) -> Vec<Violation> {
    let Some(inner) = source.path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let module: Vec<&str> = inner.split('/').filter(|part| *part != "mod" && *part != "lib").collect();
    let Some(own) = module.first() else { return Vec::new() };
    let Some(own_rank) = rank(own) else {
        return vec![
            source.violation_of_file(format!("`{own}` has no place among `LAYERS` in tidy/tables.rs")),
        ];
    };
    named(&source.shipped, module.len())
        .into_iter()
        .filter_map(|(place, name, certain)| {
            let what = match rank(name) {
                _ if name == *own => return None,
                Some(rank) if rank < own_rank => return None,
                Some(_) => format!("`{own}` must not name `{name}`"),
                None if certain => format!("name things where they live: `{name}` is not a layer"),
                None => return None,
            };
            Some(source.violation(place, what))
        })
        .collect()
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// What is named at the root of the crate: the place, the name, and whether it is certain that the root is meant. `super`
/// within a module in the file may mean the file.
fn named(code: &str, depth: usize) -> Vec<(usize, &str, bool)> {
    let mut found = Vec::new();
    for (place, word) in words(code) {
        let starts = !code[..place].trim_end().ends_with("::");
        let (rest, certain) = match word {
            "crate" | "odeon" => (place + word.len(), true),
            "super" if starts => match behind_supers(code, place, depth) {
                Some(rest) => (rest, false),
                None => continue,
            },
            _ => continue,
        };
        let Some(path) = code[rest..].trim_start().strip_prefix("::") else { continue };
        let start = code.len() - path.len();
        found.extend(first_names(code, start).into_iter().map(|(place, name)| (place, name, certain)));
    }
    found
}

/// The place behind as many `super`s as lead out of a module of this depth.
fn behind_supers(code: &str, place: usize, depth: usize) -> Option<usize> {
    let mut end = place;
    for step in 0..depth {
        let rest = &code[end..];
        let rest = if step == 0 { rest } else { rest.trim_start().strip_prefix("::")?.trim_start() };
        end = code.len() - rest.strip_prefix("super")?.len();
    }
    Some(end)
}

/// The first names of the path at `start`: one, or those of a group.
fn first_names(code: &str, start: usize) -> Vec<(usize, &str)> {
    let group = code[start..].trim_start();
    let open = code.len() - group.len();
    if !group.starts_with('{') {
        return words(&code[start..]).take(1).map(|(place, name)| (start + place, name)).collect();
    }
    let end = behind_match(code, open);
    let mut names = Vec::new();
    let mut place = open + 1;
    while place < end {
        let Some((offset, name)) = words(&code[place..end]).next() else { break };
        names.push((place + offset, name));
        place = next_in_group(code, place + offset, end);
    }
    names
}

/// The place behind the next comma of this group.
fn next_in_group(code: &str, from: usize, end: usize) -> usize {
    let mut place = from;
    while place < end {
        match code.as_bytes()[place] {
            b',' => return place + 1,
            b'{' => place = behind_match(code, place),
            _ => place += 1,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, names: &[&str]) {
        let found = order(&Source::new(path, text));
        let all = found.len() == names.len()
            && found.iter().zip(names).all(|(one, name)| one.what.contains(&format!("`{name}`")));
        assert!(all, "{text}: {found:?}");
    }

    #[test]
    fn a_layer_above_is_found_however_it_is_named() {
        check("src/mem/a.rs", "use crate::executor::Core;", &["executor"]);
        check("src/mem/a.rs", "fn a() { crate::net::codec::b() }", &["net"]);
        check("src/mem/a.rs", "use crate::{sys::Time, net::{a, b}, driver};", &["net", "driver"]);
        check("src/mem/a/b.rs", "use super::super::super::net::c;", &["net"]);
        check("src/mem/mod.rs", "use super::net::c;", &["net"]);
        check("src/mem/a.rs", "use odeon::net;", &["net"]);
        check("src/fs/mod.rs", "use crate::process::Child;", &["process"]);
        check("src/config.rs", "use crate::sys::Time;", &["sys"]);
    }

    #[test]
    fn layers_below_tests_and_comments_are_fine() {
        check(
            "src/net/a.rs",
            "use crate::{sys::Time, mem::{Key, Slab}, net::b}; use crate::actor::Addr;",
            &[],
        );
        check("src/mem/a.rs", "use super::net; use super::slab::Slab; pub(crate) struct A;", &[]);
        check(
            "src/mem/a.rs",
            "// crate::net\n#[cfg(test)] mod tests { use crate::net; use super::super::super::net; }",
            &[],
        );
        check("src/lib.rs", "pub use crate::net::Listener;", &[]);
        check("tests/a.rs", "use odeon::net;", &[]);
    }

    #[test]
    fn what_is_no_layer_must_be_placed_or_named_where_it_lives() {
        check("src/other.rs", "", &["other"]);
        check("src/net/a.rs", "use crate::Message;", &["Message"]);
    }
}
