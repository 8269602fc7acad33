//! A bank: an actor for each account, and money that moves from one to another, one line a request.
//!
//!     cargo run --release --example bank -- --listen 127.0.0.1:7000
//!     printf 'deposit 1 100\ntransfer 1 2 30\nbalance 2\n' | nc -N 127.0.0.1 7000
//!     printf 'cover 1 2\ncover 2 3\ncover 3 1\nwithdraw 1 500\n' | nc -N 127.0.0.1 7000
//!
//! There are a hundred accounts, from 0 to 99, on all cores. `deposit A N`, `withdraw A N`, `transfer A B N` and `cover A B` answer `ok`, or
//! why not; `balance A` answers a number. After `cover A B`, B pays what A does not have. The first of these clients sees `ok`, `ok` and `30`;
//! the second three times `ok`, and then which accounts wait for one another.
//!
//! Shows: an asynchronous handler that asks another actor of its own kind, and has its state for itself until that has answered, so
//! that nobody spends meanwhile what is about to move; and what becomes of accounts that wait for one another: two transfers at once, from 1 to
//! 2 and from 2 to 1, or a loss for which 1 relies on 2, 2 on 3, and 3 on 1. Neither needs a rule about who may ask whom. One of them is
//! refused, at once, with nothing done, and the others go on.
//!
//! Limits: it is all in memory, and a transfer whose second half was not answered in time is not undone.

use std::fmt::{self, Display};
use std::process::ExitCode;

use odeon::prelude::*;
use odeon::{Circle, Receiver};

mod support;

const ACCOUNTS: usize = 100;
const CLIENTS_MAX: usize = 1_000;
const LINE_BYTES_MAX: usize = 64;
const USAGE: &str = "error: it is `deposit A N`, `withdraw A N`, `transfer A B N`, `cover A B` or `balance A`, with accounts below 100";

/// What somebody has.
#[derive(Default)]
struct Account {
    balance: u64,
    /// Who pays what it does not have.
    covered_by: Option<Addr<Account>>,
}

/// Why money does not move. Nothing has changed, unless it is unknown.
enum Refusal {
    NotEnough,
    /// Accounts wait for one another.
    Circle(Circle),
    Unknown(AskError),
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Refusal {
        match error {
            AskError::Cycle(circle) => Refusal::Circle(circle),
            error => Refusal::Unknown(error),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotEnough => out.write_str("error: there is not enough"),
            Refusal::Circle(circle) => {
                write!(out, "error: nothing has moved, for these wait for one another: {circle}")
            }
            Refusal::Unknown(error) => write!(out, "error: look what has become of it: {error}"),
        }
    }
}

#[actor]
impl Account {
    #[call]
    fn deposit(&mut self, amount: u32) {
        self.balance += u64::from(amount);
    }

    #[call]
    fn balance(&self) -> u64 {
        self.balance
    }

    #[call]
    fn cover(&mut self, by: Addr<Account>) {
        self.covered_by = Some(by);
    }

    /// Nothing else is done here until the answer has come, by which the balance is right again.
    #[call]
    async fn transfer(&mut self, to: Addr<Account>, amount: u32) -> Result<(), Refusal> {
        let left = self.balance.checked_sub(amount.into()).ok_or(Refusal::NotEnough)?;
        to.deposit(amount).await?;
        self.balance = left;
        Ok(())
    }

    #[call]
    async fn withdraw(&mut self, amount: u32) -> Result<(), Refusal> {
        let lacking = u64::from(amount).saturating_sub(self.balance) as u32;
        if lacking > 0 {
            let other = self.covered_by.ok_or(Refusal::NotEnough)?;
            other.withdraw(lacking).await??;
        }
        self.balance -= u64::from(amount - lacking);
        Ok(())
    }
}

/// A client's connection.
struct Session {
    accounts: Vec<Addr<Account>>,
}

#[actor(codec = Lines<LINE_BYTES_MAX>)]
impl Session {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let Ok(numbers) = words.map(str::parse).collect::<Result<Vec<u32>, _>>() else {
            return cx.write_line(USAGE);
        };
        let account = |number: u32| self.accounts.get(number as usize).copied();
        let accounts = [0, 1].map(|place| numbers.get(place).copied().and_then(account));
        match (word, accounts, numbers.as_slice()) {
            ("deposit", [Some(to), _], &[_, amount]) => ask(to.deposit(amount), cx, |()| done(Ok(()))),
            ("cover", [Some(account), Some(by)], [_, _]) => ask(account.cover(by), cx, |()| done(Ok(()))),
            ("withdraw", [Some(from), _], &[_, amount]) => ask(from.withdraw(amount), cx, done),
            ("transfer", [Some(from), Some(to)], &[_, _, amount]) => ask(from.transfer(to, amount), cx, done),
            ("balance", [Some(account), _], [_]) => ask(account.balance(), cx, |balance| balance.to_string()),
            _ => cx.write_line(USAGE),
        }
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        writeln!(cx, "error: {error}");
    }
}

/// Asks an account, and has the client wait. A place is an answer that is owed: without it, the connection does not end.
fn ask<Q: Send + 'static, R: Send + 'static>(
    question: Ask<Account, Q>,
    cx: &mut Context<Session>,
    say: fn(R) -> String,
) where
    Account: Receiver<Q, Reply = R>,
{
    cx.pause_reading();
    let place = cx.defer();
    question.then(cx, move |_, answer, cx| {
        cx.fill_line(place, answer.map_or_else(|error| Refusal::from(error).to_string(), say));
        cx.resume_reading();
    });
}

fn done(done: Result<(), Refusal>) -> String {
    done.map_or_else(|refusal| refusal.to_string(), |()| "ok".to_owned())
}

fn main() -> ExitCode {
    support::serve("bank", "", Config::default(), |system, address, _| {
        let cores = system.cores();
        let open = |number: usize| system.spawn_on(number % cores, Account::default());
        let accounts = (0..ACCOUNTS).map(open).collect::<Result<Vec<_>, _>>()?;
        let listener = system.listener(address).max_connections(CLIENTS_MAX);
        Ok::<_, support::Error>(listener.start(move |_peer| Session { accounts: accounts.clone() })?)
    })
}
