use odeon::prelude::*;

struct Room;


#[actor(capacity = 8, pub_crate)]
impl Room {}

fn main() {}
