use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[call]
    fn search(&mut self, _me: Handle<Self>) {}
}

fn main() {}
