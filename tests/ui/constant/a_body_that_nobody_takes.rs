use odeon::prelude::*;

struct Sums;

#[actor(codec = Lines<20>)]
impl Sums {
    #[frame]
    fn length(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        match cx.read_exact_into(Vec::new(), line.len()) {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Close,
        }
    }
}

fn main() {
    let system = System::builder().build().unwrap();
    system.listener("127.0.0.1:0").start(|_| Sums).unwrap();
}
