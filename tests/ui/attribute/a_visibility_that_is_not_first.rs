use odeon::prelude::*;

struct Room;


#[actor(mailbox(capacity = 8), pub)]
impl Room {}

fn main() {}
