#[derive(odeon::Message)]
#[message(reply = "u8")]
struct Ping;

fn main() {}
