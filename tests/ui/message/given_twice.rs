#[derive(odeon::Message)]
#[message(reply = u8)]
#[message(reply = u16)]
struct Ping;

fn main() {}
