#[derive(odeon::Message)]
#[message(answer = u8)]
struct Ping;

fn main() {}
