//! An actor, a question and its answer.
//!
//!     cargo run --example hello
//!
//! Shows: an actor by `#[actor]`; a method that its address has, with typed arguments and answer; a thread that waits.

use odeon::prelude::*;

#[derive(Default)]
struct Greeter {
    greeted: u32,
}

#[actor]
impl Greeter {
    #[call]
    fn greet(&mut self, name: String) -> String {
        self.greeted += 1;
        format!("hello, {name}: you are guest {}", self.greeted)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::builder().cores(Cores::Count(1)).build()?;
    let greeter = system.spawn(Greeter::default())?;
    println!("{}", greeter.greet("world".to_owned()).wait()?);
    system.shutdown();
    Ok(())
}
