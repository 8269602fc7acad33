//! Two actors and a message each way.
//!
//!     cargo run --example hello
//!
//! Shows: actors and their messages, written out by hand; spawning them on cores; how one answers another; how a thread
//! outside of the system waits for what an actor says.

use std::sync::mpsc;

use odeon::prelude::*;

#[derive(Message)]
struct Greet {
    name: &'static str,
    answer: Recipient<Greeting>,
}

#[derive(Message)]
struct Greeting(String);

struct Greeter;

impl Actor for Greeter {
    type Message = Greet;

    fn handle(&mut self, greet: Greet, _: &mut Context<Self>) -> Flow {
        greet.answer.tell(Greeting(format!("hello, {}", greet.name))).or_dead_letter();
        Flow::Continue
    }
}

impl Accepts<Greet> for Greeter {
    fn accept(message: Greet) -> Greet {
        message
    }
}

struct Guest {
    greeter: Addr<Greeter>,
    heard: mpsc::Sender<String>,
}

impl Actor for Guest {
    type Message = Greeting;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.greeter.tell(Greet { name: "world", answer: cx.me().recipient() }).or_dead_letter();
        Flow::Continue
    }

    fn handle(&mut self, Greeting(text): Greeting, _: &mut Context<Self>) -> Flow {
        // Nobody listens any more once `main` has failed.
        let _ = self.heard.send(text);
        Flow::Stop
    }
}

impl Accepts<Greeting> for Guest {
    fn accept(message: Greeting) -> Greeting {
        message
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::builder().cores(Cores::Count(2)).build()?;
    let greeter = system.spawn_on(0, Greeter)?;
    let (heard, greetings) = mpsc::channel();
    system.spawn_on(1, Guest { greeter, heard })?;
    println!("{}", greetings.recv()?);
    system.shutdown();
    Ok(())
}
