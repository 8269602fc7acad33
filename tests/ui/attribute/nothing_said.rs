use odeon::prelude::*;

struct Room;


#[actor(mailbox, outbox(), codec)]
impl Room {}

fn main() {}
