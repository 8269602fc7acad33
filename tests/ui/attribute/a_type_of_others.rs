use odeon::prelude::*;

trait Speak {}

#[actor]
impl dyn Speak {}

fn main() {}
