use odeon::prelude::*;

struct Room;

#[actor(address = "LobbyAddr")]
impl Room {
    #[call]
    fn count(&self) -> u64 {
        0
    }
}

struct Hall;

#[actor(address)]
impl Hall {
    #[call]
    fn count(&self) -> u64 {
        0
    }
}

fn main() {}
