use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[call(concurrent)]
    fn search(_me: Handle<Self>, _query: String) {}
}

fn main() {}
