use odeon::prelude::*;

struct Room;


#[actor(mailbox(capacity = 8), mailbox(capacity = 9))]
impl Room {}

struct Hall;

#[actor(mailbox(capacity = 8, capacity = 9))]
impl Hall {}

fn main() {}
