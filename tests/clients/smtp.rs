//! The mail sink: Python's `smtplib`, and clients that are less polite.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use socket2::SockRef;

use crate::process::{Process, Server, installed};

/// Sends messages by the standard library, and prints what it is told.
const CLIENT: &str = r#"
import smtplib, sys

def send(server, text, recipients):
    refused = server.sendmail("ann@example.org", recipients, text)
    assert refused == {}, refused

with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=30) as server:
    server.ehlo("client.example.org")
    assert server.has_extn("pipelining") and server.esmtp_features["size"] == "1048576"
    for count in range(20):
        send(server, "Subject: hello\r\n\r\n" + "a line\r\n" * count, ["bob@example.org"])
    send(server, "Subject: dots\r\n\r\n.\r\n..\r\n.three\r\n", ["bob@example.org", "carl@example.org"])
    send(server, "x" * 900 + "\r\n" + ("y" * 98 + "\r\n") * 9000, ["bob@example.org"])
    print(server.noop()[0], server.verify("bob")[0], server.docmd("NONSENSE")[0], server.rset()[0])
    try:
        send(server, "z" * 2000000, ["bob@example.org"])
    except smtplib.SMTPSenderRefused as refusal:
        print("announced", refusal.smtp_code)
    server.rset()
    for data in ["z\r\n" * 500000, "z" * 2000 + "\r\n", "good\r\n"]:
        server.docmd("MAIL FROM:<ann@example.org>")
        server.docmd("RCPT TO:<bob@example.org>")
        print("sent", server.data(data)[0])

with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=30) as server:
    server.helo("client.example.org")
    print(server.docmd("DATA")[0], server.docmd("RCPT TO:<bob@example.org>")[0], server.docmd("MAIL TO:<x>")[0])
    print(server.docmd("N" * 5000)[0], server.docmd("MAIL FROM:<>")[0], server.docmd("MAIL FROM:<>")[0])
    print([server.docmd("RCPT TO:<%d@example.org>" % i)[0] for i in range(101)][99:])
"#;

pub fn a_mail_client_delivers_its_messages(backend: &str) {
    if !installed("python3") {
        return;
    }
    let server = Server::start("smtp_sink", backend);
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let client = Process::start(Command::new("python3").args(["-c", CLIENT, &host, &port])).ended();
    assert!(client.status.success(), "{client:?}");
    let told = ["250 252 500 250", "announced 552", "sent 552", "sent 554", "sent 250"];
    let told = told.into_iter().chain(["503 503 501", "500 250 503", "[250, 452]"]);
    assert!(client.output.lines().eq(told), "{client:?}");
    let from = |bytes: usize, to: &str| format!("{bytes} bytes from <ann@example.org> to {to}\n");
    let mut received: String = (0..20).map(|count| from(18 + 8 * count, "<bob@example.org>")).collect();
    received += &from(32, "<bob@example.org>, <carl@example.org>");
    received += &from(902 + 900_000, "<bob@example.org>");
    received += &from(6, "<bob@example.org>");
    assert_eq!(server.stop("TERM").output, received);
}

fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.replace('\n', "\r\n").as_bytes()).unwrap();
}

pub fn pipelined_mail_is_answered_in_order(backend: &str) {
    let server = Server::start("smtp_sink", backend);
    let message = "MAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\nhello\n..dot\n.\n";
    let script = format!("EHLO c\n{}NOOP\n{message}QUIT\n", message.repeat(50));
    let mut stream = server.connect();
    send(&mut stream, &script);
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    let codes: Vec<&str> = replies.lines().map(|reply| &reply[..4]).collect();
    let each = ["250 ", "250 ", "354 ", "250 "];
    let greeting = ["220 ", "250-", "250-", "250-", "250 "];
    let expected = [&greeting[..], &each.repeat(50), &["250 "], &each, &["221 "]].concat();
    assert_eq!(codes, expected);
    // A byte at a time it is the same.
    let mut slow = server.connect();
    slow.set_nodelay(true).unwrap();
    for byte in script.replace('\n', "\r\n").as_bytes().chunks(1).take(2000) {
        slow.write_all(byte).unwrap();
    }
    slow.shutdown(Shutdown::Write).unwrap();
    let told = BufReader::new(slow).lines().map(Result::unwrap).collect::<Vec<_>>();
    assert!(told.len() > 80 && told.last().unwrap().starts_with("421"), "{told:?}");
    let output = server.stop("TERM").output;
    assert!(output.lines().take(51).all(|line| line == "13 bytes from <a@x> to <b@y>"), "{output}");
}

pub fn a_mail_client_that_vanishes_leaves_no_message(backend: &str) {
    let server = Server::start("smtp_sink", backend);
    for resets in [true, false].repeat(10) {
        let mut stream = server.connect();
        send(&mut stream, "HELO c\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\nhalf of a mess");
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut reply = String::new();
        while !reply.starts_with("354") {
            reply.clear();
            reader.read_line(&mut reply).unwrap();
        }
        if resets {
            SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
    }
    let mut stream = server.connect();
    // A bare line feed ends no message.
    send(&mut stream, "HELO c\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\n");
    stream.write_all(b"whole\n.\n\r\n.\r\nQUIT\r\n").unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert!(replies.ends_with("250 taken: 10 bytes\r\n221 goodbye\r\n"), "{replies}");
    assert_eq!(server.stop("TERM").output, "10 bytes from <a@x> to <b@y>\n");
}
