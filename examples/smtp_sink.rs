//! A mail server that takes every message and keeps none: each connection is one `async fn`.
//!
//!     cargo run --release --example smtp_sink -- --listen 127.0.0.1:2525
//!
//! Shows: a conversation written down from top to bottom, lines with a limit and what is done with longer ones, pipelined
//! commands whose replies leave together, a timeout, the end of the system as the client sees it. It prints a line for each
//! message.

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;

use odeon::prelude::*;

mod support;

/// Bytes in a line of a command or a message, its end not counted: as RFC 5321 has it for the latter, and generous for the
/// former.
const LINE_BYTES_MAX: usize = 998;
/// Bytes in a message.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
const RECIPIENTS_MAX: usize = 100;
/// A client that makes so many mistakes is not listened to any more.
const MISTAKES_MAX: u32 = 20;
/// A client that says nothing for so long is sent away.
const PATIENCE: Duration = Duration::from_secs(300);

/// The parts of a message that come before it.
#[derive(Default)]
struct Envelope {
    from: String,
    to: Vec<String>,
}

/// What the client has said so far.
#[derive(Default)]
struct Session {
    greeted: bool,
    mail: Option<Envelope>,
    mistakes: u32,
}

/// What follows a command.
enum Then {
    Reply(String),
    /// The message follows.
    Data(Envelope),
    Quit,
}

/// Serves a connection, from its greeting to its end.
async fn attend(mut stream: Stream) -> io::Result<()> {
    match converse(&mut stream).await {
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            stream.write_all("421 you have been silent for too long\r\n").await
        }
        ended => ended,
    }
}

async fn converse(stream: &mut Stream) -> io::Result<()> {
    let mut session = Session::default();
    stream.write_all("220 odeon takes everything and keeps nothing\r\n").await?;
    while session.mistakes < MISTAKES_MAX {
        let line = match stream.read_line(LINE_BYTES_MAX).await {
            Ok(Some(line)) => line,
            Ok(None) => return stream.write_all("421 closing\r\n").await,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                stream.skip_until(b'\n').await?;
                session.mistakes += 1;
                stream.write_all("500 too long, or not UTF-8\r\n").await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let reply = match session.command(&line) {
            Then::Reply(reply) => reply,
            Then::Data(envelope) => {
                stream.write_all("354 go on; end with a dot on a line of its own\r\n").await?;
                match receive(stream, &envelope).await? {
                    Some(reply) => reply,
                    None => return stream.write_all("421 closing\r\n").await,
                }
            }
            Then::Quit => return stream.write_all("221 goodbye\r\n").await,
        };
        session.mistakes += u32::from(reply.starts_with('5'));
        stream.write_all(reply + "\r\n").await?;
    }
    stream.write_all("421 too many mistakes\r\n").await
}

impl Session {
    fn command(&mut self, line: &str) -> Then {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let reply = match verb.to_ascii_uppercase().as_str() {
            "HELO" => self.greet("250 odeon"),
            "EHLO" => self.greet(&format!(
                "250-odeon\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE {MESSAGE_BYTES_MAX}"
            )),
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => match self.mail.take_if(|mail| !mail.to.is_empty()) {
                Some(envelope) => return Then::Data(envelope),
                None => "503 to whom?".to_owned(),
            },
            "RSET" => {
                self.mail = None;
                "250 forgotten".to_owned()
            }
            "NOOP" => "250 nothing done".to_owned(),
            "VRFY" => "252 try it".to_owned(),
            "QUIT" => return Then::Quit,
            _ => "500 no such command".to_owned(),
        };
        Then::Reply(reply)
    }

    fn greet(&mut self, reply: &str) -> String {
        self.greeted = true;
        self.mail = None;
        reply.to_owned()
    }

    fn mail(&mut self, rest: &str) -> String {
        let Some((from, parameters)) = path(rest, "FROM:") else { return "501 from whom?".to_owned() };
        if !self.greeted || self.mail.is_some() {
            return "503 greet first, and finish one message before the next".to_owned();
        }
        let mut parameters = parameters.split_ascii_whitespace().map(str::to_ascii_uppercase);
        let size = parameters.find_map(|parameter| parameter.strip_prefix("SIZE=")?.parse::<usize>().ok());
        if size.is_some_and(|size| size > MESSAGE_BYTES_MAX) {
            return too_large();
        }
        self.mail = Some(Envelope { from: from.to_owned(), to: Vec::new() });
        "250 from them".to_owned()
    }

    fn recipient(&mut self, rest: &str) -> String {
        let Some((to, _)) = path(rest, "TO:") else { return "501 to whom?".to_owned() };
        let Some(mail) = &mut self.mail else { return "503 from whom?".to_owned() };
        if to.is_empty() {
            return "501 to whom?".to_owned();
        }
        if mail.to.len() == RECIPIENTS_MAX {
            return "452 too many recipients".to_owned();
        }
        mail.to.push(to.to_owned());
        "250 to them too".to_owned()
    }
}

/// The address in `FROM:<somebody@example.org> SIZE=…`, and what is behind it.
fn path<'a>(text: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    rest.trim_start().strip_prefix('<')?.split_once('>')
}

fn too_large() -> String {
    format!("552 more than {MESSAGE_BYTES_MAX} bytes")
}

/// Receives a message to its end, whatever it is like, and answers what is replied to it; none if it does not end.
async fn receive(stream: &mut Stream, envelope: &Envelope) -> io::Result<Option<String>> {
    let (mut bytes, mut long_lines) = (0_usize, 0);
    let mut line = Vec::new();
    // Only `\r\n` ends a line here: for who takes less, a message may end in the middle of what another server takes for one.
    let mut at_start = true;
    loop {
        line.clear();
        match stream.read_until(b'\n', LINE_BYTES_MAX + 1, &mut line).await {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                long_lines += 1;
                bytes += stream.skip_until(b'\n').await?;
                // However that ended: the message is refused.
                at_start = true;
                continue;
            }
            Err(error) => return Err(error),
        }
        let text = if at_start { line.strip_prefix(b".").unwrap_or(&line) } else { &line };
        if at_start && line == b".\r\n" {
            break;
        }
        at_start = line.ends_with(b"\r\n");
        // It is not kept: a server that does would stop here when there is too much of it.
        bytes += text.len();
    }
    if bytes > MESSAGE_BYTES_MAX {
        return Ok(Some(too_large()));
    }
    if long_lines > 0 {
        return Ok(Some(format!("554 more than {LINE_BYTES_MAX} bytes in a line")));
    }
    let Envelope { from, to } = envelope;
    println!("{bytes} bytes from <{}> to <{}>", from.escape_debug(), to.join(">, <").escape_debug());
    Ok(Some(format!("250 taken: {bytes} bytes")))
}

fn main() -> ExitCode {
    support::serve("smtp_sink", "", Config::default(), |system, address, _| {
        system.listener(address).idle_timeout(PATIENCE).serve(attend)
    })
}
