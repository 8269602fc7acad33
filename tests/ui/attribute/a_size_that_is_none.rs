use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>, outbox(bytes = "256kb"))]
impl Room {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

struct Hall;

#[actor(codec = Lines<80>, outbox(bytes = 0))]
impl Hall {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

fn main() {}
