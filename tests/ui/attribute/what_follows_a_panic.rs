use odeon::prelude::*;

struct Room;

#[actor(on_panic = resume)]
impl Room {
    #[call]
    fn topic(&mut self) {}
}

struct Hall;

#[actor(on_panic = "restart")]
impl Hall {
    #[call]
    fn topic(&mut self) {}
}

struct Session;

#[actor(codec = Lines<80>, on_panic = restart)]
impl Session {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

fn main() {}
