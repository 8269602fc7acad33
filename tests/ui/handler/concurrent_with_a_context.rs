use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[call(concurrent)]
    async fn search(_query: String, _cx: &mut Context<Self>) {}
}

fn main() {}
