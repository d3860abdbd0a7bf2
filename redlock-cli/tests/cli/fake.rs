//! A server that says whatever a test wants.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What is said to a command, whose words come in capitals and separated by spaces, if it has been
/// heard so often before; `None` is nothing.
type Answer = fn(command: &str, before: usize) -> Option<String>;

/// A server that answers commands like this. It is there until the tests have ended.
pub(crate) struct Fake {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let told = Arc::clone(&told);
                thread::spawn(move || serve(connection.unwrap(), answer, &told));
            }
        });
        Self { port, heard }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The commands that it has got so far which contain this.
    pub(crate) fn heard(&self, part: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|command| command.contains(part)).cloned().collect()
    }
}

/// Until whoever asks has gone.
fn serve(mut connection: TcpStream, answer: Answer, heard: &Mutex<Vec<String>>) {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while let Ok(length @ 1..) = connection.read(&mut part) {
        text += &String::from_utf8_lossy(&part[..length]);
        while let Some((words, rest)) = command(&text) {
            text = rest;
            let before = {
                let mut heard = heard.lock().unwrap();
                heard.push(words.clone());
                heard.iter().filter(|command| **command == words).count() - 1
            };
            if let Some(said) = answer(&words, before)
                && connection.write_all(said.as_bytes()).is_err()
            {
                return;
            }
        }
    }
}

/// The first command of a text, and what comes after it; `None` if it is not complete.
fn command(text: &str) -> Option<(String, String)> {
    let (count, mut rest) = text.strip_prefix('*')?.split_once("\r\n")?;
    let mut words = Vec::new();
    for _ in 0..count.parse::<usize>().unwrap() {
        let (length, after) = rest.strip_prefix('$')?.split_once("\r\n")?;
        let length: usize = length.parse().unwrap();
        words.push(after.get(..length)?.to_uppercase());
        rest = after.get(length + 2..)?;
    }
    Some((words.join(" "), rest.to_owned()))
}
