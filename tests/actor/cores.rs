//! The same on real cores: from threads, from one core to another, and over a socket.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use odeon::prelude::*;

#[derive(Message)]
#[message(reply = u64)]
struct Add(u64);

#[derive(Default)]
struct Sum(u64);

#[actor]
impl Sum {
    #[message]
    fn add(&mut self, Add(more): Add) -> u64 {
        self.0 += more;
        self.0
    }

    #[call]
    fn restart(&mut self, from: u64) -> u64 {
        std::mem::replace(&mut self.0, from)
    }
}

/// Asks a sum that lives on another core, in each of the ways.
struct Front(Addr<Sum>);

#[actor(codec = Lines<32>)]
impl Front {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Result<(), std::num::ParseIntError> {
        let place = cx.defer();
        self.0.add(Add(line.parse()?)).then(cx, move |_, sum, cx| {
            cx.fill_line(place, sum.map_or_else(|error| error.to_string(), |sum| sum.to_string()));
        });
        Ok(())
    }

    #[call]
    async fn twice(&mut self, more: u64) -> Result<u64, AskError> {
        self.0.add(Add(more)).await?;
        self.0.add(Add(more)).await
    }

    #[call(concurrent)]
    async fn beside(me: Handle<Self>, from: u64) -> Result<u64, AskError> {
        let Ok(sum) = me.with(|front, _| front.0) else { return Err(AskError::Stopped) };
        sum.restart(from).await
    }

    #[call]
    fn forwarded(&mut self, from: u64, reply: Reply<u64>) {
        self.0.restart(from).forward(reply);
    }
}

#[test]
fn handlers_are_asked_from_threads_and_across_cores() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::builder().cores(Cores::Count(2)).build()?;
    let sum = system.spawn_on(0, Sum::default())?;
    let front = system.spawn_on(1, Front(sum))?;
    sum.tell(Add(1)).or_dead_letter();
    assert_eq!(sum.add(Add(1)).wait()?, 2);
    assert_eq!(front.twice(20).wait()?, Ok(42));
    assert_eq!(front.beside(1).wait()?, Ok(42));
    assert_eq!(front.forwarded(7).wait()?, 1);
    let asked = std::thread::spawn(move || sum.restart(0).wait());
    assert_eq!(asked.join().expect("asking does not panic")?, 7);
    system.shutdown();
    assert_eq!(sum.restart(0).wait(), Err(AskError::Stopped));
    Ok(())
}

#[test]
fn answers_reach_a_socket_in_the_order_of_questions() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::builder().cores(Cores::Count(2)).build()?;
    let sum = system.spawn_on(0, Sum::default())?;
    let listening = system.listener("127.0.0.1:0").start(move |_| Front(sum))?;
    let mut client = TcpStream::connect(listening.address())?;
    client.write_all(b"40\n1\n1\n")?;
    let mut answers = BufReader::new(client.try_clone()?).lines().map_while(Result::ok);
    assert_eq!(answers.by_ref().take(3).collect::<Vec<_>>(), ["40", "41", "42"]);
    client.write_all(b"not a number\n")?;
    assert_eq!(answers.next(), None, "an error of a frame ends the connection");
    drop((answers, client));
    system.shutdown();
    Ok(())
}
