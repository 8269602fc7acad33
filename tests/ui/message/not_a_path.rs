#[derive(odeon::Message)]
#[message(crate = "odeon")]
struct Ping;

fn main() {}
