use odeon::prelude::*;

#[actor]
struct Room;

fn main() {}
