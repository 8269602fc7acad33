use odeon::prelude::*;

struct Room;


#[actor(
    codec = Lines<80>,
    mailbox(capacity = 8),
    outbox(bytes = "256k"),
    on_panic = restart
)]
impl Room {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

fn main() {}
