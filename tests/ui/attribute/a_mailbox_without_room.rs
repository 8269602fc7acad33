use odeon::prelude::*;

struct Room;


#[actor(mailbox(capacity = 0))]
impl Room {}

fn main() {}
