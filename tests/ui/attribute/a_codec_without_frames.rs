use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>)]
impl Room {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        cx.write_line("hello");
    }
}

fn main() {}
