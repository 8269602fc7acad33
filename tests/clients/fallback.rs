//! Where io_uring is refused, as in most containers, the other backend takes its place, and says so.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::process::Command;

use crate::process::{Process, Server, example, installed, usable, without_io_uring};

#[test]
fn a_refusal_is_announced_and_survived() {
    if !installed("python3") {
        return;
    }
    for refusal in [
        &[("REFUSE", "EPERM")][..],
        &[("REFUSE", "ENOSYS")],
        &[("REFUSE", "ENOSYS"), ("ONLY", "enter")],
        &[("ONLY", "register")],
    ] {
        let mut command = without_io_uring(&example("echo"));
        command.args(["--listen", "127.0.0.1:0"]).envs(refusal.iter().copied());
        let server = Server::start_command(&mut command);
        assert!(server.banner.contains("mio"), "{}", server.banner);
        let mut client = server.connect();
        client.write_all(b"still here").unwrap();
        let mut answer = [0; 10];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"still here");
        drop(client);
        let errors = server.stop("TERM").errors;
        assert_eq!(errors.lines().count(), 1, "one decision, announced once: {errors}");
        assert!(errors.contains("io_uring") && errors.contains("mio"), "{errors}");
    }
}

#[test]
fn what_is_in_use_can_be_asked_for() {
    for (backend, said) in [("uring", "buffers"), ("mio", "mio")] {
        if usable(backend) {
            let mut command = Command::new(example("echo"));
            command.args(["--listen", "127.0.0.1:0", "--features", "--backend", backend]);
            let server = Server::start_command(&mut command);
            let features = server.process.output.next().expect("a second line");
            assert!(features.contains(said), "{features}");
            server.stop("TERM");
        }
    }
}

#[test]
fn a_backend_that_is_asked_for_is_not_replaced() {
    if !installed("python3") {
        return;
    }
    let mut command = without_io_uring(&example("echo"));
    let ended = Process::start(command.args(["--listen", "127.0.0.1:0", "--backend", "uring"])).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.errors.contains("uring") && ended.errors.contains("not permitted"), "{}", ended.errors);
}

/// Short of memory, or of room for answers: the kernel says so when it is entered, and means "later". Here it says so
/// whenever a core would sleep.
#[test]
fn a_kernel_that_is_busy_is_asked_again() {
    if !installed("python3") || !usable("uring") {
        return;
    }
    for busy in ["EBUSY", "EAGAIN", "ENOMEM", "EINTR"] {
        let mut command = without_io_uring(&example("echo"));
        command.args(["--listen", "127.0.0.1:0", "--cores", "2", "--backend", "uring"]);
        let server = Server::start_command(command.env("REFUSE", busy).env("WAITING", "refused"));
        let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for round in 0..50_u8 {
            for client in &mut clients {
                client.write_all(&[round; 300]).unwrap();
            }
            for client in &mut clients {
                let mut answer = [0; 300];
                client.read_exact(&mut answer).unwrap();
                assert_eq!(answer, [round; 300]);
            }
        }
        drop(clients);
        let errors = server.stop("TERM").errors;
        assert_eq!(errors, "", "{busy}");
    }
}
