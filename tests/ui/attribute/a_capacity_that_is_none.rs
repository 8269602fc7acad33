use odeon::prelude::*;

struct Room;


#[actor(mailbox(capacity = "256"))]
impl Room {}

struct Hall;

#[actor(mailbox(capacity = 5_000_000_000))]
impl Hall {}

fn main() {}
