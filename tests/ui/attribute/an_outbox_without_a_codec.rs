use odeon::prelude::*;

struct Room;


#[actor(outbox(bytes = "256k"))]
impl Room {}

fn main() {}
